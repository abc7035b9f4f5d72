"""The simulation: a company's traffic as batches of events, with labelled incidents. Pure: the seed decides all."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.arrivals import MAX_DELAY_S, Arrivals
from tokentrail.processors.simulation.calls import CALL, Calls, join_calls
from tokentrail.processors.simulation.company import HOUR_S, SourceTable
from tokentrail.processors.simulation.events import EventBuilder, Moments
from tokentrail.processors.simulation.founding import Founder
from tokentrail.processors.simulation.labels import Incident, Labels
from tokentrail.processors.simulation.outcomes import conclude
from tokentrail.processors.simulation.plans import Plan, Surge
from tokentrail.processors.simulation.pods import Pods
from tokentrail.processors.simulation.schedule import Schedule
from tokentrail.processors.simulation.sessions import Sessions
from tokentrail.processors.slicing import EventBatch

PARTITIONS: Final = 4
DAY_S: Final = 86_400.0
_STRETCH_H: Final = 3
"""Hours that are worked out at once: enough that NumPy's own cost does not count, and little enough for the memory."""
_WEEK_H: Final = 168
_TENANTS: Final = (6, 10)
_GROWTH: Final = (0.01, 0.03)
"""Per week and department."""
_DAY_SIGMA: Final = 0.3
"""Of a source's activity from day to day, lognormal."""
_LAST_CALL_S: Final = 15.0
"""How long the last calls of an incident may take; a label ends behind them."""
_ABSENT: Final = 0.12
"""Of people, on any day."""
# Streams of random numbers, so that what one part draws changes nothing for the others.
_COMPANY, _PLANS, _PODS, _GROWTHS, _DAYS, _HOURS, _STRETCHES, _EXTRAS, _SURGES = range(9)


class Simulation:
    """One made-up company over `days` from `start` (UTC). The same arguments give the same events.

    `calls_per_day` is the ordinary traffic of an average day; incidents come on top. `tenants` is the number of
    departments, drawn from the seed if None. `kinds` limits incidents and look-alikes to those named; None: all.
    `batch_s` is how many seconds of arrival a batch holds. Bounded in memory: some hours of events at a time.
    """

    def __init__(  # noqa: PLR0913 - all but the seed are by name
        self,
        seed: int,
        *,
        start: datetime,
        days: float = 28,
        calls_per_day: float = 15_000,
        tenants: int | None = None,
        partitions: int = PARTITIONS,
        kinds: Collection[str] | None = None,
        batch_s: float = 300.0,
    ) -> None:
        self.seed = seed
        self.start = start.astimezone(UTC)
        self.days = days
        self.calls_per_day = calls_per_day
        self.partitions = partitions
        self._batch_s = batch_s
        rng = self._rng(_COMPANY)
        founder = Founder(rng, calls_per_day, self.start.weekday() * 24 + self.start.hour)
        founder.found(tenants or int(rng.integers(_TENANTS[0], _TENANTS[1] + 1)))
        schedule = Schedule(self._rng(_PLANS), days, kinds)
        customers = founder.add_customers(schedule.customer_moments())
        self._company = founder.company
        self._table = SourceTable(self._company)
        self._plans = schedule.plan(self._company, self._table, customers)
        restarts = [restart for plan in self._plans for restart in plan.restarts]
        self._pods = Pods(self._company, days, restarts, self._rng(_PODS))
        self.incidents: list[Incident] = sorted(map(self._label, self._plans), key=lambda incident: incident.start)
        """In order of their start."""
        growth = self._rng(_GROWTHS).uniform(*_GROWTH, len(self._company.departments))
        self._weekly_growth = growth[self._table.department]

    @property
    def tenants(self) -> int:
        """How many departments the company has, those that come later included."""
        return len(self._company.departments)

    def labels(self) -> Labels:
        """Return what a file of labels holds."""
        return Labels(
            seed=self.seed,
            start=self.start,
            days=self.days,
            calls_per_day=self.calls_per_day,
            incidents=self.incidents,
        )

    def batches(self) -> Iterator[EventBatch]:
        """Yield every event, from the beginning, in order of arrival. Each call starts anew.

        Calls that are open when the time is over have no completed event.
        """
        sessions = Sessions(self._company, self._table)
        builder = EventBuilder(self._company, self._pods, self.start)
        arrivals = Arrivals(
            self._pods.partitions(self.partitions), self.partitions, self.start.timestamp(), self._batch_s
        )
        pending = np.zeros(0, CALL)
        hours = ceil(self.days * 24)
        for first in range(0, hours, _STRETCH_H):
            last = min(first + _STRETCH_H, hours)
            end_s, rng = min(last * HOUR_S, self.days * DAY_S), self._rng(_STRETCHES, first)
            begun = [part for hour in range(first, last) for part in self._begin_calls(sessions, hour)]
            calls = conclude(join_calls(begun), self._alter, rng)
            calls = join_calls([pending, calls[calls["start_s"] < self.days * DAY_S]])
            built = builder.build(calls, self._moments(calls, end_s), rng)
            yield from arrivals.admit(built, end_s if last < hours else end_s + MAX_DELAY_S + 1, rng)
            calls["begun"] = calls["start_s"] < end_s
            pending = calls[calls["start_s"] + calls["latency_ms"] / 1000 >= end_s]

    def _begin_calls(self, sessions: Sessions, hour: int) -> list[Calls]:
        """Return the calls of all sessions and plans that begin in an hour."""
        begin_s = hour * HOUR_S
        expected = self._table.calls_in_hour(hour) * (1 + self._weekly_growth * hour / _WEEK_H) * self._day(hour // 24)
        parts = [sessions.draw(expected, begin_s, HOUR_S, self._rng(_HOURS, hour))]
        for number, plan in enumerate(self._plans):
            if plan.surge is not None and plan.surge.start_s < begin_s + HOUR_S and plan.surge.end_s > begin_s:
                parts.append(_surge(sessions, plan.surge, expected, begin_s, self._rng(_SURGES, number, hour)))
            if plan.calls is not None and begin_s <= plan.start_s < begin_s + HOUR_S:
                parts.append(plan.calls(self._rng(_EXTRAS, number)))
        return parts

    def _alter(self, calls: Calls, rng: np.random.Generator) -> None:
        self._pods.assign(calls, rng)
        earliest, latest = calls["start_s"].min(), calls["start_s"].max()
        for plan in self._plans:
            if plan.alter is not None and plan.start_s <= latest and plan.end_s > earliest:
                rows = np.flatnonzero((calls["start_s"] >= plan.start_s) & (calls["start_s"] < plan.end_s))
                part = calls[rows]
                plan.alter(part, rng)
                calls[rows] = part

    def _moments(self, calls: Calls, end_s: float) -> Moments:
        """Return the events that happen before `end_s` and are not out yet, in order."""
        ends = calls["start_s"] + calls["latency_ms"] / 1000
        starting = np.flatnonzero(~calls["begun"] & (calls["start_s"] < end_s))
        ending = np.flatnonzero(ends < end_s)
        row = np.concatenate([starting, ending])
        time_s = np.concatenate([calls["start_s"][starting], ends[ending]])
        completed = np.repeat([False, True], [len(starting), len(ending)])
        order = np.argsort(time_s, kind="stable")
        row, time_s = row[order], time_s[order]
        return Moments(time_s, row, completed[order], time_s + self._skews(calls["pod"][row], time_s))

    def _skews(self, pods: NDArray[Any], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        offsets = np.zeros(len(time_s))
        for plan in self._plans:
            skew = plan.skew
            if skew is not None and len(time_s) and skew.start_s <= time_s[-1] and skew.end_s > time_s[0]:
                own = self._company.services[skew.service].pods
                inside = (time_s >= skew.start_s) & (time_s < skew.end_s)
                offsets[inside & (pods >= own.start) & (pods < own.stop)] = skew.offset_s
        return offsets

    def _day(self, day: int) -> NDArray[np.float64]:
        """Return how active each source is on a day, beside an average one."""
        rng = self._rng(_DAYS, day)
        factors = rng.lognormal(-(_DAY_SIGMA**2) / 2, _DAY_SIGMA, len(self._table.user))
        people = self._table.habit != 2  # noqa: PLR2004 - Habit.MACHINE
        present = ~people | (rng.random(len(factors)) >= _ABSENT)
        result: NDArray[np.float64] = factors * present
        return result

    def _label(self, plan: Plan) -> Incident:
        entities = {field: list(values) for field, values in plan.entities.items()}
        if plan.pods:
            entities["producer_id"] = self._pods.ids_between(plan.pods, plan.start_s, plan.end_s)
        end_s = min((plan.label_end_s or plan.end_s) + _LAST_CALL_S, self.days * DAY_S)
        return Incident(
            kind=plan.kind,
            start=self.start + timedelta(seconds=plan.label_start_s or plan.start_s),
            end=self.start + timedelta(seconds=end_s),
            entities=entities,
            harmless=plan.harmless,
            note=plan.note,
        )

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *stream))


def _surge(
    sessions: Sessions, surge: Surge, expected: NDArray[np.float64], hour_s: float, rng: np.random.Generator
) -> Calls:
    """Return the calls that a surge adds in the hour that begins at `hour_s`, where `expected` come anyway."""
    begin_s, end_s = max(hour_s, surge.start_s), min(hour_s + HOUR_S, surge.end_s)
    added = np.zeros_like(expected)
    added[surge.sources] = expected[surge.sources] * surge.height((begin_s + end_s) / 2) * (end_s - begin_s) / HOUR_S
    return sessions.draw(added, begin_s, end_s - begin_s, rng)

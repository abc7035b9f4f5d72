"""The site of an incident: draws where and when it happens, and makes the calls that it adds."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.calls import Calls, new_calls
from tokentrail.processors.simulation.catalogue import MODELS, VENDORS
from tokentrail.processors.simulation.company import HOUR_S, Company, Department, Route, SourceTable
from tokentrail.processors.simulation.latencies import estimate_latencies
from tokentrail.processors.simulation.names import form_of, name_content
from tokentrail.processors.simulation.plans import Entities, UnsuitableError
from tokentrail.processors.simulation.rhythm import HOURS, WORK_HOURS, Habit

DAY_S: Final = 86_400.0
WARM_UP_DAYS: Final = 3.0
"""Nothing is planned before."""
_QUIET_END_S: Final = 7_200.0
_FIRST_PLANNED_SESSION: Final = 10**12
_SESSIONS_A_PLAN: Final = 10**4
_ACTIVE_CALLS: Final = {Habit.CHAT: 1.1, Habit.CODE: 2.5, Habit.MACHINE: 0.2}
"""A minute, by habit."""
TYPICAL_TOKENS: Final = 2_500
"""Of a call; what is usual for a source is its calls times this."""


class Site:
    """Draws for one plan. `number` tells it from all others."""

    def __init__(
        self, company: Company, table: SourceTable, days: float, number: int, rng: np.random.Generator
    ) -> None:
        self.company = company
        self.table = table
        self.days = days
        self.number = number
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        """Draw uniformly."""
        return float(self.rng.uniform(low, high))

    def minutes(self, low: float, high: float) -> float:
        """Draw a length in minutes, the short ones as likely as the long ones by order of magnitude; in seconds."""
        return 60.0 * float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def moment(self, length_s: float, earliest_s: float = 0.0) -> float:
        """Draw a start such that all of it lies within the simulation, after its first days.

        Raises:
            UnsuitableError: it is longer than that.
        """
        first = max(min(WARM_UP_DAYS, self.days / 3) * DAY_S, earliest_s)
        last = self.days * DAY_S - min(_QUIET_END_S, self.days * DAY_S / 20) - length_s
        if last <= first:
            raise UnsuitableError
        return self.between(first, last)

    def working_moment(self, length_s: float, utc_offset_h: int, earliest_s: float = 0.0) -> float:
        """Draw a start at which an office is at work.

        Raises:
            UnsuitableError: none was found.
        """
        for _ in range(40):
            start_s = self.moment(length_s, earliest_s)
            day, hour = divmod((self.company.start_hour + utc_offset_h + start_s / HOUR_S) % HOURS, 24)
            if day < 5 and WORK_HOURS.start <= hour < WORK_HOURS.stop:  # noqa: PLR2004 - Monday to Friday
                return start_s
        raise UnsuitableError

    def usual_moment(self, length_s: float, department: Department, night_share: float) -> float:
        """Draw a start in a department's working hours, or, that often, at any time."""
        earliest_s = _settled(department)
        if self.rng.random() < night_share:
            return self.moment(length_s, earliest_s)
        return self.working_moment(length_s, department.utc_offset_h, earliest_s)

    def department(self) -> tuple[int, Department]:
        """Draw a department, any as likely as another.

        Raises:
            UnsuitableError: it begins too late to have a usual.
        """
        index = int(self.rng.integers(0, len(self.company.departments)))
        department = self.company.departments[index]
        if _settled(department) > self.days * DAY_S:
            raise UnsuitableError
        return index, department

    def person(self, department: Department) -> int:
        """Draw a source that is a person, the busy ones rather than the quiet ones; nobody who joins later."""
        sources = self.company.sources
        people = [source for source in department.people if sources[source].from_s <= department.from_s]
        weights = np.array([sources[source].calls_per_week for source in people]) ** 0.7
        return int(self.rng.choice(people, p=weights / weights.sum()))

    def active_calls_per_minute(self, source: int) -> float:
        """Return what a source makes while it is at it: a person, within a session."""
        return max(_ACTIVE_CALLS[self.company.sources[source].habit], self.table.busy_calls_per_hour(source) / 60)

    def machine(self, department: Department) -> int:
        """Draw a source that is a service account."""
        return int(self.rng.choice([source for source in department.sources if source not in department.people]))

    def route_and_model(self, source: int) -> tuple[int, int]:
        """Draw one of a source's ways of calling."""
        choices = self.company.sources[source].choices
        route, model, _ = choices[int(self.rng.choice(len(choices), p=[choice[2] for choice in choices]))]
        return route, model

    def session(self, place: int = 0) -> int:
        """Return the number of a session that nobody else has."""
        return _FIRST_PLANNED_SESSION + self.number * _SESSIONS_A_PLAN + place

    def foreign_address(self) -> int:
        """Add an address that nobody has called from (RFC 2544 keeps them for tests)."""
        high, low = (int(part) for part in self.rng.integers(1, 255, 2))
        return self.company.add_address(f"198.{18 + int(self.rng.integers(0, 2))}.{high}.{low}")

    def expected_per_minute(self, start_s: float, shares: NDArray[np.float64]) -> float:
        """Return the calls a minute that are expected at a moment; `shares` of each source's."""
        return float(self.table.calls_in_hour(int(start_s // HOUR_S)) @ shares) / 60

    def key_calls_per_minute(self, key: int) -> float:
        """Return what a key sees in an ordinary working hour."""
        routes = {number for number, route in enumerate(self.company.routes) if route.key == key}
        return (
            sum(
                self.table.busy_calls_per_hour(number) * share
                for number, source in enumerate(self.company.sources)
                for route, _, share in source.choices
                if route in routes
            )
            / 60
        )

    def key_of(self, route: Route) -> str:
        """Return a route's `api_key_id`."""
        return form_of(self.company.keys[0]) + self.company.keys[route.key]

    def hash_of(self, content: int) -> str:
        """Return a content's `request_hash`."""
        return name_content(form_of(self.company.keys[0]), content)

    def describe(self, route: int, model: int | None = None) -> Entities:
        """Return what a route's calls carry, most specific first."""
        chosen = self.company.routes[route]
        vendor = VENDORS[chosen.vendor]
        entities = {
            "api_key_id": [self.key_of(chosen)],
            "feature": [chosen.feature],
            "service": [self.company.services[chosen.service].name],
            "department": [chosen.department],
            "provider": [vendor.provider],
            "endpoint": [vendor.endpoint],
        }
        if model is not None:
            entities["request_model"] = [MODELS[model].name]
        return entities


def evenly(rng: np.random.Generator, count: int, start_s: float, length_s: float) -> NDArray[np.float64]:
    """Return moments spread over a stretch of time, one in each part of it."""
    places: NDArray[np.float64] = start_s + (np.arange(count) + rng.random(count)) * length_s / max(count, 1)
    return places


def fill_calls(  # noqa: PLR0913 - columns, by name
    rng: np.random.Generator,
    start_s: NDArray[np.float64],
    *,
    route: int,
    model: int,
    address: NDArray[np.int64] | int,
    user: int,
    session: NDArray[np.int64] | int,
    input_tokens: NDArray[np.float64] | NDArray[np.int64],
    output_tokens: NDArray[np.float64] | NDArray[np.int64],
) -> Calls:
    """Return calls of these columns, with the time that their size takes."""
    calls = new_calls(len(start_s), rng, start_s)
    for name, column in (
        ("route", route), ("model", model), ("address", address), ("user", user), ("session", session),
        ("input_tokens", input_tokens), ("output_tokens", output_tokens),
    ):  # fmt: skip
        calls[name] = column
    calls["output_tokens"] = np.maximum(calls["output_tokens"], 1)
    estimate_latencies(calls, rng)
    return calls


def _settled(department: Department) -> float:
    """Return when a department has become usual."""
    return department.from_s + WARM_UP_DAYS * DAY_S if department.from_s else 0.0

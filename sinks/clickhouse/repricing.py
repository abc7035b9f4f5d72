"""Prices the calls of a period again, with the price book of now, and appends what differs as corrections. Blocking.

`calls` stays as it was. The work goes in chunks of append time, each one statement; a call whose cost is what it would
be has no correction, so that a run that was killed is finished by the same command. One run at a time: each gives signs
of life, and one that was killed is waited for no longer than `SILENCE_S`.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.errors import LedgerError
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.repricing import PricedModel, PricingRule, plan_rules, rates_of
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.correction_repair import repair_corrections
from tokentrail.sinks.clickhouse.cost_query import CostFrame, CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import ONE_PART
from tokentrail.sinks.clickhouse.rate_rows import RATE_COLUMNS, rate_row
from tokentrail.sinks.clickhouse.repricing_sql import COLUMNS, corrections_select, rule_parameters
from tokentrail.sinks.clickhouse.retention import kept_since
from tokentrail.sinks.erasure.subject_keys import hold_off_erasures

CHUNK_CALLS: Final = 1_000_000
SILENCE_S: Final = 60
"""A run that has given no sign of life for so long is dead."""
_Chunk = tuple[datetime, datetime]


class Difference(msgspec.Struct, frozen=True):
    """What changes for the calls of one UTC day and model whose cost differs; None where none of them has a cost."""

    day: date
    model: str
    calls: int
    old_cost_usd: Decimal | None
    new_cost_usd: Decimal | None

    @property
    def delta_usd(self) -> Decimal:
        """New less old; what is not known counts nothing."""
        return (self.new_cost_usd or Decimal(0)) - (self.old_cost_usd or Decimal(0))


class Repricing(msgspec.Struct, frozen=True):
    """What a run found, and but for a dry run appended. `repaired_days` were left by one that was killed."""

    run_id: str
    differences: list[Difference]
    repaired_days: int = 0


def reprice(
    settings: Settings, query: CostQuery, prices: PriceBook, *, reason: str = "", dry_run: bool = False
) -> Repricing:
    """Price the calls that a question chooses again, and return the difference; `by` of the question is not looked at.

    Raises:
        CostQueryError: a filter names something unknown.
        EngineError: the engine cannot be reached or refuses.
        LedgerError: another run goes on, or the ledger's view was changed by hand.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            run = _Run(client, settings, query, prices, reason)
            return Repricing(run.run_id, run.differences()) if dry_run else run.correct()
    finally:
        client.close()


class _Run:
    def __init__(self, client: Client, settings: Settings, query: CostQuery, prices: PriceBook, reason: str) -> None:
        self.run_id = uuid.uuid4().hex
        self._client = client
        self._name = settings.clickhouse_database
        self._frame: CostFrame = query.frame(self._name)
        self._prices = prices
        self._reason = reason
        self._kept_since = kept_since(settings, datetime.now(UTC), "calls", "cost_corrections")
        self._subject_keys = settings.subject_keys

    def differences(self) -> list[Difference]:
        """Return what a run would change now."""
        rules = self._plan()
        found: dict[tuple[date, str], Difference] = {}
        for chunk in self._chunks():
            for row in self._compare(chunk, rules):
                one = Difference(*row)
                before = found.get((one.day, one.model))
                found[one.day, one.model] = one if before is None else _added(before, one)
        return [found[key] for key in sorted(found)]

    def correct(self) -> Repricing:
        """Take the turn, mend what a killed run left, and append corrections chunk by chunk."""
        with_turn = self._take_turn()
        try:
            self._settle()
            repaired = self._repair()
            rules = self._plan()
            before = self.differences()
            for chunk in self._chunks():
                with_turn()
                # An erasure meanwhile would put old months of rollups in place of these corrections.
                with self._erasures_held_off():
                    self._append(chunk, rules)
            repaired += self._repair()
            return Repricing(self.run_id, before, repaired)
        finally:
            self._say("ended")

    def _erasures_held_off(self) -> AbstractContextManager[None]:
        directory = self._subject_keys
        return nullcontext() if directory is None or not directory.is_dir() else hold_off_erasures(directory)

    def _repair(self) -> int:
        with self._erasures_held_off():
            return repair_corrections(self._client, self._name, self._statement(), self._kept_since)

    def _plan(self) -> tuple[PricingRule, ...]:
        rows = self._client.query(
            f"SELECT DISTINCT call.provider, call.model, call.service_tier {self._frame.source} "
            f"{self._frame.conditions}",
            self._frame.parameters,
        ).result_rows
        if not rows:
            return ()
        bounds = self._client.query(
            f"SELECT min(toDate(call.time)), max(toDate(call.time)) {self._frame.source} {self._frame.conditions}",
            self._frame.parameters,
        ).result_rows[0]
        rules = plan_rules((PricedModel(*row) for row in rows), self._prices, bounds[0], bounds[1] + timedelta(days=1))
        if rates := rates_of(rules):
            # A row names its own content: written twice, it is the same row.
            rate_rows = [rate_row(one) for one in rates.values()]
            self._client.insert(f"`{self._name}`.model_rates", rate_rows, RATE_COLUMNS)
        return rules

    def _chunks(self) -> Iterator[_Chunk]:
        """Cut the period into stretches of append time within a month, of about CHUNK_CALLS calls."""
        rows = self._client.query(
            f"SELECT toStartOfHour(call.appended_at) AS hour, count() {self._frame.source} {self._frame.conditions} "
            f"GROUP BY hour ORDER BY hour",
            self._frame.parameters,
        ).result_rows
        begin: datetime | None = None
        end = begin
        calls = 0
        for hour, count in rows:
            aware = hour if hour.tzinfo else hour.replace(tzinfo=UTC)
            if (
                begin
                and end
                and (calls + count > CHUNK_CALLS or (begin.year, begin.month) != (aware.year, aware.month))
            ):
                yield begin, end
                begin, calls = None, 0
            begin, end = begin or aware, aware + timedelta(hours=1)
            calls += count
        if begin and end:
            yield begin, end

    def _select(self, chunk: _Chunk, rules: Sequence[PricingRule]) -> tuple[str, dict[str, Any]]:
        view = self._client.query(
            "SELECT as_select FROM system.tables WHERE database = {database:String} AND engine = 'MaterializedView' "
            "AND startsWith(name, 'calls_from_event')",
            {"database": self._name},
        ).result_rows[0][0]
        begin_s, end_s = (int(moment.timestamp()) for moment in chunk)
        condition = f"appended_at >= toDateTime({begin_s}, 'UTC') AND appended_at < toDateTime({end_s}, 'UTC')"
        chosen = self._frame.conditions.removeprefix("WHERE ")
        own = {"run_id": self.run_id, "reason": self._reason}
        return corrections_select(view, self._name, chosen, condition), {
            **self._frame.parameters,
            **rule_parameters(rules),
            **own,
        }

    def _compare(self, chunk: _Chunk, rules: Sequence[PricingRule]) -> Sequence[Sequence[Any]]:
        select, parameters = self._select(chunk, rules)
        return self._client.query(
            f"SELECT toDate(time) AS day, toString(model) AS its_model, count(), sum(toDecimal128(old_cost_usd, 9)), "  # noqa: S608  # of ours
            f"sum(toDecimal128(new_cost_usd, 9)) FROM ({select}) GROUP BY day, its_model",
            parameters,
        ).result_rows

    def _append(self, chunk: _Chunk, rules: Sequence[PricingRule]) -> None:
        select, parameters = self._select(chunk, rules)
        columns = ", ".join(COLUMNS)
        self._client.command(
            f"INSERT INTO `{self._name}`.cost_corrections ({columns}) SELECT {columns} FROM ({select})",  # noqa: S608  # of ours
            parameters,
            settings=self._statement(),
        )

    def _statement(self) -> dict[str, str | int]:
        name = f"reprice/{self._name}/{uuid.uuid4()}"
        # Twice: the embedded engine makes up query ids of its own, and a proxy may too.
        return {**ONE_PART, "query_id": name, "log_comment": name}

    def _settle(self) -> None:
        """Wait for the statement that a run before left behind."""
        ours = {"ours": f"reprice/{self._name}/"}
        running = "SELECT count() FROM system.processes WHERE startsWith(Settings['log_comment'], {ours:String})"
        while self._client.query(running, ours).result_rows[0][0]:
            time.sleep(0.1)

    def _say(self, state: str) -> None:
        columns = ["run_id", "state", "reason"]
        self._client.insert(f"`{self._name}`.repricing_runs", [[self.run_id, state, self._reason]], columns)

    def _take_turn(self) -> Callable[[], None]:
        """Say that this run begins; return what gives a sign of life.

        Raises:
            LedgerError: another one goes on. Of two that begin at once, both may be told so.
        """
        self._say("begun")
        rows = self._client.query(
            f"SELECT run_id, dateDiff('second', max(at), now64(3)) AS silent_s FROM `{self._name}`.repricing_runs "  # noqa: S608  # of ours
            f"WHERE run_id != {{own:String}} GROUP BY run_id "
            f"HAVING countIf(state IN ('ended', 'withdrawn')) = 0 AND silent_s < {SILENCE_S}",
            {"own": self.run_id},
        ).result_rows
        if rows:
            self._say("withdrawn")
            raise LedgerError(
                f"Calls of database {self._name} are being priced again already: run {rows[0][0]} gave a sign of life "
                f"{rows[0][1]} s ago. Wait for its end; if it was killed, try again in {SILENCE_S} s."
            )
        last_s = time.monotonic()

        def go_on() -> None:
            nonlocal last_s
            if time.monotonic() - last_s > SILENCE_S:
                raise LedgerError("This re-pricing was silent for too long; run the same command again to finish it.")
            self._say("alive")
            last_s = time.monotonic()

        return go_on


def _added(one: Difference, other: Difference) -> Difference:
    def total(first: Decimal | None, second: Decimal | None) -> Decimal | None:
        return second if first is None else first + (second or 0)

    return Difference(
        one.day,
        one.model,
        one.calls + other.calls,
        total(one.old_cost_usd, other.old_cost_usd),
        total(one.new_cost_usd, other.new_cost_usd),
    )

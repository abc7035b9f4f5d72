"""Alerts and controls on their way into ClickHouse, on a real broker and engine: each once, whatever dies."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import msgspec
import pyarrow as pa
import pytest
from ledger_log import rows, running_worker
from told_alerts import NOON, make_alert, make_silence, resolved, tell

from tokentrail.errors import EngineError
from tokentrail.processors.incidents import identify_incident
from tokentrail.schemas.alert_controls import Acknowledgement
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import sole_worker
from tokentrail.sinks.clickhouse.alert_rows import alert_blocks
from tokentrail.sinks.clickhouse.alert_tables import AlertTables
from tokentrail.sinks.clickhouse.alert_writer import alert_writer
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.sole_worker import SoleWorker

pytestmark = [pytest.mark.broker, pytest.mark.engine]

ACKNOWLEDGED = Acknowledgement(
    control_id="ack:a1", alert_id="a1", acknowledged_by="nora", acknowledged_at=NOON, note="looking"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole_worker, "MAX_PAUSE_S", 0.05)


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[SoleWorker]:
    writer = alert_writer(settings)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await task


async def held(settings: Settings, sql: str, enough: Callable[[list[Any]], bool]) -> list[tuple[Any, ...]]:
    """What the engine answers, once it is enough."""
    async with asyncio.timeout(60):
        while True:
            with suppress(EngineError):
                found = await asyncio.to_thread(rows, settings, sql)
                if enough(found):
                    return found
            await asyncio.sleep(0.05)


async def count(settings: Settings, table: str, wanted: int) -> None:
    await held(settings, f"SELECT count() FROM {table}", lambda found: found[0][0] >= wanted)  # noqa: S608  # made up here


async def test_a_state_change_is_a_row_with_all_that_is_known_of_it(settings: Settings) -> None:
    migrate(settings)
    silence = make_silence("s1", rules=["high_*"], entities=["nora*"], reason="load test")
    alert = make_alert("a1", group="spend", where="status!=SUCCESS", evidence=["call-1"], runbook_url="https://r")
    async with writing(settings):
        await tell(settings, silence, ACKNOWLEDGED, alert, resolved(alert), alert)
        await count(settings, "alerts", 2)
        await count(settings, "alert_controls", 2)
    columns = "alert_id, revision, state, rule_group, filter, evidence, baseline, runbook_url, silenced_by, incident_id"
    incident = identify_incident("a1")
    told = ("spend", "status!=SUCCESS", ["call-1"], 56.0, "https://r")
    assert rows(settings, f"SELECT {columns} FROM alerts ORDER BY revision") == [  # noqa: S608  # made up here
        ("a1", 1, "firing", *told, ["s1"], incident),
        # It began before the silence: its end is delivered.
        ("a1", 2, "resolved", *told, [], incident),
    ]
    assert rows(
        settings,
        "SELECT countIf(delay_ms = dateDiff('ms', occurred_at, detected_at)), "
        "countIf(abs(dateDiff('s', detected_at, now())) < 60) FROM alerts",
    ) == [(2, 2)]
    controls = "kind, control_id, alert_id, acknowledged_by, note, rules, entities, reason, starts_at IS NULL"
    assert rows(settings, f"SELECT {controls} FROM alert_controls ORDER BY kafka_offset") == [  # noqa: S608  # made up here
        ("silence", "s1", "", "", "", ["high_*"], ["nora*"], "load test", 0),
        ("acknowledgement", "ack:a1", "a1", "nora", "looking", [], [], "", 1),
    ]


async def test_an_alert_with_numbers_that_no_column_holds_stops_nothing(settings: Settings) -> None:
    migrate(settings)
    async with writing(settings):
        await tell(
            settings, make_alert("of a stranger", window_s=2**40), make_alert("a2", window_s=-1), make_alert("a1")
        )
        await count(settings, "alerts", 1)
    assert rows(settings, "SELECT alert_id FROM alerts") == [("a1",)]


async def test_the_reader_asks_for_the_newest_state_and_for_incidents(settings: Settings) -> None:
    migrate(settings)
    first = make_alert("a1", evidence=["c"])
    second = make_alert("a2", evidence=["c"], rule="token_spike", severity="CRITICAL", summary="and more")
    async with writing(settings):
        await tell(settings, first, second, resolved(first), ACKNOWLEDGED)
        await count(settings, "alerts", 3)
        await count(settings, "alert_controls", 1)
    reader = clickhouse_connect.get_client(
        dsn=settings.clickhouse, username=settings.clickhouse_reader_user, database=settings.clickhouse_database
    )
    latest = (
        "SELECT alert_id, state, acknowledged_by, note, acknowledged_at IS NULL FROM alerts_latest ORDER BY alert_id"
    )
    assert reader.query(latest).result_rows == [("a1", "resolved", "nora", "looking", 0), ("a2", "firing", "", "", 1)]
    incidents = "SELECT incident_id, alerts, open_alerts, rules, severity, began_with FROM incidents"
    assert reader.query(incidents).result_rows == [
        (identify_incident("a1"), 2, 1, ["high_request_volume", "token_spike"], "CRITICAL", first.summary)
    ]
    reader.close()


async def test_writers_that_are_cut_off_at_any_moment_leave_each_change_once(settings: Settings) -> None:
    migrate(settings)
    chance = random.Random(5)
    alerts = [make_alert(f"a{n % 40}", 1 + n // 40, entity=f"user-{n % 40}") for n in range(200)]

    async def feed() -> None:
        for first in range(0, len(alerts), 10):
            await tell(settings, *alerts[first : first + 10])

    feeding = asyncio.create_task(feed())
    for _ in range(4):
        task = asyncio.create_task(alert_writer(settings).run())
        await asyncio.wait([task], timeout=chance.uniform(0.2, 1.5))
        task.cancel()
        await asyncio.wait([task])
    await feeding
    async with writing(settings):
        await count(settings, "alerts", len(alerts))
    assert rows(settings, "SELECT count(), uniqExact(alert_id, revision), uniqExact(incident_id) FROM alerts") == [
        (200, 200, 40)
    ]


async def test_an_insert_that_landed_and_failed_is_not_written_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(settings)
    insert = AlertTables.insert
    failures = [EngineError("the answer was lost")]

    def insert_and_fail(tables: Any, table: str, block: pa.Table) -> None:
        insert(tables, table, block)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(AlertTables, "insert", insert_and_fail)
    async with writing(settings):
        await tell(settings, make_alert("a1"))
        while failures:  # noqa: ASYNC110 - the writer's own thread takes it
            await asyncio.sleep(0.01)
        await tell(settings, make_alert("a2", entity="li"))
        await count(settings, "alerts", 2)
    assert rows(settings, "SELECT alert_id FROM alerts ORDER BY alert_id") == [("a1",), ("a2",)]


async def test_of_two_writers_one_works_and_the_other_goes_on_after_it(settings: Settings) -> None:
    migrate(settings)
    async with writing(settings) as first, writing(settings) as second:
        await tell(settings, make_alert("a1"))
        await count(settings, "alerts", 1)
        busy, idle = (first, second) if first.working else (second, first)
        assert not idle.working
        busy.stop()
        await tell(settings, make_alert("a2", entity="li"))
        await count(settings, "alerts", 2)
        assert idle.working
    assert rows(settings, "SELECT count(), uniqExact(alert_id) FROM alerts") == [(2, 2)]


async def test_tables_that_are_not_there_yet_are_waited_for(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(settings):
        await tell(settings, make_alert("a1"))
        while "Alerts cannot be written for now" not in caplog.text:  # noqa: ASYNC110 - what is waited for is a log line
            await asyncio.sleep(0.01)
        await asyncio.to_thread(migrate, settings)
        await count(settings, "alerts", 1)


async def test_a_topic_that_was_made_anew_is_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    migrate(settings)
    await asyncio.to_thread(
        rows,
        settings,
        "INSERT INTO alerts (kafka_partition, kafka_offset, alert_id) VALUES (0, 100, 'x')",
    )
    async with writing(settings), asyncio.timeout(30):
        while "is not the topic that the table alerts was filled from" not in caplog.text:  # noqa: ASYNC110 - a log line
            await asyncio.sleep(0.01)


async def test_the_ledger_worker_writes_alerts_too(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    with running_worker(environ) as worker:
        await tell(settings, make_alert("a1"))
        await count(settings, "alerts", 1)
        assert await asyncio.to_thread(worker.stop) == 0


def test_a_block_ends_where_the_month_turns() -> None:
    turn = datetime(2026, 4, 1, tzinfo=UTC)
    delivered = [_delivered(turn + timedelta(milliseconds=at)) for at in (-2, -1, 0, 1)]
    assert [block.num_rows for block in alert_blocks(delivered)] == [2, 2]


def _delivered(at: datetime) -> Any:
    from tokentrail.processors.alert_marks import AlertMarks

    described = AlertMarks().describe(make_alert(), 0, 0, 0)
    return msgspec.structs.replace(described, detected_at=at)

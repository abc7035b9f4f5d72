"""An erasure on a real engine: what is gone, what stays as it was, and what it says of itself."""

import subprocess
import time
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from ledger_log import block_of, completed, started
from rollup_sums import ROLLUPS

from tokentrail.errors import EngineError, LedgerError
from tokentrail.processors.event_range import EventRange
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_verifier
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.event_log import ArchiveLog
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.ledger_verifier import Witnesses, verify_ledger
from tokentrail.sinks.clickhouse.log_follower import LogFollower
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.signed_export import export_signed
from tokentrail.sinks.erasure.cleaning import Cleaning
from tokentrail.sinks.erasure.erasing import Eraser
from tokentrail.sinks.erasure.receipt import is_signed_by
from tokentrail.sinks.erasure.subject import read_subject
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.export_file import verify_export
from tokentrail.sinks.integrity.signing_keys import SigningKey, make_signing_key

pytestmark = pytest.mark.engine
MARK = "Qz7marked"
"""Stands in every value of the subject."""
ORIGINALS = "SELECT kafka_partition, kafka_offset, payload_sha256 FROM event_log ORDER BY ALL"
IN_THEIR_PLACE = """
    SELECT countIf(seal IN ('erased', 'cleaned')), countIf(seal IN ('erased', 'cleaned') AND sealed = ''
        AND SHA256(payload) IN (SELECT stored_sha256 FROM erased_rows WHERE topic = 'llm.calls')) FROM event_log
"""
IN_CLEAR = (
    ("calls", "user_id"), ("calls", "error_message"), ("event_log", "payload"), ("calls_hour", "user_id"),
    ("calls_day", "user_id"),
)  # fmt: skip
"""Columns that are not compressed here, so that a search of the disk finds what stands in them."""
SUBJECT = read_subject(f"user:{MARK}-user")


def of_subject(number: int, **more: Any) -> bytes:
    fields = {
        "user_id": f"{MARK}-user", "session_id": f"{MARK}-session", "ip_address": f"{MARK}-ip",
        "user_agent": f"{MARK}-agent", "error_message": f"{MARK} error", "prompt_preview": f"{MARK} prompt",
        "response_preview": f"{MARK} answer", "request_hash": f"{MARK}-request", "response_hash": f"{MARK}-response",
        "attributes": {"mail": f"{MARK}@example.org", "team": "blue", "tokentrail.dropped_events": "1"},
    }  # fmt: skip
    return completed(number, **{**fields, **more})


def of_other(number: int) -> bytes:
    return completed(number, user_id="other", session_id="other session", attributes={"team": "blue"})


@pytest.fixture(params=["sealed", "unsealed"])
def ledger(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Return the settings of a ledger with calls of two users, an alert and a silence about one of them."""
    sealing = msgspec.structs.replace(settings, subject_keys=tmp_path / "keys")
    migrate(settings)
    with connect(settings) as client:
        client.database = settings.clickhouse_database
        for table, column in IN_CLEAR:
            client.command(f"ALTER TABLE {table} MODIFY COLUMN {column} String CODEC(NONE)")
    tables = LedgerTables(sealing if request.param == "sealed" else settings, "test")
    tables.recover([0, 1])
    head = msgspec.json.decode(started(9))
    begun = msgspec.json.encode({**head, "user_id": f"{MARK}-user", "session_id": f"{MARK}-session"})
    unreadable = b'{"type":"llm.call.completed", "user_id": "' + MARK.encode() + b'-user"}'
    tables.insert(block_of(0, [of_subject(0), of_other(1), begun, of_subject(3), unreadable, b"watermark"]))
    tables.insert(block_of(0, [of_other(0), of_subject(1)], partition=1))
    tables.close()
    with connect(settings) as client:
        client.database = settings.clickhouse_database
        _tell(client, 0, "user_id", f"{MARK}-user")
        _tell(client, 1, "department+session_id", f"research\x1f{MARK}-session")
        _tell(client, 2, "user_id", "other")
        client.insert("alert_controls", [[0, 0, "silence", [f"{MARK}-user"], f"as {MARK}-user asked"]],
                      ["kafka_partition", "kafka_offset", "kind", "entities", "reason"])  # fmt: skip
    return sealing


def _tell(client: Client, offset: int, dimension: str, entity: str) -> None:
    row = {
        "kafka_partition": 0, "kafka_offset": offset, "detected_at": datetime.now(UTC), "alert_id": f"alert-{offset}",
        "dimension": dimension, "entity": entity, "summary": f"{entity}: 400 calls",
    }  # fmt: skip
    client.insert("alerts", [list(row.values())], list(row))


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_signing_key(tmp_path / "signing.pem")


def test_nothing_of_a_subject_can_be_read_and_every_sum_stays(ledger: Settings, key: SigningKey) -> None:
    before, originals = _sums(ledger), _rows(ledger, ORIGINALS)
    eraser = Eraser(ledger, key)
    counts = eraser.preview(SUBJECT)
    assert (counts["calls"], counts["alerts"]) == (3, 2)
    assert counts["event_log, sealed"] + counts["event_log, not sealed"] == 5
    assert {"alerts", "calls", "calls_day", "calls_hour"} <= set(_tables_with(ledger, MARK))

    signed = eraser.erase(SUBJECT)
    eraser.close()
    assert _tables_with(ledger, MARK) == []
    assert _sums(ledger) == before
    assert _rows(ledger, ORIGINALS) == originals
    assert _rows(ledger, IN_THEIR_PLACE) == [(5, 5)]
    assert _rows(ledger, "SELECT alert_id FROM alerts WHERE entity = 'other'") == [("alert-2",)]
    assert _rows(ledger, "SELECT count() FROM calls WHERE session_id = 'other session'") == [(2,)]
    assert _rows(ledger, "SELECT attributes FROM calls WHERE user_id = '' LIMIT 1") == [
        ({"mail": "", "team": "blue", "tokentrail.dropped_events": "1"},)
    ]
    assert is_signed_by(signed, key.public)
    assert MARK not in msgspec.json.encode(signed).decode()
    cleaned = {one.table: one.rows for one in signed.receipt.cleaned}
    assert (cleaned["calls"], cleaned["event_log"], cleaned["alerts"], cleaned["alert_controls"]) == (3, 5, 2, 1)


@pytest.mark.parametrize("ledger", ["sealed"], indirect=True)
def test_an_erasure_that_was_cut_short_anywhere_is_finished_by_the_next(
    ledger: Settings, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _sums(ledger)
    eraser = Eraser(ledger, key)

    def fail(_: Cleaning) -> None:
        raise EngineError("killed")

    for step in ("hide", "forget_user_in_keys", "rewrite"):
        with monkeypatch.context() as broken:
            broken.setattr(Cleaning, step, fail)
            with pytest.raises(EngineError, match="killed"):
                eraser.erase(SUBJECT)
    receipt = eraser.erase(SUBJECT).receipt
    eraser.close()
    assert _tables_with(ledger, MARK) == []
    assert _sums(ledger) == before
    assert {one.table: one.rows for one in receipt.cleaned}["calls"] == 3


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_no_byte_of_a_subject_is_left_on_the_disk_within_five_minutes(ledger: Settings, key: SigningKey) -> None:
    assert _files_with(ledger, MARK)
    eraser = Eraser(ledger, key)
    eraser.erase(SUBJECT)
    eraser.close()
    deadline_s = time.monotonic() + 300
    while left := _files_with(ledger, MARK):
        assert time.monotonic() < deadline_s, left
        time.sleep(2)


@pytest.mark.parametrize("ledger", ["sealed"], indirect=True)
def test_replay_reads_what_was_sealed_and_of_the_erased_what_is_left(ledger: Settings, key: SigningKey) -> None:
    assert _users(ledger) == {f"{MARK}-user": 4, "other": 2}
    assert _users(msgspec.structs.replace(ledger, subject_keys=None)) == {None: 6}
    eraser = Eraser(ledger, key)
    eraser.erase(SUBJECT)
    eraser.close()
    assert _users(ledger) == {None: 4, "other": 2}


def _users(settings: Settings) -> Counter[str | None]:
    day = timedelta(days=1)
    log = ArchiveLog(settings, EventRange(datetime.now(UTC) - day, datetime.now(UTC) + day))
    events = [decode_event(payload) for batch in log.read([0, 1]) for payload in batch.payloads]
    return Counter(event.user_id for event in events if isinstance(event, CallStarted | CallCompleted))


def _files_with(settings: Settings, text: str) -> list[str]:
    """Return the engine's files in which a text stands, but for tables of other tests that it has yet to remove.

    What stands in a compressed column is not found: see IN_CLEAR.
    """
    folders = [path for (path,) in _rows(settings, "SELECT path FROM system.disks")]
    found = subprocess.run(
        ["/usr/bin/env", "grep", "-rlF", text, *folders], capture_output=True, text=True, check=False
    ).stdout.split()
    dropped = [str(name) for (name,) in _rows(settings, "SELECT uuid FROM system.dropped_tables")]
    return [path for path in found if not any(name in path for name in dropped)]


def _rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with connect(settings) as client:
        client.database = settings.clickhouse_database
        return [tuple(row) for row in client.query(sql).result_rows]


def _tables_with(settings: Settings, text: str) -> list[str]:
    """Return the tables of the database in any of whose rows a text stands."""
    names = _rows(
        settings,
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name",
    )
    return [
        name
        for (name,) in names
        if _rows(settings, f"SELECT count() FROM {name} WHERE position(toString(tuple(*)), '{text}') > 0") != [(0,)]  # noqa: S608  # the engine's own names
    ]


def _sums(settings: Settings) -> list[tuple[Any, ...]]:
    sums = "sum(cost_usd), sum(input_tokens), sum(output_tokens)"
    queries = [
        f"SELECT count(), {sums} FROM calls",  # noqa: S608  # columns above
        *(f"SELECT sum(calls), {sums} FROM {rollup}" for rollup in ROLLUPS),  # noqa: S608  # columns above
        f"SELECT team, sum(calls), {sums} FROM calls_day GROUP BY team ORDER BY team",  # noqa: S608  # columns above
    ]
    return [row for query in queries for row in _rows(settings, query)]


@pytest.mark.parametrize("ledger", ["unsealed"], indirect=True)
def test_what_was_erased_after_it_was_signed_verifies_by_its_receipt_alone(
    ledger: Settings, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_verifier, "SETTLES_S", 0.05)
    settings = msgspec.structs.replace(ledger, subject_keys=None)
    follower = LogFollower(settings, key)
    follower.recover()
    assert follower.checkpoint()
    follower.close()
    assert _verified(settings, key) == []
    eraser = Eraser(ledger, key)
    eraser.erase(SUBJECT)
    eraser.close()
    assert _verified(settings, key) == []
    path = settings.data / "export.zip"
    export_signed(settings, key, path, None, None)
    assert verify_export(path, [key.public]).findings == []
    assert MARK.encode() not in b"".join(zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist())

    emptied = "payload_sha256 != SHA256(payload) AND event_type = 'llm.call.completed' AND kafka_partition = 0"
    _alter(settings, f"event_log UPDATE payload = replaceOne(payload, 'SUCCESS', 'TIMEOUT') WHERE {emptied}")
    assert {what for what, where in _verified(settings, key) if where == "event_log"} == {"edited"}
    with pytest.raises(LedgerError, match="no receipt"):
        export_signed(settings, key, settings.data / "other.zip", None, None)
    _alter(settings, "erasures DELETE WHERE 1")
    assert len([what for what, where in _verified(settings, key) if where == "event_log"]) == 5


def _alter(settings: Settings, change: str) -> None:
    with connect(settings) as client:
        client.database = settings.clickhouse_database
        client.command(f"ALTER TABLE {change}", settings={"mutations_sync": 2})


def _verified(settings: Settings, key: SigningKey) -> list[tuple[str, str]]:
    witnesses = Witnesses(keys=[key.public], file=CheckpointFile(settings.checkpoints))
    return [(one.what.value, one.where) for one in verify_ledger(settings, witnesses, processes=1).findings]

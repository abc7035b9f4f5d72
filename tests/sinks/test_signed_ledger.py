"""Findings, checkpoints, verification and export on the real engine."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from ledger_log import Record, rows, run_command
from memory_ledger import FixedPrices, _records

from tokentrail.compose.environ import worker_environ
from tokentrail.processors.pricing import PriceBook
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_verifier
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.integrity_tables import IntegrityTables
from tokentrail.sinks.clickhouse.ledger_block import Backlog, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.ledger_verifier import Witnesses, verify_ledger
from tokentrail.sinks.clickhouse.log_follower import LogFollower
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.integrity.checkpoint import decode_line
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.signing_keys import load_signing_key, make_signing_key
from tokentrail.sinks.integrity.verification import Verdict

pytestmark = pytest.mark.engine
TWICE = "added: calls partition 0 offset"
LAST_EVENT = """
    SELECT payload FROM event_log WHERE kafka_partition = 0 AND JSONExtractString(payload, 'event_id') != ''
    ORDER BY kafka_offset DESC LIMIT 1
"""


@pytest.fixture
def signed(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a ledger of 120 records that is signed in three checkpoints."""
    path = tmp_path / "key.pem"
    key = make_signing_key(path)
    own = msgspec.structs.replace(settings, checkpoint_key=path)
    migrate(own)
    tables = LedgerTables(own, "test")
    records = _records(random.Random(3), 120, 2)
    # Long enough ago that nobody waits for rows that are still on their way.
    now_ms = int(datetime.now(UTC).timestamp() * 1000) - 300_000
    lines: list[bytes] = []
    follower = LogFollower(own, key, lines.append)
    follower.recover()
    for part in range(3):
        backlog = Backlog()
        for partition, kafka in enumerate(records):
            third = kafka[part * len(kafka) // 3 : (part + 1) * len(kafka) // 3]
            now = [Record(one.offset, now_ms + one.offset, one.value) for one in third]
            for chunk in read_chunks(partition, now, PriceBook(FixedPrices())):
                backlog.add(chunk, 0)
        while backlog.rows:
            tables.insert(backlog.take_block())
        assert follower.checkpoint()
    assert len([decode_line(line) for line in lines]) == 3
    tables.close()
    follower.close()
    return own


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_verifier, "SETTLES_S", 0.05)


def verdict_of(settings: Settings) -> Verdict:
    assert settings.checkpoint_key
    key = load_signing_key(settings.checkpoint_key).public
    return verify_ledger(settings, Witnesses(keys=[key], file=CheckpointFile(settings.checkpoints)), processes=1)


def command(settings: Settings, sql: str) -> None:
    client = connect(settings)
    try:
        client.database = settings.clickhouse_database
        client.command(sql, settings={"mutations_sync": 2, "lightweight_deletes_sync": 2})
    finally:
        client.close()


def test_a_ledger_is_sound_until_somebody_touches_it(signed: Settings) -> None:
    verdict = verdict_of(signed)
    assert (verdict.findings, verdict.records, verdict.unsigned, verdict.checkpoints) == ([], 120, 0, 3)
    for attack, told in (
        ("INSERT INTO calls SELECT * FROM calls WHERE kafka_offset IN (SELECT min(kafka_offset) FROM calls)", TWICE),
        ("INSERT INTO event_log SELECT * FROM event_log WHERE kafka_offset = 30", "offset 30: stands there twice"),
        ("DELETE FROM checkpoints WHERE number = 3", "rolled back: checkpoints: ends at checkpoint 2"),
        (
            "DELETE FROM event_log WHERE kafka_partition = 1 AND kafka_offset > 40",
            "cut off: event_log partition 1 offset 41",
        ),
    ):
        command(signed, attack)
        lines = [found.line for found in verdict_of(signed).findings]
        assert any(told in line for line in lines), (attack, lines[:20])


def test_commands_verify_and_export(signed: Settings, tmp_path: Path) -> None:
    environ = worker_environ(signed)
    answer = run_command(environ, "verify", "--no-kafka", "--processes", "1")
    assert answer.returncode == 0, answer.stdout
    assert "120 records, 0 of them not signed yet, 3 checkpoints: nothing is wrong." in answer.stdout
    path = tmp_path / "export.zip"
    answer = run_command(environ, "export", "--signed", "--out", str(path))
    assert answer.returncode == 0, answer.stderr
    answer = run_command(environ, "verify", "--export", str(path))
    assert "your own (checkpoint_key); no --key was given." in answer.stdout
    assert (answer.returncode, "120 records" in answer.stdout) == (0, True), answer.stdout
    command(signed, "ALTER TABLE event_log UPDATE payload = replaceOne(payload, 'SUCCESS', 'TIMEOUT') WHERE 1")
    answer = run_command(environ, "verify", "--no-kafka", "--processes", "1")
    assert answer.returncode == 1
    assert "payload is not what payload_sha256 was taken of" in answer.stdout


def test_findings_are_recorded_once_through_restarts(signed: Settings) -> None:
    tables = LedgerTables(signed, "test")
    last = rows(signed, "SELECT max(kafka_offset) FROM event_log WHERE kafka_partition = 0")[0][0]
    stored = rows(signed, LAST_EVENT)[0][0]
    payload = stored if isinstance(stored, bytes) else stored.encode()
    now_ms = int(datetime.now(UTC).timestamp() * 1000) + 10_000
    again = [Record(last + 1, now_ms, payload), Record(last + 2, now_ms, payload)]
    backlog = Backlog()
    for chunk in read_chunks(0, again, PriceBook(FixedPrices())):
        backlog.add(chunk, 0)
    tables.insert(backlog.take_block())
    tables.close()
    for save in (False, True, False):
        follower = LogFollower(signed, None)
        follower.recover()
        while follower.step():
            pass
        if save:
            follower.save()
        follower.close()
    found = rows(
        signed, "SELECT kind, kafka_offset FROM ledger_findings WHERE kind = 'duplicate_event' ORDER BY kafka_offset"
    )
    assert found == [("duplicate_event", last + 1), ("duplicate_event", last + 2)]


def test_a_log_that_never_ends_is_signed_all_the_same(signed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert signed.checkpoint_key
    follower = LogFollower(signed, load_signing_key(signed.checkpoint_key))
    follower.recover()
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(follower, "step", lambda: 1)
    assert follower.checkpoint(later)
    monkeypatch.setattr(IntegrityTables, "end", lambda *_: (10**9, 0))
    assert follower.checkpoint(later + timedelta(hours=2), read_for_s=0.0)
    follower.close()

"""What an erasure must not come between, because it replaces whole months of rollups."""

import fcntl
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from memory_ledger import FixedPrices

from tokentrail.errors import KeyStoreError
from tokentrail.processors.pricing import PriceBook
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_tables, repricing
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.retention import FOREVER
from tokentrail.sinks.erasure.subject_keys import SubjectKeys, hold_off_erasures


def _is_held_off(directory: Path) -> bool:
    with (directory / "inserts.lock").open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_rollups_are_mended_while_erasures_are_held_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    class Repair:
        def __init__(self, *_: Any) -> None:
            pass

        def repair(self, _: object) -> None:
            held.append(_is_held_off(tmp_path))

    monkeypatch.setattr(ledger_tables, "RollupRepair", Repair)
    monkeypatch.setattr(ledger_tables, "kept_since", lambda *_: FOREVER)
    monkeypatch.setattr(LedgerTables, "_connected", lambda _: None)
    monkeypatch.setattr(LedgerTables, "_settle", lambda *_: None)
    LedgerTables(Settings(subject_keys=tmp_path), "test").recover(())
    assert held == [True]
    assert not _is_held_off(tmp_path)


def test_corrections_are_written_while_erasures_are_held_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SubjectKeys(tmp_path).close()
    (tmp_path / "inserts.lock").touch()
    held: dict[str, list[bool]] = {"repair": [], "append": []}

    def note(name: str, result: Any) -> Any:
        held[name].append(_is_held_off(tmp_path))
        return result

    monkeypatch.setattr(repricing, "kept_since", lambda *_: date(1970, 1, 1))
    monkeypatch.setattr(repricing, "repair_corrections", lambda *_: note("repair", 0))
    for name, result in (
        ("_take_turn", lambda: None), ("_settle", None), ("_plan", ()), ("differences", []), ("_chunks", ["chunk"]),
        ("_say", None), ("_statement", {}),
    ):  # fmt: skip
        monkeypatch.setattr(repricing._Run, name, lambda *_, result=result: result)
    monkeypatch.setattr(repricing._Run, "_append", lambda *_: note("append", None))
    client: Any = None
    query = CostQuery(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 3, 2, tzinfo=UTC))
    settings = Settings(subject_keys=tmp_path)
    repricing._Run(client, settings, query, PriceBook(FixedPrices()), "").correct()
    assert held == {"repair": [True, True], "append": [True]}
    assert not _is_held_off(tmp_path)


def test_locks_that_cannot_be_opened_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "gate.lock").mkdir()
    with pytest.raises(KeyStoreError, match="run this as whoever runs the ledger writers"), hold_off_erasures(tmp_path):
        pass

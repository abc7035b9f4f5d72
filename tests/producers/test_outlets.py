"""Outlets beside the bus: each event in each of them, whatever one of them does."""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokentrail.producers import guard, outlets
from tokentrail.producers.bus import open_bus
from tokentrail.producers.calls import Call
from tokentrail.producers.outlets import JsonLines, SideBySide, add_outlets, side_outlets
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.records import Record
from tokentrail.settings import Settings

NUMBERS = [Record(b"p", b'{"number":%d}' % number, []) for number in range(4)]


@pytest.fixture(autouse=True)
def _fresh_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "faults", Counter())


class Bus:
    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, record: Record) -> bool:
        self.records.append(record)
        return True


def lines(path: Path) -> list[int]:
    return [msgspec.json.decode(line)["number"] for line in path.read_bytes().splitlines()]


def test_every_outlet_gets_every_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    called: list[dict[str, Any]] = []
    path = tmp_path / "events.jsonl"
    others = side_outlets(callback=called.append, jsonl=path, logger="audit")
    recorder = Recorder(SideBySide(bus.append, others), service="checkout")
    with caplog.at_level(logging.INFO, "audit"):
        for _ in range(3):
            recorder.started(Call())

    written = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [event["producer_seq"] for event in called] == [1, 2, 3]
    assert written == called == [msgspec.json.decode(record.value) for record in bus.records]
    assert [msgspec.json.decode(entry.message) for entry in caplog.records] == called
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_fails_hurts_neither_the_bus_nor_the_others_and_is_counted(tmp_path: Path) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise RuntimeError("no")

    bus = Bus()
    path = tmp_path / "events.jsonl"
    outlet = SideBySide(bus.append, [*side_outlets(callback=fail, jsonl=tmp_path / "no" / "x"), JsonLines(path)])
    for record in NUMBERS:
        outlet(record)

    assert bus.records == NUMBERS
    assert lines(path) == [0, 1, 2, 3]
    assert guard.faults == {"writing to an outlet beside the bus": 8}


def test_the_answer_is_that_of_the_bus() -> None:
    assert SideBySide(lambda _: False, [lambda _: True])(NUMBERS[0]) is False


@pytest.mark.parametrize("gone", ["moved", "deleted"])
def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path, gone: str) -> None:
    path = tmp_path / "events.jsonl"
    outlet = JsonLines(path)
    outlet(NUMBERS[0])
    outlet(NUMBERS[1])
    if gone == "moved":
        path.rename(tmp_path / "events.jsonl.1")
    else:
        path.unlink()
    outlet(NUMBERS[2])
    outlet(NUMBERS[3])

    assert lines(path) == [2, 3]
    assert gone == "deleted" or lines(tmp_path / "events.jsonl.1") == [0, 1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_forked_child_write_whole_lines_to_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    outlet = JsonLines(path)
    outlet(NUMBERS[0])
    child = os.fork()
    for _ in range(500):
        outlet(NUMBERS[1] if child else NUMBERS[2])
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

    assert Counter(lines(path)) == {0: 1, 1: 500, 2: 500}


def test_outlets_of_settings_and_program_get_what_the_bus_gets_until_they_are_ended(tmp_path: Path) -> None:
    called: list[dict[str, Any]] = []
    bus = open_bus(Settings(kafka="127.0.0.1:1", delivery="memory", events_file=tmp_path / "events.jsonl"))
    end = add_outlets(callback=called.append)
    assert bus.append(NUMBERS[0])
    end()
    end()
    assert bus.append(NUMBERS[1])
    bus.close(0)

    assert [event["number"] for event in called] == [0]
    assert lines(tmp_path / "events.jsonl") == [0, 1]
    outlets.beside.clear()

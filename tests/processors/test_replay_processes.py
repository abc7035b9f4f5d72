"""Replay in several processes tells what replay in one tells, in the same order."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from call_log import generate_calls
from file_logs import KilledLog, write_files

from tokentrail.errors import SourceError, TokentrailError
from tokentrail.processors.file_log import FileLog
from tokentrail.processors.replay import Replay
from tokentrail.processors.replay_processes import ProcessReplay
from tokentrail.processors.rules import load_rules
from tokentrail.processors.sieve.sifting import cut_batch
from tokentrail.processors.slicing import RecordBatch
from tokentrail.schemas.alerts import encode_alert
from tokentrail.schemas.rules import Rule
from tokentrail.settings import Settings

RULES = load_rules()


def _alone(paths: list[Path], rules: Sequence[Rule] = RULES) -> tuple[list[bytes], Replay]:
    replay = Replay(rules, range(len(paths)), 1000)
    told = [encode_alert(alert) for alert in replay.run(FileLog(paths).read(range(len(paths))), to_end=True)]
    return told, replay


@pytest.mark.parametrize(("files", "processes"), [(1, 2), (3, 2), (2, 3)])
def test_several_processes_tell_the_same_in_the_same_order(tmp_path: Path, files: int, processes: int) -> None:
    paths = write_files(tmp_path, generate_calls(seconds=1800, per_second=2.0), files)
    expected, alone = _alone(paths)
    together = ProcessReplay(RULES, FileLog(paths), Settings(), processes)
    assert [encode_alert(alert) for alert in together.run(to_end=True)] == expected
    assert len(expected) > 3
    assert together.counts() == alone.counts()
    assert together.entities == alone.entities
    assert together.fraction == 1.0


@pytest.mark.parametrize("shard_rows", [3_000_000, 400])
def test_a_sifted_replay_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_rows: int) -> None:
    monkeypatch.setattr("tokentrail.processors.sieve.sifting.SHARD_ROWS", shard_rows)
    paths = write_files(tmp_path, generate_calls(seconds=1800, per_second=2.0), 3)
    expected, alone = _alone(paths)
    sifted = ProcessReplay(RULES, FileLog(paths), Settings(), 2, sift=True)
    fractions: list[float] = []
    assert [encode_alert(alert) for alert in sifted.run(to_end=True, note=fractions.append)] == expected
    assert (sifted.counts(), sifted.span_s) == (alone.counts(), alone.span_s)
    assert {view: count for view, count in sifted.entities.items() if count} == alone.entities
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_what_is_appended_after_the_sifting_is_left_out() -> None:
    batch = RecordBatch(0, [3, 5, 9], [1, 2, 3], [b"a", b"b", b"c"])
    assert cut_batch(batch, 9) is batch
    assert cut_batch(batch, 8) == RecordBatch(0, [3, 5], [1, 2], [b"a", b"b"])
    assert cut_batch(batch, 2) is None


def test_files_of_one_partition_that_each_begin_at_offset_0_are_sifted_whole(tmp_path: Path) -> None:
    calls = generate_calls(seconds=1200, producers=1)
    paths = []
    for number, part in enumerate((calls[:3000], calls[3000:])):
        paths.append(tmp_path / f"{number}.jsonl")
        lines = [
            b'{"partition":0,"offset":%d,"timestamp_ms":%d,"event":%s}\n'
            % (offset, int(call.occurred_at.timestamp() * 1000), call.payload)
            for offset, call in enumerate(part)
        ]
        paths[-1].write_bytes(b"".join(lines))
    sifted = ProcessReplay(RULES, FileLog(paths), Settings(), 1, sift=True)
    told = [encode_alert(alert) for alert in sifted.run(to_end=True)]
    whole = Replay(RULES, [0], Settings().allowed_lateness_ms)
    assert told == [encode_alert(alert) for alert in whole.run(FileLog(paths).read([0]), to_end=True)]
    assert sifted.counts().records == len(calls)


def test_a_process_that_is_killed_ends_the_replay_with_a_sentence(tmp_path: Path) -> None:
    paths = write_files(tmp_path, generate_calls(seconds=60), 2)
    with pytest.raises(SourceError, match=r"status -9 .*--processes 1"):
        list(ProcessReplay(RULES, KilledLog(paths), Settings(), 2).run())


def test_what_cannot_be_read_is_told_as_it_is_in_one_process(tmp_path: Path) -> None:
    paths = write_files(tmp_path, generate_calls(seconds=60), 2)
    with paths[1].open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(TokentrailError) as alone:
        _alone(paths)
    with pytest.raises(TokentrailError) as together:
        list(ProcessReplay(RULES, FileLog(paths), Settings(), 2).run())
    assert str(together.value) == str(alone.value)
    assert "events-1.jsonl, line " in str(alone.value)


def test_a_log_without_records_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert list(ProcessReplay(RULES, FileLog([tmp_path / "empty.jsonl"]), Settings(), 2).run(to_end=True)) == []

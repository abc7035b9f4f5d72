"""The spool on a real broker: every committed record once and in order, whoever ships it."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from own_broker import OwnBroker
from topic_log import read_topic

from tokentrail.compose.environ import worker_environ
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.records import Record
from tokentrail.producers.spool.adoption import Orphanage
from tokentrail.producers.spool.bus import Spool, SpoolOptions
from tokentrail.producers.spool.directory import Destination, make_directory, take_directory
from tokentrail.producers.spool.writer import SpoolLimits
from tokentrail.settings import Settings

SENT = Outcome(status="SUCCESS")


def read_calls(settings: Settings) -> list[Any]:
    return asyncio.run(read_topic(settings, "llm.calls"))


def sequences(records: list[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in records:
        event = msgspec.json.decode(record.value)
        found.setdefault(event["producer_id"], []).append(event["producer_seq"])
    return found


def options(settings: Settings, root: Path, **changed: Any) -> SpoolOptions:
    values: dict[str, Any] = {
        "root": root,
        "topic": settings.topic("llm.calls"),
        "kafka": settings.kafka,
        "connect": lambda: {"bootstrap_servers": settings.kafka},
        "grace_s": 0.0,
    }
    return SpoolOptions(**{**values, **changed})


def directories(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(settings: Settings, root: Path) -> Iterator[Spool]:
    made = Spool(options(settings, root))
    yield made
    made.close(0)


def record_calls(recorder: Recorder, spool: Spool, count: int) -> None:
    for _ in range(count):
        recorder.completed(Call(), SENT)
    assert spool.commit()


def wait_for_adoption(spool: Spool, count: int) -> None:
    deadline_s = time.monotonic() + 60
    while spool.stats().adopted < count and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert spool.stats().adopted == count


@pytest.mark.broker
def test_every_record_arrives_once_in_order_and_nothing_is_left(settings: Settings, spool: Spool, root: Path) -> None:
    recorders = [Recorder(spool.append, service="checkout") for _ in range(3)]
    for _ in range(40):
        for recorder in recorders:
            record_calls(recorder, spool, 10)

    assert spool.flush(30)

    records = read_calls(settings)
    assert sequences(records) == {recorder.producer_id: list(range(1, 401)) for recorder in recorders}
    assert dict(records[0].headers)["ce_source"] == b"/tokentrail/checkout/" + records[0].key
    stats = spool.stats()
    assert (stats.spooled, stats.published, stats.pending, stats.dropped) == (1200, 1200, 0, {})
    assert spool.close()
    assert directories(root) == []


@pytest.mark.broker
def test_what_a_killed_process_left_is_shipped_by_the_next(settings: Settings, spool: Spool, root: Path) -> None:
    left = Spool(options(settings, root, connect=lambda: {"bootstrap_servers": "127.0.0.1:1"}))
    recorder = Recorder(left.append)
    record_calls(recorder, left, 300)
    assert not left.close(0.1)
    own = Recorder(spool.append)
    record_calls(own, spool, 1)
    assert spool.flush(30)
    wait_for_adoption(spool, 300)

    assert sequences(read_calls(settings)) == {recorder.producer_id: list(range(1, 301)), own.producer_id: [1]}
    assert spool.close()
    assert directories(root) == []


@pytest.mark.broker
def test_a_directory_for_another_topic_is_left_alone(settings: Settings, spool: Spool, root: Path) -> None:
    other = Spool(options(settings, root, topic="another.llm.calls", connect=dict, kafka="127.0.0.1:1"))
    recorder = Recorder(other.append)
    record_calls(recorder, other, 3)
    assert not other.close(0)
    record_calls(Recorder(spool.append), spool, 1)
    assert spool.flush(30)

    assert spool.close()
    assert len(directories(root)) == 1
    assert len(read_calls(settings)) == 1


@pytest.mark.broker
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_forked_child_each_have_a_directory_and_ship_their_own(
    settings: Settings, spool: Spool, root: Path
) -> None:
    recorder = Recorder(spool.append)
    record_calls(recorder, spool, 50)
    recorder.completed(Call(), SENT)  # in the parent's group, not committed, when the child is made
    child = os.fork()
    if child == 0:
        record_calls(recorder, spool, 30)
        alone = len(directories(root)) == 2
        os._exit(0 if spool.flush(30) and spool.stats().published == 30 and alone and spool.close() else 1)
    _, status = os.waitpid(child, 0)
    record_calls(recorder, spool, 1)
    assert spool.flush(30)

    assert os.waitstatus_to_exitcode(status) == 0
    found = sequences(read_calls(settings))
    assert found.pop(recorder.producer_id) == list(range(1, 53))
    assert list(found.values()) == [list(range(1, 31))]


@pytest.mark.broker
def test_a_program_that_ends_at_once_still_ships_its_last_events(settings: Settings, root: Path) -> None:
    program = """
from tokentrail.producers.bus import open_bus
from tokentrail.producers.calls import Call
from tokentrail.producers.recorder import Recorder
from tokentrail.settings import current_settings
bus = open_bus(current_settings())
Recorder(bus.append).started(Call(feature="last words"))
bus.commit()
"""
    environ = {**worker_environ(settings), "TOKENTRAIL_SPOOL": str(root)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")
    assert [msgspec.json.decode(record.value)["feature"] for record in read_calls(settings)] == ["last words"]
    assert directories(root) == []


def test_without_a_broker_configured_events_are_kept_and_it_is_said_once(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool.from_settings(Settings(kafka_configured=False, spool=root))
    recorder = Recorder(spool.append)
    for _ in range(3):
        record_calls(recorder, spool, 5)

    assert not spool.flush(5)
    assert not spool.close()
    assert spool.stats().pending == 15
    (warning,) = caplog.records
    assert f"No Kafka is configured: events are kept in {root}." in warning.getMessage()
    (directory,) = directories(root)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in directory.iterdir()} == {0}
    assert not spool.append(Record(b"p", b"{}", []))
    assert spool.stats().dropped == {"closed": 1}


def test_what_a_process_without_broker_left_is_for_any_broker(settings: Settings, root: Path) -> None:
    kept = Spool(options(settings, root, kafka=""))
    record_calls(Recorder(kept.append), kept, 5)
    kept.close()
    topic = settings.topic("llm.calls")
    here = Orphanage(root, Destination(topic, "127.0.0.1:9092").takes, grace_s=0)
    elsewhere = Orphanage(root, Destination("other", "127.0.0.1:9092").takes, grace_s=0)

    assert list(elsewhere.adopt()) == []
    assert elsewhere.foreign == directories(root)
    (orphan,) = here.adopt()
    assert orphan.segments.committed == 5
    orphan.leave()


def test_a_process_that_starts_looks_only_at_directories_old_enough_to_hold_what_is_too_old(root: Path) -> None:
    now_s, day_s = time.time(), 86_400
    old = make_directory(root, Destination("topic"), clock=lambda: now_s - 9 * day_s)
    young = make_directory(root, Destination("topic"), clock=lambda: now_s - day_s)
    old.release()
    young.release()

    Orphanage(root, lambda _: True, max_age_s=7 * day_s, grace_s=0).tidy()

    assert directories(root) == [young.path]


def test_a_living_process_keeps_its_directory_and_a_killed_one_does_not(root: Path) -> None:
    program = """
import os, sys, time
from tokentrail.producers.records import Record
from tokentrail.producers.spool.adoption import Orphanage
from tokentrail.producers.spool.bus import Spool
from tokentrail.settings import Settings
from pathlib import Path
spool = Spool.from_settings(Settings(kafka_configured=False, spool=Path(sys.argv[1])))
spool.append(Record(b"p", b"{}", [])) and spool.commit()
if not os.fork():
    print("ready", flush=True)
    time.sleep(60)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            (path,) = directories(root)
            assert take_directory(path) is None
            process.kill()  # its child lives on
            process.wait()
            taken = take_directory(path)
            assert taken is not None
            taken.remove()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert directories(root) == []


def test_a_spool_that_cannot_be_made_where_it_should_is_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    spool = Spool.from_settings(Settings(kafka_configured=False, spool=tmp_path / "file" / "spool"))
    record_calls(Recorder(spool.append), spool, 1)

    assert len(directories(tmp_path / f"tokentrail-spool-{os.getuid()}")) == 1
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING] * 2
    spool.close()


def test_where_nothing_can_be_made_events_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    spool = Spool.from_settings(Settings(kafka_configured=False, spool=tmp_path / "file" / "spool"))
    recorder = Recorder(spool.append)
    for _ in range(3):
        recorder.started(Call())

    assert spool.stats().dropped == {"no_directory": 3}
    assert recorder.stats().dropped == 3
    assert not spool.stats().spooled


@pytest.mark.broker
def test_a_broker_that_is_away_all_along_and_back_later_gets_everything_in_order(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokentrail.producers.spool.tail.HOT_BYTES", 20_000)  # most is read from the files again
    broker = OwnBroker(tmp_path / "kafka")
    made = options(broker.settings, root, limits=SpoolLimits(max_bytes=1_000_000))
    away = Spool(made)
    recorders = [Recorder(away.append) for _ in range(3)]
    for _ in range(20):
        for recorder in recorders:
            record_calls(recorder, away, 10)
    assert not away.flush(0.5)
    assert away.stats().last_error
    assert not away.close(0)
    back = Spool(made)
    recorders += [Recorder(back.append) for _ in range(3)]
    try:
        for recorder in recorders[3:]:
            record_calls(recorder, back, 100)
        broker.start()
        broker.wait_until_ready()
        for recorder in recorders[3:]:
            record_calls(recorder, back, 100)
        assert back.flush(60)
        wait_for_adoption(back, 600)
        assert back.close()

        found = sequences(read_calls(broker.settings))
        assert found == {recorder.producer_id: list(range(1, 201)) for recorder in recorders}
        assert directories(root) == []
    finally:
        broker.kill()

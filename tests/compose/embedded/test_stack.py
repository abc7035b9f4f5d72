"""The one-machine stack: what it refuses, and what survives."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tokentrail.compose.embedded import disk
from tokentrail.compose.embedded.data_lock import data_lock
from tokentrail.compose.embedded.ports import require_free
from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import KAFKA, StackPlan
from tokentrail.compose.embedded.stack_state import read_state
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.errors import AlreadyRunningError, DiskFullError, PortTakenError
from tokentrail.settings import Settings, load_settings


def _kafka_alone(data: Path) -> StackPlan:
    return StackPlan(data=data, settings=Settings(partitions=1), parts=frozenset({KAFKA}))


@pytest.mark.broker
async def test_records_survive_kill_9_of_the_broker_and_a_restart_on_other_ports(tmp_path: Path) -> None:
    async with running_stack(_kafka_alone(tmp_path)) as stack:
        await create_topics(stack.settings)
        await _produce(stack, b"before")
        await stack.kill(KAFKA)
        await stack.wait_ready(KAFKA, restarts=1)
        await _produce(stack, b"after")
        state = read_state(tmp_path)
        assert state is not None
        assert [(part.name, part.state, part.restarts) for part in state.parts] == [(KAFKA, "ready", 1)]
        first_address = stack.settings.kafka
    assert read_state(tmp_path) is None
    async with running_stack(_kafka_alone(tmp_path)) as stack:
        assert stack.settings.kafka != first_address
        assert await _consume(stack, 2) == [b"before", b"after"]


async def _produce(stack: Stack, value: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=stack.settings.kafka, acks="all", enable_idempotence=True
    ) as producer:
        await producer.send_and_wait("llm.calls", value)


async def _consume(stack: Stack, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        "llm.calls", bootstrap_servers=stack.settings.kafka, auto_offset_reset="earliest"
    ) as consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def test_a_second_stack_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with data_lock(tmp_path), pytest.raises(AlreadyRunningError, match=r"already runs on .* \(pid \d+\)"):
        async with running_stack(_kafka_alone(tmp_path)):
            pass


async def test_a_taken_port_is_named_with_its_holder_and_the_setting_to_change(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"Port {port}, wanted for Kafka, .* \(pid \d+\).* --kafka-port"):
            require_free(port, "Kafka", "--kafka-port")
        with pytest.raises(PortTakenError):
            StackPlan(data=tmp_path, settings=Settings(), parts=frozenset({KAFKA}), kafka_port=port).placed()


def test_too_little_room_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"MiB are free on the disk of .* --data"):
        disk.require_room(tmp_path, free_bytes=1 << 60)


async def test_a_disk_that_fills_is_told_to_whoever_watches(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"stopped before .* drop and count the rest: free some room"):
        await disk.watch_room(tmp_path, free_bytes=1 << 60)


def test_a_worker_reads_the_settings_that_its_environment_was_made_from(tmp_path: Path) -> None:
    settings = Settings(kafka="127.0.0.1:5", topic_prefix="p.", data=tmp_path, prices=tmp_path / "p.toml", partitions=3)
    environ = worker_environ(settings, {"PATH": "/bin", "TOKENTRAIL_RULES": "elsewhere"})
    assert load_settings(environ) == settings
    assert environ["PATH"] == "/bin"
    assert "TOKENTRAIL_RULES" not in environ


@pytest.mark.broker
@pytest.mark.engine
async def test_up_runs_everything_and_ctrl_c_ends_it_with_exit_status_0(tmp_path: Path) -> None:
    up = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tokentrail.cli.main", "up"),
        *("--data", str(tmp_path), "--kafka-port", "0", "--clickhouse-port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert up.stdout
    screen = await _read_until(up.stdout, "Ctrl-C stops it.")
    state = read_state(tmp_path)
    assert state is not None
    assert {part.name: part.state for part in state.parts} == dict.fromkeys(
        ("kafka", "engine", "ledger", "slice", "watch"), "ready"
    ), screen
    up.send_signal(signal.SIGINT)
    await up.stdout.read()
    assert await up.wait() == 0
    assert read_state(tmp_path) is None


async def _read_until(stream: asyncio.StreamReader, text: str) -> str:
    read = ""
    while text not in read and (line := await stream.readline()):
        read += line.decode()
    return read

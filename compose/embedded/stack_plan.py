"""What a one-machine stack consists of: which parts, on which data, at which addresses."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from tokentrail.compose.embedded.kafka_probe import until_kafka_answers
from tokentrail.compose.embedded.part import Part
from tokentrail.compose.embedded.ports import HOST, free_port, require_free
from tokentrail.settings import Settings

KAFKA: Final = "kafka"
ENGINE: Final = "engine"
LEDGER: Final = "ledger"
WORKER_MODULES: Final = {
    LEDGER: "tokentrail.sinks.clickhouse.ledger_worker",
    "slice": "tokentrail.processors.slice_worker",
    "watch": "tokentrail.processors.watch_worker",
}
WORKERS: Final = frozenset(WORKER_MODULES)
ALL_PARTS: Final = WORKERS | {KAFKA, ENGINE}


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """A stack to be run. A service that is not among the parts is used where `settings` says it is."""

    data: Path
    """Everything the stack writes is below this directory."""
    settings: Settings
    parts: frozenset[str] = ALL_PARTS
    kafka_port: int = 0
    """0: a free one."""
    clickhouse_port: int = 0
    """0: a free one."""

    def placed(self) -> Self:
        """Return the plan with every port chosen, and with settings that have the addresses.

        Raises:
            PortTakenError: a port that was asked for is in use.
        """
        settings, kafka_port, clickhouse_port = self.settings, self.kafka_port, self.clickhouse_port
        if KAFKA in self.parts:
            kafka_port = _placed(kafka_port, "Kafka", "--kafka-port")
            settings = msgspec.structs.replace(settings, kafka=f"{HOST}:{kafka_port}")
        if ENGINE in self.parts:
            clickhouse_port = _placed(clickhouse_port, "ClickHouse", "--clickhouse-port")
            settings = msgspec.structs.replace(settings, clickhouse=f"http://{HOST}:{clickhouse_port}")
        return type(self)(
            data=self.data.expanduser().absolute(),
            settings=settings,
            parts=self.parts,
            kafka_port=kafka_port,
            clickhouse_port=clickhouse_port,
        )

    def services(self, environ: Mapping[str, str]) -> list[Part]:
        """Return Kafka and the engine, as far as they are parts of this stack."""
        found = []
        if KAFKA in self.parts:
            found.append(
                Part(
                    name=KAFKA,
                    command=_module("tokentrail.compose.embedded.kafka", self.data / "kafka", self.kafka_port),
                    environ=environ,
                    address=self.settings.kafka,
                    probe=functools.partial(until_kafka_answers, HOST, self.kafka_port),
                    ready_within_s=120,
                    stop_within_s=30,
                )
            )
        if ENGINE in self.parts:
            found.append(
                Part(
                    name=ENGINE,
                    command=_module(
                        "tokentrail.compose.embedded.engine", self.data / "clickhouse", self.clickhouse_port
                    ),
                    environ=environ,
                    address=self.settings.clickhouse_address,
                    ready_within_s=120,
                    stop_within_s=30,
                )
            )
        return found

    def workers(self, environ: Mapping[str, str]) -> list[Part]:
        """Return the workers that are parts of this stack."""
        return [
            Part(name=name, command=(sys.executable, "-m", module), environ=environ, ready_within_s=120)
            for name, module in WORKER_MODULES.items()
            if name in self.parts
        ]


def _placed(port: int, user: str, setting: str) -> int:
    if not port:
        return free_port()
    require_free(port, user, setting)
    return port


def _module(module: str, data: Path, port: int) -> tuple[str, ...]:
    return (sys.executable, "-m", module, "--data", str(data), "--port", str(port))

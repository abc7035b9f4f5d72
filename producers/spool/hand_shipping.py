"""Seeing and shipping by hand what processes left in a spool."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from tokentrail.errors import BrokerError, SettingsError
from tokentrail.kafka_security import kafka_options
from tokentrail.producers.delivery import Delivery
from tokentrail.producers.spool.adoption import Orphan, Orphanage
from tokentrail.producers.spool.cursor import CursorFile
from tokentrail.producers.spool.directory import (
    Destination,
    list_directories,
    read_destination,
    take_directory,
)
from tokentrail.producers.spool.segments import Segments
from tokentrail.settings import Settings

_REST_S: Final = 0.1


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in the directory of one process."""

    directory: str
    state: Literal["in use", "left"]
    records: int
    size_bytes: int
    topic: str
    kafka: str
    """Where it is meant to go; empty: any broker."""


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a spool."""

    shipped: int
    """Records that are in the topic now, and had not been."""
    found: int
    """Records that were in it already."""
    lost: int
    """Records that cannot be read from the disk, or that the broker refuses."""
    in_use: list[str]
    """Directories that a process holds: it ships them itself."""
    meant_elsewhere: list[str]
    """Directories meant for another topic."""


def list_waiting(root: Path) -> list[Waiting]:
    """Return what waits below a spool's root, oldest process first. Reads the last file of each directory."""
    found = []
    for path in list_directories(root):
        taken = take_directory(path)
        cursor = CursorFile(path).read()
        try:
            segments = Segments.found_in(path, cursor.sequence)
        except OSError:  # shipped meanwhile
            continue
        finally:
            if taken is not None:
                taken.release()
        destination = read_destination(path)
        found.append(
            Waiting(
                directory=str(path),
                state="in use" if taken is None else "left",
                records=segments.committed - segments.acknowledged,
                size_bytes=segments.size_bytes,
                topic=destination.topic,
                kafka=destination.kafka,
            )
        )
    return found


def ship_spool(
    path: Path, settings: Settings, *, timeout_s: float, tell: Callable[[str], None] = lambda _: None
) -> Shipped:
    """Ship what dead processes left below a root, or in one directory, to the broker of the settings. Blocking.

    `tell` gets a sentence on each directory. What is in the topic already is not sent again.

    Raises:
        SettingsError: there is no spool at `path`, or the settings of the connection cannot be used.
        BrokerError: Kafka did not take everything in time; what is left stays where it is.
    """
    kafka_options(settings)
    if not path.is_dir():
        raise SettingsError(f"There is no spool at {path}; name the directory that TOKENTRAIL_SPOOL named.")
    shipping = _Shipping(path, settings, tell)
    try:
        return asyncio.run(asyncio.wait_for(shipping.run(), timeout_s))
    except TimeoutError as error:
        raise BrokerError(
            f"Kafka at {settings.kafka} did not take all that waits in {path} within {timeout_s:g} s "
            f"({shipping.delivery.last_error or 'still at it'}). What is left stays there; try again with a longer "
            "--timeout, or when Kafka is back."
        ) from error


class _Shipping:
    def __init__(self, path: Path, settings: Settings, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._lost = 0
        self._settled = 0
        self._destination = Destination(settings.topic("llm.calls"), settings.kafka)
        self.delivery = Delivery(
            lambda: kafka_options(settings),
            self._destination.topic,
            settle=self._on_settled,
            refuse=self._on_refused,
            waiting=f"in {path}",
        )

    async def run(self) -> Shipped:
        one = (self._path / "lock").exists()
        orphanage = Orphanage(self._path.parent if one else self._path, self._takes)
        try:
            while True:
                for orphan in orphanage.adopt():
                    if one and orphan.directory.path.name != self._path.name:
                        orphan.leave()
                    else:
                        await self._ship(orphan)
                if orphanage.rest_s is None:
                    break
                await asyncio.sleep(orphanage.rest_s + _REST_S)
        finally:
            await self.delivery.close()
        return Shipped(
            shipped=self._settled - self.delivery.found_again - self._lost,
            found=self.delivery.found_again,
            lost=self._lost,
            in_use=_names(orphanage.held, self._path if one else None),
            meant_elsewhere=_names(orphanage.foreign, self._path if one else None),
        )

    def _takes(self, destination: Destination) -> bool:
        return self._destination.takes_on_demand(destination)

    async def _ship(self, orphan: Orphan) -> None:
        try:
            while not orphan.is_empty:
                shipped = await orphan.ship_round(self.delivery)
                self._tell(f"{orphan.directory.path}: {shipped} records")
            self._lost += orphan.tail.missing
            self._settled += orphan.tail.missing
        finally:
            orphan.leave()

    def _on_settled(self, count: int) -> None:
        self._settled += count

    def _on_refused(self, _reason: str, count: int) -> None:
        self._lost += count


def _names(paths: list[Path], only: Path | None) -> list[str]:
    return [str(path) for path in paths if only is None or path.name == only.name]

"""A ledger that things happen to, and what it must add up to: an independent sum over the raw log."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec
from call_cost import cost_of
from ledger_log import Record, rows
from own_prices import NEW, OLD
from rollup_sums import ROLLUPS
from varied_calls import varied

from tokentrail.processors.pricing import PriceBook
from tokentrail.schemas.events import CallCompleted
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_block import Backlog, Block, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.repricing import reprice

TABLES = ("event_log", "calls", *ROLLUPS)
BOOKS = {"old": OLD, "new": NEW}


class Write(NamedTuple):
    """Calls, some twice, some late; `landed` names the tables that hold them when the engine is killed, all: it is not.

    What had landed is redelivered, and what had not, as Kafka does it: from some offset before on.
    """

    numbers: tuple[int, ...]
    landed: frozenset[str]
    redelivered: int = 0


class Reprice(NamedTuple):
    """Prices again what is there, by a book, of one model or of all."""

    book: str
    model: str | None = None


class Story:
    """One Kafka partition of one database."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._tables = LedgerTables(settings, "story")
        self._topic: list[bytes] = []
        self._books: list[PriceBook] = []
        """The book that holds for each record now."""
        self._appended_ms = int(datetime.now(UTC).timestamp() * 1000)

    def play(self, event: Write | Reprice) -> None:
        """Let it happen, and let the writer come back from it."""
        if isinstance(event, Write):
            self._write(event)
            return
        filters = {"model": event.model} if event.model else {}
        reprice(
            self._settings, CostQuery(since=datetime.now(UTC) - timedelta(days=30), filters=filters), BOOKS[event.book]
        )
        for at, payload in enumerate(self._topic):
            if event.model in {None, _read(payload).request_model}:
                self._books[at] = BOOKS[event.book]

    def sum_of_the_log(self) -> Decimal:
        """Return what the calls of event_log cost, by Python alone."""
        stored = rows(
            self._settings,
            f"SELECT kafka_offset, payload FROM event_log WHERE kafka_partition = {self._partition}",  # noqa: S608  # a number
        )
        assert sorted(offset for offset, _ in stored) == list(range(len(self._topic)))
        costs = (self._cost(self._topic[offset], self._books[offset]) for offset, _ in stored)
        return sum((cost for cost in costs if cost is not None), Decimal(0))

    def _write(self, write: Write) -> None:
        first = len(self._topic)
        self._topic += [varied(number) for number in write.numbers]
        self._books += [OLD] * len(write.numbers)
        self._tables.insert(self._block(first))
        lost = [table for table in TABLES if table not in write.landed]
        for table in lost:
            _delete_behind(self._settings, table, self._partition, first)
        tails = self._tables.recover([self._partition])
        stored = {partition: tail.last_offset for partition, tail in tails.items()}
        again = self._block(max(0, first - write.redelivered)).without(stored)
        if again.table.num_rows:
            self._tables.insert(again)

    def _block(self, first: int) -> Block:
        records = [Record(at, self._appended_ms, self._topic[at]) for at in range(first, len(self._topic))]
        backlog = Backlog()
        for chunk in read_chunks(self._partition, records, OLD):
            backlog.add(chunk, 0)
        return backlog.take_block()

    @staticmethod
    def _cost(payload: bytes, book: PriceBook) -> Decimal | None:
        call = _read(payload)
        return cost_of(call.usage, book.rates_for(call, call.occurred_at)).total


def _read(payload: bytes) -> CallCompleted:
    return msgspec.json.decode(payload, type=CallCompleted)


def _delete_behind(settings: Settings, table: str, partition: int, first: int) -> None:
    """Leave a table as it is when a block's part did not land; a rollup's rows may hold more by then, and are lost."""
    offset = "NOT of_correction AND last_offset" if table in ROLLUPS else "kafka_offset"
    client = connect(settings)
    behind = f"kafka_partition = {partition} AND {offset} >= {first}"
    client.command(f"DELETE FROM {settings.clickhouse_database}.{table} WHERE {behind}")  # noqa: S608  # numbers
    client.close()

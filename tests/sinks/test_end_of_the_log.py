"""Following a log that grows between two questions about it."""

from collections.abc import Mapping

import pyarrow as pa

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.integrity_tables import BATCH_ROWS, IntegrityTables
from tokentrail.sinks.integrity.log_rows import LogRows, read_rows


class _Growing(IntegrityTables):
    """A log that is empty when it is asked first, and has a whole block at once then."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self._held = range(0)

    def _log_from(self, offsets: Mapping[int, int], step: int) -> list[LogRows]:
        found = [
            read_rows(partition, _rows([one for one in self._held if first <= one < first + step]))
            for partition, first in offsets.items()
        ]
        self._held = range(2 * BATCH_ROWS)
        return [rows for rows in found if len(rows)]

    def _firsts(self, offsets: Mapping[int, int]) -> dict[int, int]:
        return {partition: offset for partition, offset in offsets.items() if offset in self._held}


def _rows(offsets: list[int]) -> pa.Table:
    count = len(offsets)
    return pa.table(
        {
            "kafka_offset": pa.array(offsets, pa.uint64()),
            "appended_at": pa.array([0] * count, pa.timestamp("ms", "UTC")),
            "rate_id": pa.array([0] * count, pa.uint64()),
            "payload": pa.array([b""] * count, pa.binary()),
            "payload_sha256": pa.array([b""] * count, pa.binary()),
            "seal": pa.array([""] * count, pa.string()),
        }
    )


def test_a_block_that_comes_between_two_questions_is_followed_from_its_first_record() -> None:
    (rows,) = _Growing().new_rows({0: 0})
    assert rows.offsets[0] == 0

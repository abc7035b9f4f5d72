"""Blocks as they are inserted, where there are no keys."""

from ledger_log import block_of, completed, started

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.sealed_block import BlockSealer, seal_row


def test_without_keys_every_row_is_what_a_row_without_a_key_is() -> None:
    rows = block_of(0, [started(1), completed(1), b"{", b""]).table
    with BlockSealer(Settings()).sealed(rows) as given:
        columns = [given[name].to_pylist() for name in ("payload", "seal", "subject_key_id", "sealed", "plain")]
    places = [(0, offset, 0) for offset in range(4)]
    payloads = rows["payload"].to_pylist()
    assert list(zip(*columns, strict=True)) == [
        seal_row(payload, None, place, ()) for payload, place in zip(payloads, places, strict=True)
    ]
    assert "subject" not in given.schema.names

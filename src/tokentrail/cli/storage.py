"""`tokentrail storage`: what the ledger takes on disk."""

import re
from typing import TYPE_CHECKING, Final

from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.sinks.clickhouse.storage import TableStorage

_NUMBERS = ("rows", "on disk", "uncompressed", "bytes/call")
_STEP = 1024
_TERM: Final = re.compile(r"toIntervalDay\((\d+)\)+(?: TO VOLUME '([^']*)')?")


def storage(as_json: JsonFlag = False) -> None:
    """Show what each table takes on disk, altogether and by call, and when its months go."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.storage import read_storage

    tables = read_storage(current_settings())
    if as_json:
        total = sum(one.bytes_on_disk for one in tables)
        print_json({"bytes_on_disk": total, "tables": [_fields(one) for one in tables]})
        return
    if not tables:
        out.print("The ledger has no tables yet; `tokentrail migrate` makes them.")
        return
    columns = ("table", *_NUMBERS, "oldest month", "newest month", "kept")
    print_table("Storage of the ledger", columns, [*map(_cells, tables), _total(tables)], _NUMBERS)


def _fields(one: "TableStorage") -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _cells(one: "TableStorage") -> list[str]:
    by_call = "" if one.bytes_per_call is None else f"{one.bytes_per_call:,.1f}"
    months = [one.oldest_month or "-", one.newest_month or "-"]
    sizes = [_size(one.bytes_on_disk), _size(one.uncompressed_bytes)]
    return [one.table, f"{one.rows:,}", *sizes, by_call, *months, _kept(one.ttl)]


def _kept(ttl: str) -> str:
    terms = [
        f"to {volume} {days} days after its month" if volume else f"{days} days after its month"
        for days, volume in _TERM.findall(ttl)
    ]
    return ", ".join(terms) or ttl or "forever"


def _total(tables: "list[TableStorage]") -> list[str]:
    on_disk, uncompressed = (
        sum(getattr(one, name) for one in tables) for name in ("bytes_on_disk", "uncompressed_bytes")
    )
    by_call = [one.bytes_per_call for one in tables if one.bytes_per_call is not None]
    return ["total", "", _size(on_disk), _size(uncompressed), f"{sum(by_call):,.1f}" if by_call else "", "", "", ""]


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _STEP:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= _STEP
    return f"{count:,.1f} TiB"

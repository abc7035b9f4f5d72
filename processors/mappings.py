"""Mappings: what belongs to what on which days, and which of several entries holds. No I/O."""

import csv
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from io import StringIO
from typing import Any, Final

import msgspec

from tokentrail.errors import AttributionError

SOURCES: Final = (
    "api_key_id", "user_id", "feature", "team", "service", "environment", "request_source", "provider", "model",
    "department",
)  # fmt: skip
"""What can be mapped; where several of a call's values are, the first in this order decides."""
TARGETS: Final = ("department", "team", "cost_centre")
"""What things are mapped to."""
SHORT_NAMES: Final = {"key": "api_key_id", "user": "user_id"}
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2149, 6, 6)
"""The last day that ClickHouse's Date knows: for ever."""
CSV_COLUMNS: Final = ("dimension", "value", "target", "target_value", "valid_from", "valid_until", "note")


class MappingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: `dimension`'s `value` belongs to `target_value` from a UTC day to the day before `valid_until`.

    An empty `target_value` ends earlier entries on these days.
    """

    dimension: str
    value: str
    target: str
    target_value: str
    valid_from: date = FIRST_DAY
    valid_until: date = LAST_DAY
    note: str = ""

    def check(self) -> None:
        """Make sure that the entry means something.

        Raises:
            AttributionError: names the field.
        """
        if self.dimension not in SOURCES:
            raise AttributionError(f"{self.dimension!r} cannot be mapped; choose from {', '.join(SOURCES)}.")
        if self.target not in TARGETS:
            raise AttributionError(f"Nothing is mapped to a {self.target!r}; choose from {', '.join(TARGETS)}.")
        if not self.value:
            raise AttributionError(f"A mapping of {self.dimension} needs a value; write {self.dimension}=VALUE.")
        if self.dimension == self.target and self.value == self.target_value:
            raise AttributionError(f"{self.dimension} {self.value!r} is mapped to itself.")
        if not FIRST_DAY <= self.valid_from < self.valid_until <= LAST_DAY:
            raise AttributionError(
                f"The mapping of {self.dimension} {self.value!r} is valid from {self.valid_from} until "
                f"{self.valid_until}, which holds no day; `until` is the first day after."
            )


class RecordedMapping(MappingEntry, frozen=True, kw_only=True):
    """An entry as it was recorded."""

    recorded_at: datetime
    position: int = 0
    recorded_by: str = ""


def holding(entries: Iterable[RecordedMapping], day: date) -> list[RecordedMapping]:
    """Return the entries that hold on a day, in order of dimension, value and target; ended ones are left out."""
    latest: dict[tuple[str, str, str], RecordedMapping] = {}
    for entry in sorted(entries, key=lambda entry: (entry.recorded_at, entry.position)):
        if entry.valid_from <= day < entry.valid_until:
            latest[entry.dimension, entry.value, entry.target] = entry
    return [latest[key] for key in sorted(latest) if latest[key].target_value]


def attribute(call: Mapping[str, str], held: Iterable[RecordedMapping], target: str) -> str:
    """Return what a call belongs to: by the first of its values that is mapped, or by its own field."""
    found = {(entry.dimension, entry.value): entry.target_value for entry in held if entry.target == target}
    for source in SOURCES:
        if mapped := found.get((source, call.get(source, ""))):
            return mapped
    return call.get(target, "")


def read_mappings(text: str, source: str) -> list[MappingEntry]:
    """Read a CSV file; its header has dimension, value, target, target_value, and perhaps the rest of `CSV_COLUMNS`.

    Raises:
        AttributionError: names file, line and field.
    """
    reader = csv.DictReader(StringIO(text))
    try:
        return _read_rows(reader, source)
    except csv.Error as error:
        raise AttributionError(f"{source}:{reader.line_num}: this is no CSV: {error}") from error


def _read_rows(reader: "csv.DictReader[str]", source: str) -> list[MappingEntry]:
    missing = set(CSV_COLUMNS[:4]) - set(reader.fieldnames or ())
    if missing or (unknown := set(reader.fieldnames or ()) - set(CSV_COLUMNS)):
        wrong = f"lacks {', '.join(sorted(missing))}" if missing else f"has no use for {', '.join(sorted(unknown))}"
        raise AttributionError(f"{source}:1: the header {wrong}; columns are {', '.join(CSV_COLUMNS)}.")
    entries = []
    for row in reader:
        try:
            entry = MappingEntry(**_fields(row))
            entry.check()
        except (ValueError, TypeError, AttributionError) as error:
            raise AttributionError(f"{source}:{reader.line_num}: {error}") from error
        entries.append(entry)
    return entries


def _fields(row: Mapping[str, str]) -> dict[str, Any]:
    if None in row:
        raise ValueError("the line has more cells than the header")
    fields: dict[str, Any] = {name: (text or "").strip() for name, text in row.items()}
    fields["dimension"] = SHORT_NAMES.get(str(fields["dimension"]), fields["dimension"])
    for name in ("valid_from", "valid_until"):
        if text := fields.pop(name, ""):
            fields[name] = date.fromisoformat(str(text))
    return fields

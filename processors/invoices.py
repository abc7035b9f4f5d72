"""Invoices as CSV: what a provider's export, or a file with columns that the user names, says of days and models."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.processors.invoice_columns import InvoiceColumns, InvoiceError, KnownExport, tell_export
from tokentrail.processors.reconciliation import ALL_MODELS, Statement

NO_MODEL: Final = "(no model)"
"""What a row is for that names no model where other rows do: searches, storage, seats."""
_DELIMITERS: Final = (",", ";", "\t")
_THOUSANDS: Final = {".": ",", ",": "."}
_GROUPED: Final = {
    mark: re.compile(rf"[-+]?\d{{1,3}}(?:\{sign}\d{{2,3}})*\{sign}\d{{3}}(?:\{mark}\d*)?")
    for mark, sign in _THOUSANDS.items()
}
"""Digits in groups; India's have two. "1,5" is none: taken for a thousands sign, its comma would make it 15."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """What an invoice says, one statement a row; `export` is the known export that it is, if it is one."""

    statements: tuple[Statement, ...]
    columns: InvoiceColumns
    export: KnownExport | None

    @property
    def tells_models(self) -> bool:
        """Whether any row names a model."""
        return any(one.model != ALL_MODELS for one in self.statements)


def read_invoice(path: Path, provider: str | None = None, columns: InvoiceColumns | None = None) -> Invoice:
    """Read a CSV; `columns` says where what stands, else it is an export that is known (of `provider`, if named).

    Raises:
        InvoiceError: names the file, and line and column where it is one of them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvoiceError(f"The invoice {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvoiceError(f"The invoice {path} is not UTF-8 text: {error}.") from error
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = columns.delimiter if columns and columns.delimiter else max(_DELIMITERS, key=first.count)
    rows = csv.DictReader(lines, delimiter=delimiter)
    headings = [heading.strip() for heading in rows.fieldnames or ()]
    rows.fieldnames = headings
    export = None
    if columns is None:
        export = tell_export(headings, provider)
        if export is None:
            raise InvoiceError(
                f"The invoice {path} has columns of no export that is known ({', '.join(headings)}); say with "
                f"--format generic --map FILE what stands where."
            )
        columns = export.columns
    reader = _RowReader(path, columns, headings, lenient=export is not None)
    try:
        statements = _name_models(list(reader.statements(rows)))
    except csv.Error as error:
        raise InvoiceError(f"The invoice {path}, line {rows.line_num}, is no CSV: {error}.") from error
    if not statements:
        raise InvoiceError(f"The invoice {path} has no row with a number in it.")
    return Invoice(statements=tuple(statements), columns=columns, export=export)


def _name_models(statements: list[Statement]) -> list[Statement]:
    missing = NO_MODEL if any(one.model for one in statements) else ALL_MODELS
    return [one if one.model else msgspec.structs.replace(one, model=missing) for one in statements]


class _RowReader:
    def __init__(self, path: Path, columns: InvoiceColumns, headings: Iterable[str], *, lenient: bool) -> None:
        self._path = path
        self._columns = columns
        self._pattern = re.compile(columns.model_pattern) if columns.model_pattern else None
        self._converted = ""
        present = set(headings)
        wanted = columns.counted()
        named = {columns.date, columns.model, columns.currency, *(one for names in wanted.values() for one in names)}
        absent = sorted(one for one in named if one and one not in present)
        if absent and (not lenient or columns.date in absent):
            there = ", ".join(sorted(present)) or "none"
            raise InvoiceError(f"The invoice {path} has no column {', '.join(absent)}; it has {there}.")
        # Exports gain and lose columns over the years: what is not there is not said.
        self._counted = {
            name: kept for name, names in wanted.items() if (kept := [one for one in names if one in present])
        }

    def statements(self, rows: "csv.DictReader[str]") -> Iterator[Statement]:
        """Yield a statement for each row with a number."""
        for row in rows:
            place = f"The invoice {self._path}, line {rows.line_num}"
            numbers = {name: self._number(place, row, names) for name, names in self._counted.items()}
            if all(number is None for number in numbers.values()):
                continue
            yield self._statement(place, row, numbers)

    def _statement(self, place: str, row: Mapping[str, str], numbers: Mapping[str, Decimal | None]) -> Statement:
        columns = self._columns
        counts = {
            name: self._whole(place, name, number)
            for name, number in numbers.items()
            if number is not None and name != "cost_usd"
        }
        cost = numbers.get("cost_usd")
        if cost is not None:
            self._check_currency(place, (row.get(columns.currency or "") or "").strip().upper())
        return Statement(
            day=self._day(place, row.get(columns.date) or ""),
            model=self._model(row.get(columns.model or "") or ""),
            cost_usd=None if cost is None else cost * columns.usd,
            **counts,
        )

    def _check_currency(self, place: str, said: str) -> None:
        if not said:
            return
        if self._columns.usd == 1:
            if said != "USD":
                raise InvoiceError(f"{place}: the amount is in {said}; say in a map file what one is in USD.")
        elif said == "USD":
            raise InvoiceError(f"{place}: the amount is in USD already; take `usd` out of the map file.")
        elif said != (self._converted or said):
            raise InvoiceError(
                f"{place}: the amount is in {said}, those above are in {self._converted}; `usd` is the rate of one of "
                "them: give each currency a file of its own."
            )
        self._converted = said

    @staticmethod
    def _whole(place: str, name: str, number: Decimal) -> int:
        if number != int(number):
            raise InvoiceError(f"{place}: {number} {name.replace('_', ' ')} are no whole number.")
        return int(number)

    def _model(self, text: str) -> str:
        name = text.strip()
        if self._pattern:
            found = self._pattern.search(name)
            name = ((found[1] if found.groups() else found[0]) or "").strip() if found else ""
        return self._columns.models.get(name, name)

    def _day(self, place: str, text: str) -> date:
        text = text.strip()
        try:
            if self._columns.date_format:
                moment = datetime.strptime(text, self._columns.date_format)  # noqa: DTZ007  # taken as UTC below
            else:
                moment = datetime.fromisoformat(text)
            return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
        except (ValueError, OverflowError) as error:
            raise InvoiceError(f"{place}, column {self._columns.date}: {text!r} is no day.") from error

    def _number(self, place: str, row: Mapping[str, str], names: Iterable[str]) -> Decimal | None:
        total = None
        for name in names:
            text = (row.get(name) or "").strip()
            if not text:
                continue
            number = _read_number(text.lstrip("$").strip(), self._columns.decimal)
            if not number.is_finite():
                raise InvoiceError(f"{place}, column {name}: {text!r} is no number.")
            total = number if total is None else total + number
        return total


def _read_number(text: str, mark: str) -> Decimal:
    sign = _THOUSANDS[mark]
    if sign in text and not _GROUPED[mark].fullmatch(text):
        return Decimal("NaN")
    try:
        return Decimal(text.replace(sign, "").replace(mark, "."))
    except InvalidOperation:
        return Decimal("NaN")

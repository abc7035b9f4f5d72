"""Named queries: the .sql files of `queries/`, read into a catalogue, and run with bound parameters."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final

import msgspec

from tokentrail.errors import QueryError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.query_fragments import FRAGMENTS

_HEADER: Final = re.compile(r"^-- (title|answers|reads): (.+)$")
_PARAMETER: Final = re.compile(r"^-- param (\w+) (\S.*?)(?: = (.*?))?: (.+)$")
_BOUND: Final = re.compile(r"\{(\w+):([^{}]+)\}")
_AGO: Final = re.compile(r"^(\d{1,6})([smhdw])$")
_EXAMPLE: Final = "24h, now, 2026-11-21T12:00, or for a month 2026-11"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Parameter(msgspec.Struct, frozen=True):
    """What a query wants to know. `kind` is ClickHouse's type; without `default` it must be given."""

    name: str
    kind: str
    default: str | None
    about: str

    def bind(self, text: str, now: datetime) -> str:
        """Return the value as the engine reads it; moments and days are in UTC.

        Raises:
            QueryError: the text is no value of this kind.
        """
        try:
            if self.kind.startswith("DateTime"):
                return f"{_moment(text, now):%Y-%m-%d %H:%M:%S}"
            return _month(text, now).isoformat() if self.kind == "Date" else text
        except (ValueError, OverflowError) as error:
            raise QueryError(f"{self.name}={text!r} cannot be understood; write {_EXAMPLE}.") from error


class NamedQuery(msgspec.Struct, frozen=True):
    """One file. `reads` are the tables and rollups behind the answer."""

    name: str
    title: str
    answers: str
    reads: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    sql: str

    def bind(self, values: Mapping[str, str], now: datetime) -> dict[str, str]:
        """Return every parameter's value, given or by default.

        Raises:
            QueryError: a value is missing, unknown or unusable.
        """
        known = {parameter.name for parameter in self.parameters}
        if unknown := sorted(values.keys() - known):
            raise QueryError(
                f"Query {self.name} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known)) or 'none'}."
            )
        bound = {}
        for parameter in self.parameters:
            text = values.get(parameter.name, parameter.default)
            if text is None:
                raise QueryError(
                    f"Query {self.name} needs --param {parameter.name}=…: {parameter.about} ({parameter.kind})."
                )
            bound[parameter.name] = parameter.bind(text, now)
        return bound


class Answer(msgspec.Struct, frozen=True):
    """Columns, and rows in their order. Money is Decimal, moments are in UTC."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@cache
def catalogue() -> dict[str, NamedQuery]:
    """Return every shipped query by name, in order of names."""
    folder = files("tokentrail.sinks.clickhouse.queries")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    texts = {name.removesuffix(".sql"): folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    return {name: read_query(name, text) for name, text in texts.items()}


def find_query(name: str) -> NamedQuery:
    """Return a shipped query.

    Raises:
        QueryError: there is none of that name.
    """
    from difflib import get_close_matches

    if (found := catalogue().get(name)) is not None:
        return found
    near = get_close_matches(name, catalogue(), n=1)
    hint = f"did you mean {near[0]}?" if near else "`tokentrail query list` names them."
    raise QueryError(f"There is no query {name!r}; {hint}")


def read_query(name: str, text: str) -> NamedQuery:
    """Read a file: its header, and its statement with the shared words filled in.

    Raises:
        QueryError: the header and the statement do not fit together.
    """
    facts: dict[str, str] = {}
    parameters: list[Parameter] = []
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        line = lines.pop(0)
        if found := _PARAMETER.match(line):
            parameters.append(Parameter(*found.groups()))
        elif found := _HEADER.match(line):
            facts[found[1]] = found[2]
        else:
            raise QueryError(f"Query {name} has a header line that is none: {line}")
    sql = Template("\n".join(lines).strip()).substitute(FRAGMENTS)
    _check_header(name, facts, parameters, sql)
    reads = tuple(table.strip() for table in facts["reads"].split(","))
    return NamedQuery(name, facts["title"], facts["answers"], reads, tuple(parameters), sql)


def run_query(settings: Settings, query: NamedQuery, values: Mapping[str, str], now: datetime) -> Answer:
    """Ask through the account that may only read. Blocking.

    Raises:
        QueryError: a parameter is missing, unknown or unusable.
        EngineError: the engine cannot be reached or refuses.
    """
    return run_queries(settings, {query.name: (query, values)}, now)[query.name]


def run_queries(
    settings: Settings, wanted: Mapping[str, tuple[NamedQuery, Mapping[str, str]]], now: datetime
) -> dict[str, Answer]:
    """Ask several over one connection; the answers have the names of the questions. As `run_query`."""
    bound = {name: query.bind(values, now) for name, (query, values) in wanted.items()}
    client = connect(settings, as_reader=True)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            answers = {name: client.query(query.sql, bound[name]) for name, (query, _) in wanted.items()}
    finally:
        client.close()
    return {
        name: Answer(tuple(answer.column_names), tuple(tuple(map(_in_utc, row)) for row in answer.result_rows))
        for name, answer in answers.items()
    }


def _check_header(name: str, facts: Mapping[str, str], parameters: list[Parameter], sql: str) -> None:
    if missing := {"title", "answers", "reads"} - facts.keys():
        raise QueryError(f"Query {name} lacks a header line: {', '.join(sorted(missing))}.")
    told = {parameter.name: parameter.kind for parameter in parameters}
    used = {found[1]: found[2].replace("('UTC')", "") for found in _BOUND.finditer(sql)}
    if told != used:
        raise QueryError(f"Query {name} tells of the parameters {told}, and uses {used}.")


def _in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _moment(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    if ago := _AGO.match(text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _month(text: str, now: datetime) -> date:
    if text == "this month":
        return now.date().replace(day=1)
    return date.fromisoformat(text if text.count("-") > 1 else f"{text}-01").replace(day=1)

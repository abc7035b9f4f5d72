"""Rows of named queries as parts of a report. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from tokentrail.sinks.clickhouse.named_queries import Answer
from tokentrail.sinks.reports.report import Chart, Column, Figure, Kind, Number, Period, Recommendation, Table

Answers = Mapping[str, Answer]
"""By the query's name; with " before" behind it, of the period before."""
NO_ANSWER: Final = Answer((), ())
_NOT_GIVEN: Final = "(none)"
_GRAINS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MOST_COLUMNS: Final = 120


def first_record(answers: Answers, name: str) -> dict[str, Any]:
    """Return the only row of an answer; empty where there is none."""
    records = answers.get(name, NO_ANSWER).records()
    return records[0] if records else {}


def figures_of(answers: Answers, query: str, wanted: Iterable[tuple[str, str, Kind, bool]]) -> list[Figure]:
    """Return figures from the only row of a query: column, name, kind, and whether more is worse."""
    now, before = first_record(answers, query), first_record(answers, f"{query} before")
    return [
        Figure(
            name=name,
            kind=kind,
            value=now.get(column),
            before=before.get(column),
            more_is="worse" if worse else "neutral",
        )
        for column, name, kind, worse in wanted
    ]


def table_of(answer: Answer, title: str, columns: Sequence[tuple[str, str, Kind]], empty: str) -> Table:
    """Return a table of some columns of an answer: column, heading, kind."""
    rows = tuple(tuple(_value(record[column], kind) for column, _, kind in columns) for record in answer.records())
    return Table(title=title, columns=tuple(Column(name, kind) for _, name, kind in columns), rows=rows, empty=empty)


def chart_over_time(answer: Answer, title: str, period: Period, column: str, kind: Kind) -> Chart:
    """Return one column for each stretch of a period; the answer's first column says when its row began.

    Stretches without rows are 0. They are as long as the rollup's (`minute`, `hour` or `day`, after that column's
    name), or so many times as long that there are at most 120.
    """
    grain = answer.columns[0] if answer.columns else "day"
    length = _GRAINS[grain] * max(-(-(period.until - period.since) // (_GRAINS[grain] * _MOST_COLUMNS)), 1)
    count = max(-(-(period.until - period.since) // length), 1)
    values: list[Number] = [0] * count
    for row in answer.records():
        at = (_as_moment(row[grain]) - period.since) // length
        if 0 <= at < count:
            values[at] += row[column] or 0
    form = "%m-%d" if length >= _GRAINS["day"] else "%H:%M"
    labels = tuple(f"{period.since + at * length:{form}}" for at in range(count))
    return Chart(title=title, form="columns", kind=kind, labels=labels, values=tuple(values))


def _as_moment(value: date | datetime) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def chart_of_names(answer: Answer, title: str, name: str, column: str, kind: Kind) -> Chart:
    """Return the ten longest bars, those of 0 left out."""
    records = [record for record in answer.records() if record[column]]
    records = sorted(records, key=lambda record: -record[column])[:10]
    return Chart(
        title=title,
        form="bars",
        kind=kind,
        labels=tuple(str(record[name]) or _NOT_GIVEN for record in records),
        values=tuple(record[column] for record in records),
    )


def recommendations_of(alerts: Answer) -> list[Recommendation]:
    """Return what the rules that fired recommend, the gravest first, each once."""
    found: dict[tuple[str, str], Recommendation] = {}
    for record in alerts.records():
        if record["recommendation"]:
            found.setdefault(
                (record["rule"], record["recommendation"]),
                Recommendation(
                    severity=record["severity"],
                    because=f"{record['rule']} fired {_times(record['alerts'])}",
                    text=record["recommendation"],
                ),
            )
    return list(found.values())


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _value(value: Any, kind: Kind) -> Any:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return _NOT_GIVEN if kind == "text" and value == "" else value

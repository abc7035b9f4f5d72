"""Reports as values, and what renderers make of them: small, empty and hostile ones too."""

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.budget_status import budget_status
from tokentrail.schemas.budgets import CostSplit, SpendBudget
from tokentrail.sinks.clickhouse.named_queries import Answer, catalogue
from tokentrail.sinks.reports import cost_report, security_report, stats_report
from tokentrail.sinks.reports.answers import chart_over_time
from tokentrail.sinks.reports.charts import draw
from tokentrail.sinks.reports.renderers import as_csv, as_html, as_json
from tokentrail.sinks.reports.report import Chart, Column, Figure, Period, Recommendation, Report, Table
from tokentrail.sinks.reports.wording import change_of, period_of, worded

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
PERIOD = Period(NOW.replace(minute=0, second=0), NOW.replace(hour=13, minute=0, second=0))
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', '=HYPERLINK("http://evil")', "@SUM(A1)", "+1", "-1",
    "\x1b[2J\x1b]0;owned\x07", "a\u202egnp.exe", "line\r\nbreak", "\x00", "{{ 7 * 7 }}", "</style><svg onload=x>",
    "x" * 9999, "'; DROP TABLE calls", "&amp;", "\ud7ff\ufffe",
)  # fmt: skip
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2", "section", "div", "span", "ul",
    "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "text", "line", "footer",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "aria-label", "scope", "viewbox", "role", "xmlns", "x",
    "y", "x1", "x2", "y1", "y2", "width", "height", "rx", "text-anchor",
}  # fmt: skip


def report_of(text: str, number: Any = 1) -> Report:
    return Report(
        name="r", title=text, period=PERIOD, before=PERIOD, made_at=NOW,
        figures=(Figure(name=text, kind="count", value=1, before=2, more_is="worse"),),
        charts=(
            Chart(title=text, form="bars", kind="usd", labels=(text, "b"), values=(Decimal("1.5"), 1)),
            Chart(title=text, form="columns", kind="count", labels=(text, "b"), values=(3, 1)),
        ),
        tables=(
            Table(title=text, columns=(Column(text), Column("n", "usd")), rows=((text, number),)),
            Table(title="none", columns=(Column("a"),), rows=(), empty=text),
        ),
        recommendations=(Recommendation(severity=text, because=text, text=text),),
        notes=(text,),
    )  # fmt: skip


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action", "style"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_text_in_a_page_and_a_cell_in_a_spreadsheet(text: str) -> None:
    _check_safe(report_of(text))


@given(st.text(max_size=60))
def test_any_name_stays_text(text: str) -> None:
    _check_safe(report_of(text))


def _check_safe(report: Report) -> None:
    html = as_html(report)
    page = Page(html)
    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert page.links == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    assert html.count("<style>") == 1
    rows = list(csv.reader(StringIO(as_csv(report), newline="")))
    for cell in (cell for row in rows for cell in row):
        assert not re.match(r"[=+@\t\r\n]|-(?![\d.]+$)", cell)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", cell)
    assert json.loads(as_json(report))["title"] == report.title


def test_a_page_needs_nothing_from_elsewhere_and_forbids_it_besides() -> None:
    html = as_html(report_of("a"))
    assert "default-src 'none'" in html
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|<script|<link", html)
    assert "@media print" in html


def test_money_keeps_every_digit_in_json_and_csv() -> None:
    report = report_of("a", Decimal("12345678901234567890.000000001"))
    assert json.loads(as_json(report))["tables"][0]["rows"] == [{"a": "a", "n": "12345678901234567890.000000001"}]
    assert "12345678901234567890.000000001" in as_csv(report)


def test_the_same_report_gives_the_same_bytes() -> None:
    first, second = report_of("a"), report_of("a")
    assert (as_html(first), as_json(first), as_csv(first)) == (as_html(second), as_json(second), as_csv(second))


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (None, "usd", "–"), (Decimal("1234.567"), "usd", "1,234.57"), (Decimal("0.000123"), "usd", "0.000123"),  # noqa: RUF001 - it is meant
        (Decimal("-0.2"), "usd", "-0.20"), (0, "usd", "0.00"), (1234567, "count", "1,234,567"),
        (0.1234, "ratio", "12.3%"),
        (1234.5, "ms", "1,234 ms"), ("x\x1b", "text", "x\ufffd"), ("y" * 200, "text", "y" * 120 + "…"),
        (NOW, "moment", "2026-11-21 12:34:56"),
    ],
)  # fmt: skip
def test_values_are_worded(value: Any, kind: Any, told: str) -> None:
    assert worded(value, kind) == told


@pytest.mark.parametrize(
    ("value", "before", "told"),
    [(3, 2, "+50.0%"), (1, 2, "-50.0%"), (2, 2, "as before"), (0, 0, "as before"), (3, 0, "was 0"), (3, None, ""),
     (None, 2, "was 2")],
)  # fmt: skip
def test_a_change_is_told_beside_the_period_before(value: int | None, before: int | None, told: str) -> None:
    assert change_of(Figure(name="x", kind="count", value=value, before=before)) == told


def test_periods_are_full_and_lie_side_by_side() -> None:
    assert [period_of(p) for p in stats_report.stats_periods(NOW, 60)] == [
        "2026-11-21 11:34 to 2026-11-21 12:34", "2026-11-21 10:34 to 2026-11-21 11:34",
    ]  # fmt: skip
    assert [period_of(p) for p in security_report.security_periods(NOW, "hourly")] == [
        "2026-11-21 11:00 to 2026-11-21 12:00", "2026-11-21 10:00 to 2026-11-21 11:00",
    ]  # fmt: skip
    assert [period_of(p) for p in security_report.security_periods(NOW, "daily")] == [
        "2026-11-20 to before 2026-11-21", "2026-11-19 to before 2026-11-20",
    ]  # fmt: skip
    assert [period_of(p) for p in cost_report.cost_periods(date(2026, 10, 5), NOW)] == [
        "2026-10-01 to before 2026-11-01", "2026-09-01 to before 2026-10-01",
    ]  # fmt: skip
    assert [period_of(p) for p in cost_report.cost_periods(date(2026, 11, 5), NOW)] == [
        "2026-11-01 00:00 to 2026-11-21 12:34", "2026-10-01 00:00 to 2026-10-21 12:34",
    ]  # fmt: skip
    last_of_march = datetime(2026, 3, 31, tzinfo=UTC)
    assert cost_report.cost_periods(last_of_march.date(), last_of_march)[1].until == datetime(2026, 3, 1, tzinfo=UTC)


def test_time_without_calls_is_drawn_as_none_and_long_periods_are_put_together() -> None:
    hour = Answer(("minute", "calls"), ((PERIOD.since + timedelta(minutes=7), 5),))
    chart = chart_over_time(hour, "t", PERIOD, "calls", "count")
    assert (len(chart.values), chart.values[7], sum(chart.values)) == (60, 5, 5)
    day = Period(PERIOD.since, PERIOD.since + timedelta(days=1))
    rows = tuple((day.since + timedelta(minutes=n), 1) for n in range(1440))
    chart = chart_over_time(Answer(("minute", "calls"), rows), "t", day, "calls", "count")
    assert chart.values == (12,) * 120
    assert chart.labels[:2] == ("12:00", "12:12")


def test_a_chart_of_nothing_is_left_out() -> None:
    for values in ((), (0, 0)):
        assert draw(Chart(title="t", form="bars", kind="count", labels=("a",) * len(values), values=values)) == ""


EMPTY = {
    name: Answer(tuple(re.findall(r" AS (\w+)", query.sql)), ()) for name, query in catalogue().items()
} | {"spend_by_day": Answer(("day", "cost_usd"), ()), "calls_by_minute": Answer(("minute", "calls"), ())}  # fmt: skip
NOTHING = {**EMPTY, **{f"{name} before": answer for name, answer in EMPTY.items()}}


def test_reports_of_an_empty_trail_say_that_there_is_nothing() -> None:
    reports = [
        stats_report.stats_report(NOTHING, PERIOD, PERIOD, NOW),
        security_report.security_report(NOTHING, "hourly", PERIOD, PERIOD, NOW),
        cost_report.cost_report(
            NOTHING, departments="spend_by_department", budgets=[], splits=[], charged=None,
            period=PERIOD, before=PERIOD, made_at=NOW,
        ),
    ]  # fmt: skip
    for report in reports:
        page = as_html(report)
        assert "<svg" not in page
        assert all(table.empty in page for table in report.tables)
        assert as_csv(report)
        assert json.loads(as_json(report))["recommendations"] == []


def test_departments_bear_what_was_handed_to_them_beside_budget_mark_up_and_the_month_before() -> None:
    columns = ("department", "calls", "cost_usd")
    now = Answer(columns, (("platform", 1, Decimal(10)), ("sales", 3, Decimal(5)), ("old", 1, None)))
    before = Answer(columns, (("sales", 1, Decimal(4)),))
    daily = {date(2026, 11, 1): Decimal(5)}
    budget = SpendBudget(name="Sales", where={"department": "sales"}, usd_per_month=Decimal(12), recipients=["ann@x"])
    status = budget_status(budget, daily, 0, NOW)
    split = CostSplit(name="p", of={"department": "platform"}, in_proportion_to="calls")
    report = cost_report.cost_report(
        {**NOTHING, "spend_by_department": now, "spend_by_department before": before},
        departments="spend_by_department", budgets=[status, msgspec.structs.replace(status, where={"team": "x"})],
        splits=[split], charged={"sales": Decimal(6)}, period=PERIOD, before=PERIOD, made_at=NOW,
    )  # fmt: skip
    table = report.tables[0]
    rows = {row[0]: dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows}
    sales = rows["sales"]
    assert (sales["direct USD"], sales["handed on USD"], sales["cost USD"]) == (5, Decimal("7.5"), Decimal("12.5"))
    assert (sales["charged USD"], sales["budget USD"], sales["remaining USD"]) == (6, 12, Decimal("-0.5"))
    assert (sales["before USD"], rows["platform"]["cost USD"], rows["old"]["cost USD"]) == (4, 0, Decimal("2.5"))
    assert sum(row["cost USD"] for row in rows.values()) == 15
    assert len(report.tables[1].rows) == 2

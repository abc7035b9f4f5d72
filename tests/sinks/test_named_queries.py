"""The library of named queries: the exact statements, and what they answer on a ledger of known numbers."""

import json
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from known_ledger import AT, NOW

from tokentrail.errors import QueryError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.named_queries import catalogue, find_query, read_query, run_queries

FOLDER = Path(__file__).parent / "queries"
QUERIES = catalogue()


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_is_this_statement(name: str) -> None:
    assert QUERIES[name].sql + "\n" == (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def test_every_statement_kept_is_that_of_a_query() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == set(QUERIES)


def test_a_statement_binds_what_it_is_given_and_holds_none_of_it() -> None:
    query = find_query("auth_failures")
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert query.bind({"until": "2026-11-21T10:30+02:00", "limit": "7"}, now) == {
        "since": "2026-11-20 12:00:00", "until": "2026-11-21 08:30:00", "limit": "7",
    }  # fmt: skip
    for month in ("2026-10", "2026-10-01", "2026-10-31"):
        assert find_query("budget_status").bind({"month": month, "limits_usd": "{}"}, now)["month"] == "2026-10-01"


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("erors", {}, "did you mean errors"),
        ("errors", {"user": "ann"}, "no parameter 'user'; it has limit, since, until"),
        ("errors", {"since": "yesterday"}, "since='yesterday' cannot be understood; write 24h"),
        ("budget_status", {"month": "2026-13", "limits_usd": "{}"}, "cannot be understood"),
        ("budget_status", {}, "needs --param limits_usd=…: what each may spend"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_sentence(name: str, values: dict[str, str], told: str) -> None:
    with pytest.raises(QueryError, match=told):
        find_query(name).bind(values, NOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- title: T\n-- reads: calls\nSELECT 1", "lacks a header line: answers"),
        ("-- nonsense\nSELECT 1", "header line that is none"),
        ("-- title: T\n-- answers: A\n-- reads: calls\nSELECT {x:String}", "tells of the parameters"),
        ("-- title: T\n-- answers: A\n-- reads: calls\n-- param x String: x\nSELECT 1", "tells of the parameters"),
    ],
)
def test_a_file_whose_header_does_not_fit_its_statement_is_refused(text: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        read_query("made_up", text)


DAY = AT.date()
HOUR = AT.replace(minute=0)
MONTH_DAYS = monthrange(DAY.year, DAY.month)[1]
GPT, CLAUDE = Decimal("3.5"), Decimal("13.2")
KNOWN: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "active_alerts": ("severity rule entity", [("HIGH", "token_spike", "ann / web")]),
    "activity": (
        "calls failures users api_keys auth_failures cost_usd unpriced_calls average_ms",
        [(11, 2, 4, 2, 1, 4 * GPT + CLAUDE, 1, pytest.approx(4600 / 7))],
    ),
    "alerts_by_rule": (
        "rule severity alerts open_alerts recommendation",
        [("token_spike", "HIGH", 1, 1, "Look."), ("retry_storm", "INFO", 1, 0, "Wait.")],
    ),
    "auth_failures": ("key key_hint ip_address auth_failures services", [("k2", "sk-…beef", "10.0.0.9", 1, ["web"])]),
    "budget_status": (
        "department limit_usd spent_usd remaining_usd used",
        [
            ("research", 10, 2 * GPT + CLAUDE, Decimal("-10.2"), pytest.approx(2.02)),
            ("sales", Decimal("5.5"), 2 * GPT, Decimal("-1.5"), pytest.approx(7 / 5.5)),
            ("no body's", 1, 0, 1, 0),
        ],
    ),
    "cache_share": (
        "model input_tokens cache_read_tokens cache_share",
        [
            ("claude-sonnet-4-5", 4_000_000, 2_000_000, 0.5), ("gpt-4o", 4_000_000, 0, 0.0),
            ("unheard-of", 1_000_000, 0, 0.0),
        ],
    ),
    "calls_by_minute": ("minute calls failures cost_usd", [(AT, 11, 2, 4 * GPT + CLAUDE)]),
    "duplicates": ("request_hash requests users cost_usd", [("h2", 4, ["cat"], CLAUDE)]),
    "errors": (
        "status error_type error_code http_status_code calls users",
        [("AUTH_FAILED", "auth", "", 401, 1, 1), ("RATE_LIMITED", "rate_limit", "429", 429, 1, 1)],
    ),
    "latency_by_model": (
        "model calls average_ms p50_ms p99_ms first_token_p50_ms",
        [
            ("gpt-4o", 6, 200.0, pytest.approx(200, rel=0.01), pytest.approx(200, rel=0.01), None),
            ("claude-sonnet-4-5", 4, 1000.0, pytest.approx(1000, rel=0.01), pytest.approx(1000, rel=0.01), None),
            ("unheard-of", 1, None, None, None, None),
        ],
    ),
    "month_forecast": (
        "department spent_usd forecast_usd",
        [
            ("research", 2 * GPT + CLAUDE, pytest.approx(20.2 / DAY.day * MONTH_DAYS)),
            ("sales", 2 * GPT, pytest.approx(7 / DAY.day * MONTH_DAYS)),
        ],
    ),
    "retries": ("service model logical_calls attempts retries retries_usd", [("crm", "gpt-4o", 1, 2, 1, GPT)]),
    "slowest_endpoints": (
        "server_address endpoint calls average_ms p50_ms",
        [("api.anthropic.com", "/v1/messages", 4, 1000.0, 1000.0), ("", "", 3, 200.0, 200.0)],
    ),
    "spend_by_day": ("day calls failures cost_usd unpriced_calls", [(DAY, 11, 2, 4 * GPT + CLAUDE, 1)]),
    "spend_by_department": (
        "department calls failures input_tokens output_tokens cost_usd unpriced_calls",
        [("research", 7, 1, 6_000_000, 200_000, 2 * GPT + CLAUDE, 0), ("sales", 4, 1, 3_000_000, 300_000, 2 * GPT, 1)],
    ),
    "spend_by_environment": ("environment calls cost_usd", [("", 10, 3 * GPT + CLAUDE), ("test", 1, GPT)]),
    "spend_by_feature": ("feature calls cost_usd", [("faq", 4, CLAUDE), ("", 5, 2 * GPT), ("search", 2, 2 * GPT)]),
    "spend_by_hour": ("hour calls cost_usd", [(HOUR, 11, 4 * GPT + CLAUDE)]),
    "spend_by_key": ("key calls cost_usd", [("", 9, 3 * GPT + CLAUDE), ("k1", 1, GPT), ("k2", 1, None)]),
    "spend_by_mapped_cost_centre": (
        "cost_centre calls cost_usd", [("4711", 7, 2 * GPT + CLAUDE), ("", 4, 2 * GPT)],
    ),
    "spend_by_mapped_department": (
        "department calls cost_usd unpriced_calls",
        [("research", 7, 2 * GPT + CLAUDE, 0), ("marketing", 3, GPT, 1), ("platform", 1, GPT, 0)],
    ),
    "spend_by_mapped_team": (
        "team calls cost_usd", [("red", 4, CLAUDE), ("", 6, 3 * GPT), ("blue", 1, GPT)],
    ),
    "spend_by_model": (
        "model calls cost_usd unpriced_calls",
        [("gpt-4o", 6, 4 * GPT, 0), ("claude-sonnet-4-5", 4, CLAUDE, 0), ("unheard-of", 1, None, 1)],
    ),
    "spend_by_provider": ("provider calls cost_usd", [("openai", 7, 4 * GPT), ("anthropic", 4, CLAUDE)]),
    "spend_by_service": ("service calls cost_usd", [("", 4, CLAUDE), ("crm", 4, 2 * GPT), ("web", 3, 2 * GPT)]),
    "spend_by_session": ("session calls input_tokens cost_usd", [("s1", 2, 2_000_000, 2 * GPT)]),
    "spend_by_team": ("team calls cost_usd", [("", 10, 3 * GPT + CLAUDE), ("blue", 1, GPT)]),
    "spend_by_user": (
        "user calls cost_usd", [("cat", 4, CLAUDE), ("bob", 4, 2 * GPT), ("ann", 2, 2 * GPT), ("eve", 1, None)],
    ),
    "spend_of_days": ("day department cost_usd", [(DAY, "research", 2 * GPT + CLAUDE), (DAY, "sales", 2 * GPT)]),
    "statistics": ("calls failures cost_usd failure_ratio", [(11, 2, 4 * GPT + CLAUDE, pytest.approx(2 / 11))]),
    "statistics_by_model": (
        "model calls failures failure_ratio average_ms",
        [
            ("gpt-4o", 6, 2, pytest.approx(1 / 3), 200.0), ("claude-sonnet-4-5", 4, 0, 0, 1000.0),
            ("unheard-of", 1, 0, 0, None),
        ],
    ),
    "statuses": (
        "status calls share",
        [
            ("SUCCESS", 9, pytest.approx(9 / 11)), ("AUTH_FAILED", 1, pytest.approx(1 / 11)),
            ("RATE_LIMITED", 1, pytest.approx(1 / 11)),
        ],
    ),
    "top_spenders": (
        "user departments cost_usd share",
        [
            ("cat", "research", CLAUDE, pytest.approx(13.2 / 27.2)),
            ("bob", "sales", 2 * GPT, pytest.approx(7 / 27.2)),
            ("ann", "research", 2 * GPT, pytest.approx(7 / 27.2)),
            ("eve", "research", None, 0),
        ],
    ),
    "top_users": ("user calls failures tokens models", [
        ("bob", 4, 1, 3_300_000, 2), ("cat", 4, 0, 4_000_000, 1), ("ann", 2, 0, 2_200_000, 1), ("eve", 1, 1, 0, 1),
    ]),
    "unfinished_calls": ("call", [("call-99",)]),
    "unpriced_models": ("model unpriced_calls calls input_tokens", [("unheard-of", 1, 1, 1_000_000)]),
    "users": ("users api_keys sessions ip_addresses auth_failures", [(4, 2, 1, 1, 1)]),
}  # fmt: skip


@pytest.mark.engine
def test_every_query_answers_what_is_known(filled_ledger: Settings) -> None:
    tomorrow = (NOW + timedelta(days=1)).isoformat()
    limits_usd = json.dumps({"research": 10, "sales": 5.5, "no body's": 1})
    given = {
        "budget_status": {"month": f"{AT:%Y-%m}", "limits_usd": limits_usd},
        "month_forecast": {"month": f"{AT:%Y-%m}", "until": (AT + timedelta(days=1)).isoformat()},
        "unfinished_calls": {"until": tomorrow},
        "alerts_by_rule": {"until": tomorrow},
        "active_alerts": {"until": tomorrow},
    }  # fmt: skip
    answers = run_queries(filled_ledger, {name: (QUERIES[name], given.get(name, {})) for name in QUERIES}, NOW)
    told = {
        name: [tuple(record[column] for column in KNOWN[name][0].split()) for record in answers[name].records()]
        for name in QUERIES
    }
    assert told == {name: rows for name, (_, rows) in KNOWN.items()}

"""What the same calls would have cost elsewhere: the engine's sums against each call priced anew in Python."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from call_cost import cost_of
from ledger_log import block_of, completed
from varied_usage import draw_usage

from tokentrail.processors.pricing import DayTariffs, LongContext, PriceBook, Rates, Tariff
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.savings_query import Alternative, read_savings

NOW = datetime.now(UTC)
ALTERNATIVES = [
    Alternative("anthropic", "claude-sonnet-4-5"),
    Alternative("deepseek", "deepseek-chat"),
    Alternative("openai", "gpt-realtime"),
    Alternative("odd", "odd"),
    Alternative("openai", "gpt-4o", "batch"),
    Alternative("nobody", "unheard-of"),
]


class OddPrices:
    """Rates with every digit, a fee per request, a long context, and another price from yesterday on."""

    def tariffs(self, provider: str, _model: str, _tier: str, day: date) -> DayTariffs | None:
        if provider != "odd":
            return None
        rates = Rates(
            price_source="odd", price_version=str(day >= NOW.date()), provider="odd", model="odd",
            input=Decimal("1.234567891"), output=Decimal("9.876543219"), cache_read=Decimal("0.000000001"),
            reasoning=Decimal("0.333333333"), request=Decimal("17.125"),
        )  # fmt: skip
        dear = msgspec.structs.replace(rates, input=Decimal("2.469135783"), above_input_tokens=200_000)
        later = msgspec.structs.replace(rates, output=Decimal("8.000000007"))
        return (Tariff(later if day >= NOW.date() else rates, (LongContext(200_000, dear),)),)


@pytest.mark.engine
def test_calls_are_priced_anew_one_by_one_and_what_cannot_be_is_told_apart(settings: Settings) -> None:
    chance = random.Random(7)
    prices = PriceBook(OddPrices(), PublicPrices())
    payloads: list[Any] = [
        completed(
            number,
            provider="openai",
            request_model=chance.choice(["gpt-4o", "gpt-4o-mini", "unheard-of"]),
            department=chance.choice(["Sales", "Finance"]),
            usage=draw_usage(chance),
            occurred_at=NOW - timedelta(minutes=chance.randrange(4000)),
        )
        for number in range(600)
    ] + [
        completed(600 + at, department=department, usage=Usage(input_tokens=tokens, output_tokens=0))
        for at, (department, tokens) in enumerate([("two", 150_000), ("two", 150_000), ("one", 300_000)])
    ]
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, payloads, prices=prices))
    query = CostQuery(by=("department",), since=NOW - timedelta(days=5))
    told = read_savings(settings, query, prices, ALTERNATIVES)

    expected: dict[tuple[Alternative, str], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0), 0, 0])
    for payload in payloads:
        call = msgspec.json.decode(payload, type=CallCompleted)
        if call.usage is None or (call.usage.input_tokens is None and call.usage.output_tokens is None):
            continue
        did = cost_of(call.usage, prices.rates_for(call, call.occurred_at)).total
        for one in ALTERNATIVES:
            other = msgspec.structs.replace(
                call, provider=one.provider, request_model=one.model, service_tier=one.service_tier
            )
            would = cost_of(call.usage, prices.rates_for(other, call.occurred_at)).total
            sums = expected[one, call.department or ""]
            sums[0] += 1
            sums[4] += would is None
            sums[5] += did is None
            if did is not None and would is not None:
                sums[1], sums[2], sums[3] = sums[1] + 1, sums[2] + did, sums[3] + would
    assert {
        (row.alternative, row.group["department"]): [
            row.calls, row.compared_calls, row.cost_usd, row.would_cost_usd, row.unpriceable_calls, row.unpriced_calls,
        ]
        for row in told
    } == expected  # fmt: skip
    assert all(row.compared_calls for row in told if row.alternative.provider != "nobody")
    assert any(row.unpriceable_calls for row in told if row.alternative.provider == "odd")

    # 2 x 150,000 tokens are below the step of 200,000, 1 x 300,000 is above it: the same sum, another cost.
    by_department = {row.group["department"]: row for row in told if row.alternative == ALTERNATIVES[0]}
    assert by_department["two"].would_cost_usd == Decimal("0.9")
    assert by_department["one"].would_cost_usd == Decimal("1.8")
    filtered = CostQuery(since=NOW - timedelta(days=5), filters={"department": "two"})
    (row,) = read_savings(settings, filtered, prices, [Alternative("openai", "gpt-4o-mini")])
    assert (row.calls, row.cost_usd, row.would_cost_usd, row.saved_usd) == (
        2, Decimal("0.75"), Decimal("0.045"), Decimal("0.705"),
    )  # fmt: skip

"""Days cut into stretches within which one set of rates holds."""

from datetime import UTC, date, datetime, timedelta

from call_cost import cost_of
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.price_stretches import PriceStretch, price_stretches
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, Usage

BOOK = PriceBook(PublicPrices())
FIRST, UNTIL = date(2026, 4, 1), date(2026, 11, 1)
MODELS = [
    ("anthropic", "claude-sonnet-4-5", ""),
    ("deepseek", "deepseek-chat", ""),
    ("openai", "gpt-4o", "priority"),
    ("nobody", "unheard-of", ""),
]


def stretches_of(provider: str, model: str, tier: str) -> list[PriceStretch]:
    return price_stretches(lambda day: BOOK.tariffs_on(provider, model, tier, day), FIRST, UNTIL)


STRETCHES = {model: stretches_of(*model) for model in MODELS}


@given(
    st.sampled_from(MODELS),
    st.datetimes(datetime(2026, 4, 1), datetime(2026, 10, 31, 23, 59, 59)),  # noqa: DTZ001  # the zone is put on below
    st.sampled_from([0, 1, 199_999, 200_000, 200_001, 900_000]),
)
def test_one_stretch_holds_what_the_book_says_of_a_call(model: tuple[str, str, str], at: datetime, tokens: int) -> None:
    at = at.replace(tzinfo=UTC)
    call = CallCompleted(
        schema_version="1.0", event_id="e", producer_id="p", producer_seq=1, prev_hash=GENESIS_HASH, occurred_at=at,
        call_id="c", provider=model[0], request_model=model[1], service_tier=model[2], status="SUCCESS",
        usage=Usage(input_tokens=tokens),
    )  # fmt: skip
    second = (at - at.replace(hour=0, minute=0, second=0, microsecond=0)) // timedelta(seconds=1)
    holding = [
        one.rates
        for one in STRETCHES[model]
        if one.first_day <= at.date() < one.until_day
        and one.from_second <= second < one.until_second
        and one.above_input_tokens < tokens <= one.to_input_tokens
    ]
    expected = BOOK.rates_for(call, at)
    assert holding == ([expected] if expected else [])
    assert cost_of(call.usage, expected) == cost_of(call.usage, holding[0] if holding else None)


def test_equal_days_are_one_stretch_and_a_new_price_begins_another() -> None:
    assert len(STRETCHES["anthropic", "claude-sonnet-4-5", ""]) == 2
    assert [one.first_day > FIRST for one in STRETCHES["openai", "gpt-4o", "priority"]] == [True]
    assert STRETCHES["nobody", "unheard-of", ""] == []

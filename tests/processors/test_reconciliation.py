"""The ledger against an invoice: it reconciles with itself, and each planted difference is found, nothing else."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.invoice_columns import plain_model_name
from tokentrail.processors.reconciliation import (
    ALL_MODELS,
    TOKENS,
    Statement,
    Tolerance,
    Verdict,
    reconcile,
    without_models,
)

DAY = date(2026, 11, 20)
EXACT = Tolerance(usd=Decimal(0))
_count = st.integers(0, 10**9)
_usd = st.decimals(0, 10_000, places=9)


def statement(model: str = "gpt-4o", day: date = DAY, **fields: Any) -> Statement:
    return Statement(day=day, model=model, **fields)


_full = st.builds(
    Statement,
    day=st.dates(DAY, DAY + timedelta(days=3)),
    model=st.sampled_from(["gpt-4o", "GPT-4o", "o3", "claude"]),
    requests=_count,
    input_tokens=_count,
    output_tokens=_count,
    cache_read_tokens=_count,
    cache_write_tokens=_count,
    cost_usd=_usd,
)
_some = st.builds(
    Statement,
    day=st.dates(DAY, DAY + timedelta(days=3)),
    model=st.sampled_from(["gpt-4o", "o3"]),
    input_tokens=st.none() | _count,
    output_tokens=st.none() | _count,
    cost_usd=st.none() | _usd,
)


@given(st.lists(_full | _some, max_size=12), st.randoms(use_true_random=False))
def test_any_ledger_reconciles_with_itself_in_any_order(lines: list[Statement], chance: Any) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)
    found = reconcile(lines, shuffled, EXACT)
    assert found.reconciled
    assert found.here == found.there


_PLANTED = st.sampled_from(["input_tokens", "output_tokens", "cache_read_tokens", "cost_usd", "here", "there"])


@given(st.dictionaries(st.tuples(st.integers(0, 9), st.sampled_from("abc")), _full, min_size=1), st.data())
def test_every_planted_difference_is_found_and_nothing_else(
    by_place: dict[tuple[int, str], Statement], data: st.DataObject
) -> None:
    here = {
        place: msgspec.structs.replace(
            one, day=DAY + timedelta(days=place[0]), model=place[1], input_tokens=(one.input_tokens or 0) + 1
        )
        for place, one in by_place.items()
    }
    there = dict(here)
    expected: dict[tuple[int, str], tuple[Verdict, tuple[str, ...]]] = {}
    for place in data.draw(st.sets(st.sampled_from(sorted(here)))):
        what = data.draw(_PLANTED)
        if what == "here":
            del here[place]
            expected[place] = (Verdict.MISSING_HERE, ())
        elif what == "there":
            del there[place]
            expected[place] = (Verdict.MISSING_THERE, ())
        else:
            more = data.draw(st.integers(1, 1000)) * (Decimal("1e-9") if what == "cost_usd" else 1)
            there[place] = msgspec.structs.replace(there[place], **{what: getattr(there[place], what) + more})
            verdict = Verdict.PRICE_DIFFERS if what == "cost_usd" else Verdict.TOKENS_DIFFER
            expected[place] = (verdict, (what,))
    found = reconcile(here.values(), there.values(), EXACT)
    told = {
        ((one.day - DAY).days, one.model): (one.verdict, one.differing)
        for one in found.comparisons
        if one.verdict is not Verdict.MATCHED
    }
    assert told == expected
    assert found.reconciled is (not expected)
    assert sum(found.counts().values()) == len({*here, *there})


def only(here: Statement, there: Statement, tolerance: Tolerance = EXACT) -> Verdict:
    (one,) = reconcile([here], [there], tolerance).comparisons
    return one.verdict


def test_the_same_tokens_at_another_cost_are_a_price_and_a_cost_alone_is_not_said_to_be() -> None:
    here = statement(input_tokens=10, output_tokens=1, cost_usd=Decimal(2))
    assert only(here, statement(input_tokens=10, output_tokens=1, cost_usd=Decimal(3))) is Verdict.PRICE_DIFFERS
    assert only(here, statement(cost_usd=Decimal(3))) is Verdict.COST_DIFFERS
    assert only(here, statement(input_tokens=10, output_tokens=1)) is Verdict.MATCHED
    assert only(here, statement(input_tokens=11, output_tokens=1, cost_usd=Decimal(3))) is Verdict.TOKENS_DIFFER


def test_a_cost_that_the_ledger_does_not_know_is_a_difference() -> None:
    here = statement(input_tokens=10, output_tokens=1, unpriced_calls=1)
    assert only(here, statement(input_tokens=10, output_tokens=1, cost_usd=Decimal(3))) is Verdict.PRICE_DIFFERS


@pytest.mark.parametrize(
    ("tolerance", "theirs", "matched"),
    [
        (Tolerance(usd=Decimal("0.01")), "10.01", True),
        (Tolerance(usd=Decimal("0.01")), "10.010000001", False),
        (Tolerance(usd=Decimal(0), percent=Decimal(1)), "10.1", True),
        (Tolerance(usd=Decimal(0), percent=Decimal(1)), "10.2", False),
    ],
)
def test_a_tolerance_is_in_usd_or_percent(tolerance: Tolerance, theirs: str, *, matched: bool) -> None:
    verdict = only(statement(cost_usd=Decimal(10)), statement(cost_usd=Decimal(theirs)), tolerance)
    assert (verdict is Verdict.MATCHED) is matched


def test_tokens_are_allowed_a_percentage_and_no_usd() -> None:
    here, there = statement(input_tokens=99), statement(input_tokens=100)
    assert only(here, there, Tolerance(usd=Decimal(100))) is Verdict.TOKENS_DIFFER
    assert only(here, there, Tolerance(percent=Decimal(1))) is Verdict.MATCHED


def test_zeros_say_nothing() -> None:
    zeros: dict[str, Any] = dict.fromkeys((*TOKENS, "requests", "cost_usd"), 0)
    assert reconcile([statement(**zeros)], [], EXACT).comparisons == ()


def test_display_names_and_ids_are_one_model() -> None:
    here = [
        statement("claude-sonnet-4-5-20250929", cost_usd=Decimal(1)),
        statement("claude-sonnet-4-5", cost_usd=Decimal(2)),
        statement("claude-3-5-sonnet-20241022", cost_usd=Decimal(4)),
    ]
    there = [
        statement("Claude Sonnet 4.5", cost_usd=Decimal(3)),
        statement("Claude 3.5 Sonnet 2024-10-22", cost_usd=Decimal(4)),
    ]
    assert reconcile(here, there, EXACT, plain_model_name).reconciled
    assert not reconcile(here, there, EXACT).reconciled


def test_without_models_days_are_compared_as_a_whole() -> None:
    here = without_models([statement("a", cost_usd=Decimal(1)), statement("b", cost_usd=Decimal(2))])
    assert reconcile(here, [statement(ALL_MODELS, cost_usd=Decimal(3))], EXACT).reconciled

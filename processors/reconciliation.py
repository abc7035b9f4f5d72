"""The ledger against an invoice, by day and model: what agrees, what is missing where, what differs. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

ALL_MODELS: Final = "all models"
"""The model of statements that do not tell models apart."""
TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_SUMS: Final = ("requests", *TOKENS, "cost_usd")
_HUNDRED: Final = Decimal(100)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says of a UTC day and a model. None: it does not say.

    `input_tokens` and `output_tokens` are totals: what is read from and written to a cache is inside the first.
    `unpriced_calls` have tokens here and are not in `cost_usd`.
    """

    day: date
    model: str
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: Decimal | None = None
    unpriced_calls: int = 0


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """What is no difference: USD of a day and model, or percent of what the invoice says, whichever is more."""

    usd: Decimal = Decimal("0.01")
    percent: Decimal = Decimal(0)


class Verdict(StrEnum):
    """How the two sides compare. `cost_differs` is for invoices that do not say how many tokens they are about."""

    MATCHED = "matched"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    TOKENS_DIFFER = "tokens_differ"
    PRICE_DIFFERS = "price_differs"
    COST_DIFFERS = "cost_differs"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One day and model; `differing` names the fields in which the sides differ beyond the tolerance."""

    day: date
    model: str
    verdict: Verdict
    here: Statement | None
    there: Statement | None
    differing: tuple[str, ...] = ()


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Every day and model of either side, in order; `here` and `there` are the sums of all of them."""

    comparisons: tuple[Comparison, ...]
    here: Statement
    there: Statement

    @property
    def reconciled(self) -> bool:
        """Whether everything is matched."""
        return all(one.verdict is Verdict.MATCHED for one in self.comparisons)

    def counts(self) -> dict[str, int]:
        """Return how many days and models have each verdict."""
        found = Counter(one.verdict for one in self.comparisons)
        return {verdict.value: found[verdict] for verdict in Verdict}


def reconcile(
    here: Iterable[Statement],
    there: Iterable[Statement],
    tolerance: Tolerance,
    name_model: Callable[[str], str] = str.casefold,
) -> Reconciliation:
    """Compare the ledger (`here`) with an invoice (`there`).

    Statements of one day whose models `name_model` names alike are added up. A side that says nothing but zeros of a
    day and model says nothing of it. Only what both sides say is compared; a cost on the invoice that the ledger does
    not know is a difference.
    """
    ours, theirs = _by_day_and_model(here, name_model), _by_day_and_model(there, name_model)
    comparisons = [_compare(ours.get(key), theirs.get(key), tolerance) for key in sorted({*ours, *theirs})]
    return Reconciliation(comparisons=tuple(comparisons), here=_total(ours.values()), there=_total(theirs.values()))


def without_models(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements as of all models together."""
    return [msgspec.structs.replace(one, model=ALL_MODELS) for one in statements]


_Key = tuple[date, str]


def _by_day_and_model(statements: Iterable[Statement], name_model: Callable[[str], str]) -> Mapping[_Key, Statement]:
    sums: dict[_Key, Statement] = {}
    for one in statements:
        key = (one.day, name_model(one.model))
        sums[key] = _added(sums[key], one) if key in sums else one
    return {key: one for key, one in sums.items() if any(getattr(one, name) for name in (*_SUMS, "unpriced_calls"))}


def _added(one: Statement, two: Statement) -> Statement:
    model = one.model if one.model == two.model else min(one.model, two.model, key=lambda name: (len(name), name))
    sums = {name: _sum(getattr(one, name), getattr(two, name)) for name in (*_SUMS, "unpriced_calls")}
    return msgspec.structs.replace(one, model=model, **sums)


def _sum(one: int | Decimal | None, two: int | Decimal | None) -> int | Decimal | None:
    if one is None or two is None:
        return two if one is None else one
    return one + two


def _total(statements: Iterable[Statement]) -> Statement:
    total = Statement(day=date.min, model=ALL_MODELS)
    for one in statements:
        total = _added(total, msgspec.structs.replace(one, model=ALL_MODELS))
    return total


def _compare(here: Statement | None, there: Statement | None, tolerance: Tolerance) -> Comparison:
    known = here or there
    if known is None:
        raise ValueError("One side has to say something.")
    differing = () if here is None or there is None else _differing(here, there, tolerance)
    return Comparison(
        day=known.day,
        model=(there or known).model,
        verdict=_judge(here, there, differing),
        here=here,
        there=there,
        differing=differing,
    )


def _judge(here: Statement | None, there: Statement | None, differing: tuple[str, ...]) -> Verdict:
    if here is None:
        return Verdict.MISSING_HERE
    if there is None:
        return Verdict.MISSING_THERE
    if not differing:
        return Verdict.MATCHED
    if differing != ("cost_usd",):
        return Verdict.TOKENS_DIFFER
    counted = there.input_tokens is not None and there.output_tokens is not None
    return Verdict.PRICE_DIFFERS if counted else Verdict.COST_DIFFERS


def _differing(here: Statement, there: Statement, tolerance: Tolerance) -> tuple[str, ...]:
    found = []
    for name in TOKENS:
        ours, theirs = getattr(here, name), getattr(there, name)
        if ours is not None and theirs is not None and abs(ours - theirs) * _HUNDRED > tolerance.percent * abs(theirs):
            found.append(name)
    if there.cost_usd is not None:
        allowed = max(tolerance.usd, tolerance.percent * abs(there.cost_usd) / _HUNDRED)
        unknown = here.cost_usd is None and abs(there.cost_usd) > allowed
        if unknown or (here.cost_usd is not None and abs(here.cost_usd - there.cost_usd) > allowed):
            found.append("cost_usd")
    return tuple(found)

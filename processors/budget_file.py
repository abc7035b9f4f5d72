"""The budget file: read from TOML, money exact, and checked."""

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.errors import AttributionError
from tokentrail.schemas.budgets import BudgetFile, CostSplit, SpendBudget

_MOST_THRESHOLD: Final = 10
"""Above it are percents that were written without dividing them by 100."""


def load_budget_file(path: Path | None) -> BudgetFile:
    """Read a budget file; without a path, an empty one.

    Raises:
        AttributionError: names file, entry and field.
    """
    if path is None:
        return BudgetFile()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AttributionError(
            f"The budgets in {path} cannot be read: {error}. Check the setting `budgets`."
        ) from error
    return parse_budgets(text, str(path))


def parse_budgets(text: str, source: str) -> BudgetFile:
    """Check a budget file's text; `source` goes into messages.

    Raises:
        AttributionError: names source, entry and field.
    """
    try:
        found = msgspec.convert(tomllib.loads(text, parse_float=Decimal), BudgetFile)
    except tomllib.TOMLDecodeError as error:
        raise AttributionError(f"{source} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise AttributionError(f"{source}: {error}.") from error
    for mistake in _mistakes(found):
        raise AttributionError(f"{source}: {mistake}.")
    return found


def _mistakes(found: BudgetFile) -> Iterator[str]:
    for kind, entries in (("budget", found.budget), ("split", found.split)):
        names = [entry.name for entry in entries]
        yield from (f"{kind} {name!r} stands there twice" for name in sorted(set(names)) if names.count(name) > 1)
    watched: dict[tuple[bool, tuple[tuple[str, str], ...]], str] = {}
    for budget in found.budget:
        yield from _budget_mistakes(budget)
        other = watched.setdefault((budget.mapped, tuple(sorted(budget.where.items()))), budget.name)
        if other != budget.name:
            yield f"budgets {other!r} and {budget.name!r} are of the same calls; keep one"
    for split in found.split:
        yield from _split_mistakes(split)


def _budget_mistakes(budget: SpendBudget) -> Iterator[str]:
    figures = {"usd_per_month": budget.usd_per_month, **{f"months.{name}": usd for name, usd in budget.months.items()}}
    figures |= {f"thresholds[{at}]": threshold for at, threshold in enumerate(budget.thresholds)}
    for field, figure in figures.items():
        if not figure.is_finite() or figure <= 0:
            yield f"budget {budget.name!r}: {field} is {figure}; it must be above 0"
    for threshold in budget.thresholds:
        if threshold.is_finite() and threshold > _MOST_THRESHOLD:
            yield f"budget {budget.name!r}: threshold {threshold} is {threshold * 100}% of the limit; 80% is 0.8"
    if "cost_centre" in budget.where and not budget.mapped:
        yield f"budget {budget.name!r}: a cost centre is known by mappings only; write mapped = true"
    for dimension, value in budget.where.items():
        if value == "*":
            yield f"budget {budget.name!r}: where.{dimension} is '*'; give each {dimension} a budget of its own"
    if len(set(budget.thresholds)) < len(budget.thresholds):
        yield f"budget {budget.name!r}: a threshold stands there twice"


def _split_mistakes(split: CostSplit) -> Iterator[str]:
    ((dimension, value),) = split.of.items()
    if bool(split.shares) == bool(split.in_proportion_to):
        yield f"split {split.name!r}: write either shares or in_proportion_to"
    for name, share in split.shares.items():
        if not share.is_finite() or share < 0:
            yield f"split {split.name!r}: shares.{name} is {share}; it must be 0 or above"
    if split.shares and not any(split.shares.values()):
        yield f"split {split.name!r}: all shares are 0"
    if split.among and not split.in_proportion_to:
        yield f"split {split.name!r}: `among` goes with in_proportion_to"
    if value in split.shares or value in split.among:
        yield f"split {split.name!r}: {dimension} {value!r} is to have a part of itself"

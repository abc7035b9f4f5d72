"""Budget rules: the detection rules that watch a budget file's limits live. No I/O but the two files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from tokentrail.errors import AttributionError
from tokentrail.processors.budget_file import load_budget_file
from tokentrail.processors.rules import load_rules
from tokentrail.schemas.alerts import Severity
from tokentrail.schemas.budgets import SpendBudget
from tokentrail.schemas.rules import Budget, Dimension, Rule

_WATCHED: Final = frozenset(get_args(Dimension))
_FORECAST: Final = "forecast"
_REACHED: Final[dict[str, Any]] = {
    "window_s": 300,
    "summary": "{entity} has spent {value:.2f} USD this month; its budget is {baseline:.0f}",
}
_BURNING: Final[dict[str, Any]] = {
    "window_s": 604_800,  # the pace of a whole week: weekends are cheap
    "summary": "at its pace {entity} will have spent {value:.0f} USD by the end of the month; its budget is "
    "{baseline:.0f}",
    "for_s": 3600,
    "keep_firing_for_s": 21_600,
}


def is_watchable(budget: SpendBudget) -> bool:
    """Return whether detection can watch a budget: by what calls say themselves, not by mappings, team or `model`."""
    return not budget.mapped and all(dimension in _WATCHED for dimension in budget.where)


def budget_rules(budgets: Iterable[SpendBudget]) -> list[Rule]:
    """Return the rules for those budgets that detection can watch: one for each set of dimensions and threshold.

    A rule's name tells both, e.g. `budget_department_80`; `budget_department_forecast` is the burn rate. Its
    recommendation names whom to tell.
    """
    groups: dict[tuple[tuple[str, ...], str], list[SpendBudget]] = {}
    for budget in filter(is_watchable, budgets):
        marks = [f"{float(threshold * 100):g}" for threshold in budget.thresholds]
        for mark in (*marks, *((_FORECAST,) if budget.burn_rate else ())):
            groups.setdefault((tuple(sorted(budget.where)), mark), []).append(budget)
    return [_rule(dimensions, mark, groups[dimensions, mark]) for dimensions, mark in sorted(groups)]


def load_active_rules(rules: Path | None, budgets: Path | None) -> list[Rule]:
    """Read the rules in force: the enabled ones of the rule file (or the shipped one), and those of the budget file.

    Raises:
        RuleError: the rule file cannot be used.
        AttributionError: the budget file cannot be used, or a rule of the rule file has the name of one of its rules.
    """
    written, made = load_rules(rules), budget_rules(load_budget_file(budgets).budget)
    if doubled := sorted({rule.name for rule in written} & {rule.name for rule in made}):
        raise AttributionError(
            f"Rule {doubled[0]} stands in the rule file, and follows from the budgets in {budgets}: take it out of the "
            "rule file, or take the budgets out."
        )
    return sorted([*written, *made], key=lambda rule: rule.name)


def _rule(dimensions: tuple[str, ...], mark: str, budgets: Sequence[SpendBudget]) -> Rule:
    forecast = mark == _FORECAST
    at = 1.0 if forecast else float(mark) / 100
    severity = Severity.WARNING if forecast else Severity.HIGH if at >= 1 else Severity.MEDIUM
    facts: dict[str, Any] = {
        "name": f"budget_{'_and_'.join(dimensions)}_{mark.replace('.', '_')}",
        "metric": "cost_usd",
        "by": [dimensions[0] if len(dimensions) == 1 else list(dimensions)],
        "condition": _condition(dimensions, budgets, at, forecast=forecast),
        "severity": severity,
        "group": "budget",
        "recommendation": _recommend(dimensions, budgets),
        "runbook_url": "docs/report.md#budgets",
    }
    return Rule(**facts, **(_BURNING if forecast else _REACHED))


def _condition(dimensions: Sequence[str], budgets: Sequence[SpendBudget], at: float, *, forecast: bool) -> Budget:
    months: dict[str, dict[str, float]] = {}
    for budget in budgets:
        for month, usd in budget.months.items():
            months.setdefault(month, {})[_entity(dimensions, budget)] = float(usd)
    limits = {_entity(dimensions, budget): float(budget.usd_per_month) for budget in budgets}
    return Budget(limits_usd=limits, limits_of_months_usd=months, at=at, forecast=forecast)


def _entity(dimensions: Sequence[str], budget: SpendBudget) -> str:
    return " / ".join(budget.where[name] for name in dimensions)  # type: ignore[index]  # its own dimensions


def _recommend(dimensions: Sequence[str], budgets: Sequence[SpendBudget]) -> str:
    told = [f"{_entity(dimensions, budget)}: {', '.join(budget.recipients)}" for budget in budgets if budget.recipients]
    whom = f" Tell {'; '.join(told)}." if told else ""
    return f"Agree on more, or stop what can wait; `tokentrail budgets show` has the figures.{whom}"

"""Rule checks: what no single field of a rule shows - combinations that mean nothing or could never fire."""

from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from tokentrail.processors.metrics import is_amount
from tokentrail.schemas.events import CallStarted
from tokentrail.schemas.rules import (
    Absence,
    Budget,
    BurnRate,
    NewEntity,
    RatioMetric,
    RatioToBaseline,
    Rule,
    Seasonal,
    Threshold,
)

RATIOS: Final = frozenset(get_args(RatioMetric))
LINKS: Final = frozenset(("lost_calls", "sequence_gaps", "chain_breaks"))
_NEW: Final = {
    "new_users": "user_id",
    "new_ip_addresses": "ip_address",
    "new_api_keys": "api_key_id",
    "new_models": "request_model",
}
_DISTINCT: Final = {
    "distinct_users": "user_id",
    "distinct_ip_addresses": "ip_address",
    "distinct_api_keys": "api_key_id",
    "distinct_sessions": "session_id",
    "distinct_models": "request_model",
}

_OF_STARTED: Final = frozenset(CallStarted.__struct_fields__)

Finding = tuple[str, str]
"""A field, as a dotted path, and what is wrong with it."""


def check_rule(rule: Rule) -> Iterator[Finding]:
    """Yield what is wrong with a rule whose fields are right one by one."""
    for check in (_check_by, _check_filters, _check_metric, _check_window):
        yield from check(rule)
    check_condition = _CONDITIONS.get(type(rule.condition))
    if check_condition is not None:
        yield from check_condition(rule, rule.condition)


def _check_by(rule: Rule) -> Iterator[Finding]:
    seen = set()
    for element in rule.by:
        fields = [element] if isinstance(element, str) else element
        name = "+".join(fields)
        if not fields:
            yield "by", "an element is an empty list; name the fields that make up one entity"
        if len(set(fields)) < len(fields):
            yield "by", f"{name} has a field twice"
        if name in seen:
            yield "by", f"{name} stands there twice"
        seen.add(name)


def _check_filters(rule: Rule) -> Iterator[Finding]:
    for place, filters in (("where", rule.where), ("where_not", rule.where_not)):
        for field, values in filters.items():
            if not values and not isinstance(values, str):
                yield f"{place}.{field}", "an empty list fits no call; name at least one value"
    for field, values in rule.where.items():
        kept = {values} if isinstance(values, str) else set(values)
        left_out = rule.where_not.get(field, [])
        if kept and kept <= ({left_out} if isinstance(left_out, str) else set(left_out)):
            yield f"where_not.{field}", "leaves out all that `where` keeps"


def _check_metric(rule: Rule) -> Iterator[Finding]:
    metric = rule.metric
    entities = [[element] if isinstance(element, str) else element for element in rule.by]
    if metric in LINKS:
        if rule.by != ["producer_id"]:
            yield "by", f'{metric} is known of producers only; write by = ["producer_id"]'
        if rule.where or rule.where_not:
            yield "where", f"{metric} comes from a producer's whole chain; it cannot be filtered"
        yield from _want_threshold(rule)
    if metric == "clock_skewed":
        used = {field for fields in entities for field in fields} | set(rule.where) | set(rule.where_not)
        for field in sorted(used - _OF_STARTED):
            yield "by", f"{metric} counts calls that have only begun, too, and those have no {field}"
    if metric == "context_growth_tokens" and any("session_id" not in fields for fields in entities):
        yield "by", "context grows within a session; each element must be or contain session_id"
    if metric in _NEW and rule.learning_s == 0:
        yield "learning_s", f"with 0 everything counts as new; {metric} wants time to learn what is known"
    counted = {**_NEW, **_DISTINCT}.get(metric)
    if counted and any(counted in fields for fields in entities):
        yield "by", f"{metric} of one {counted} is 1 at most; take {counted} out"


def _want_threshold(rule: Rule) -> Iterator[Finding]:
    if not isinstance(rule.condition, Threshold):
        yield "condition.type", f"{rule.metric} has no usual level; use a condition of type 'threshold'"


def _check_window(rule: Rule) -> Iterator[Finding]:
    if rule.metric in RATIOS and rule.min_value > 1:
        yield "min_value", f"{rule.metric} is between 0 and 1; it never reaches {rule.min_value:g}"


def _check_threshold(rule: Rule, condition: Threshold) -> Iterator[Finding]:
    if rule.metric in RATIOS and condition.above >= 1:
        yield "condition.above", f"{rule.metric} is between 0 and 1; it is never above {condition.above:g}"
    if condition.baseline is not None and condition.baseline > condition.above:
        yield "condition.baseline", "what is normal must not be more than `above`"


def _check_multiple(rule: Rule, _: RatioToBaseline | Seasonal) -> Iterator[Finding]:
    if rule.metric in RATIOS:
        instead = "'threshold' (with `baseline`), 'z_score' or 'burn_rate'"
        yield "condition.type", f"{rule.metric} is often 0, and a multiple of that says nothing; use {instead}"


def _check_absence(rule: Rule, _: Absence) -> Iterator[Finding]:
    if rule.metric != "calls":
        yield "metric", 'absence is of calls; write metric = "calls"'
    if rule.min_calls < 1:
        yield "min_calls", "absence is watched where so many calls a window are usual; say how many, 1 or more"


def _check_burn_rate(rule: Rule, condition: BurnRate) -> Iterator[Finding]:
    if condition.long_window_s <= rule.window_s:
        yield "condition.long_window_s", f"the long window must be longer than window_s ({rule.window_s})"
    if rule.metric in RATIOS:
        if condition.allowed * condition.factor >= 1:
            yield "condition.factor", f"{rule.metric} is never above allowed x factor, which is 1 or more"
    elif not is_amount(rule.metric):
        yield "metric", f"{rule.metric} neither adds up nor is a ratio; it cannot burn"


def _check_new_entity(rule: Rule, _: NewEntity) -> Iterator[Finding]:
    if not is_amount(rule.metric) or rule.metric in LINKS or rule.metric in _NEW:
        yield "metric", f"a new entity is seen by what it adds up to, e.g. calls; {rule.metric} does not do"
    if rule.learning_s == 0:
        yield "learning_s", "with 0 every entity is new when detection begins; say how long it learns who is there"


def _check_budget(rule: Rule, _: Budget) -> Iterator[Finding]:
    if rule.metric != "cost_usd":
        yield "metric", 'a budget is of money; write metric = "cost_usd"'


_CONDITIONS: Final[dict[type, Callable[[Rule, Any], Iterator[Finding]]]] = {
    Threshold: _check_threshold,
    RatioToBaseline: _check_multiple,
    Seasonal: _check_multiple,
    Absence: _check_absence,
    BurnRate: _check_burn_rate,
    NewEntity: _check_new_entity,
    Budget: _check_budget,
}

"""Rule explanation: what a rule measures, on whom, when it fires and what it learns, in words. Pure."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tokentrail.processors.baselines import LASTING_S, MAX_SAMPLES, MIN_SAMPLES
from tokentrail.processors.detection import follows_week, needs_baseline
from tokentrail.processors.metric_phrases import PHRASES, format_value
from tokentrail.processors.rules import summarize
from tokentrail.schemas.rules import (
    Absence,
    Budget,
    BurnRate,
    NewEntity,
    RatioToBaseline,
    Rule,
    Seasonal,
    Threshold,
    ZScore,
)


class Paragraph(NamedTuple):
    """One part of an explanation."""

    title: str
    text: str


class _Example(NamedTuple):
    value: float
    baseline: float | None


def explain_rule(rule: Rule) -> list[Paragraph]:
    """Return what a rule does, in words, with an example of what its alert says."""
    return [
        Paragraph("measures", f"{PHRASES[rule.metric]}, within {format_span(rule.window_s)}"),
        Paragraph("on whom", _whom(rule)),
        Paragraph("fires when", _when(rule)),
        Paragraph("learns", _learning(rule)),
        Paragraph("its life", _life(rule)),
        Paragraph("example", _example(rule)),
        *([Paragraph("what to do", rule.recommendation)] if rule.recommendation else []),
        *([Paragraph("read on", rule.runbook_url)] if rule.runbook_url else []),
    ]


def format_span(seconds: float) -> str:
    """Return a time span as people say it: 90 s, 5 minutes, 2 hours, 3 days."""
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}s" if count > 1 else f"1 {name}"
    return f"{seconds:g} s"


def name_entities(rule: Rule) -> str:
    """Return what a rule watches: `user_id, department+request_model`."""
    return ", ".join(element if isinstance(element, str) else "+".join(element) for element in rule.by)


def describe_condition(rule: Rule) -> str:
    """Return a rule's condition in a few words."""
    return _CONDITIONS[type(rule.condition)](rule, rule.condition)[0]


def _whom(rule: Rule) -> str:
    each = [
        f"each {element}" if isinstance(element, str) else f"each combination of {' and '.join(element)}"
        for element in rule.by
    ]
    filters = [f"{field} is {_either(values)}" for field, values in rule.where.items()]
    filters += [f"{field} is not {_either(values)}" for field, values in rule.where_not.items()]
    looked_at = f"; only calls whose {' and whose '.join(filters)}" if filters else ""
    return f"{', '.join(each)}, on its own{looked_at}"


def _either(values: str | list[str]) -> str:
    return values if isinstance(values, str) else " or ".join(values)


def _when(rule: Rule) -> str:
    parts = [_CONDITIONS[type(rule.condition)](rule, rule.condition)[1]]
    if rule.baseline_floor:
        parts.append(f"a usual level below {format_value(rule.metric, rule.baseline_floor)} counts as that")
    least = []
    if rule.min_calls > 1 and not isinstance(rule.condition, Absence):
        least.append(f"{rule.min_calls} calls are in the window")
    if rule.min_value:
        least.append(f"it is {format_value(rule.metric, rule.min_value)} at least")
    if least:
        parts.append(f"but only if {' and '.join(least)}")
    if rule.for_s:
        parts.append(f"and this has been so for {format_span(rule.for_s)}")
    return ", ".join(parts)


def _learning(rule: Rule) -> str:
    if isinstance(rule.condition, NewEntity):
        return f"who is there, for {format_span(rule.learning_s)}; nobody is forgotten who calls once in 30 days"
    if rule.metric.startswith("new_"):
        known = f"what is known, for {format_span(rule.learning_s)} of each entity, and for good what it sees then"
        return f"{known}; {_usual(rule)}" if needs_baseline(rule) else known
    return _usual(rule) if needs_baseline(rule) else "nothing: it fires from the first call on"


def _usual(rule: Rule) -> str:
    window = format_span(rule.window_s)
    text = (
        f"what is usual: the median of an entity's last {MAX_SAMPLES} windows of {window} that had calls, once there "
        f"are {MIN_SAMPLES} and {format_span(rule.learning_s)} have passed"
    )
    if follows_week(rule):
        text += ", and the level of each hour of the week"
    lasting = format_span(LASTING_S)
    return f"{text}. While the alert fires nothing is learnt; what lasts for {lasting} is the new usual level"


def _life(rule: Rule) -> str:
    group = f" Alerts of group {rule.group} on the same thing are one incident." if rule.group else ""
    return f"resolves when the condition has been gone for {format_span(rule.keep_firing_for_s)}.{group}"


def _example(rule: Rule) -> str:
    value, baseline = _EXAMPLES[type(rule.condition)](rule, rule.condition)
    element = rule.by[0]
    fields = [element] if isinstance(element, str) else element
    limits = rule.condition.limits_usd if isinstance(rule.condition, Budget) else {}
    entity = next((name for name in limits if name != "*"), " / ".join(f"<{field}>" for field in fields))
    said = summarize(rule, "+".join(fields), entity, value, baseline)
    return f"{rule.severity.value}  {said}"


def _threshold(rule: Rule, condition: Threshold) -> tuple[str, str]:
    above = format_value(rule.metric, condition.above)
    if condition.baseline is None:
        return f"> {above}", f"that is more than {above}"
    usual = format_value(rule.metric, condition.baseline)
    room = f"whoever usually has more than {usual} has as much more room"
    return f"> {above} (usual: {usual})", f"that is more than {above}; {room}"


def _ratio(_: Rule, condition: RatioToBaseline) -> tuple[str, str]:
    far = f", and more than {condition.z:g} standard deviations above it" if condition.z else ""
    season = " (for this hour of the week, if that is more)" if condition.seasonal else ""
    short = f"> {condition.factor:g} x usual" + (f", z > {condition.z:g}" if condition.z else "")
    return short, f"that is more than {condition.factor:g} times what is usual for it{season}{far}"


def _z_score(_: Rule, condition: ZScore) -> tuple[str, str]:
    sign = "> " if condition.direction == "above" else "< -"
    return (
        f"with z {sign}{condition.z:g}",
        f"that is {condition.z:g} standard deviations {condition.direction} what is usual",
    )


def _seasonal(_: Rule, condition: Seasonal) -> tuple[str, str]:
    text = f"that is more than {condition.factor:g} times what is usual at this hour of the week"
    return f"> {condition.factor:g} x usual of the hour", f"{text}, which takes two weeks to learn"


def _absence(rule: Rule, condition: Absence) -> tuple[str, str]:
    after = format_span(condition.after_s)
    usual = f"{rule.min_calls} or more in {format_span(rule.window_s)} are usual at this hour"
    return f"0 for {after}", f"there has been no call for {after}, where {usual}"


def _burn_rate(rule: Rule, condition: BurnRate) -> tuple[str, str]:
    allowed = format_value(rule.metric, condition.allowed)
    long = format_span(condition.long_window_s)
    text = (
        f"both this window and the last {long} use up what is allowed ({allowed}) more than {condition.factor:g} times"
    )
    return f"> {condition.factor:g} x {allowed}, also over {long}", f"{text} too fast"


def _new_entity(_: Rule, __: NewEntity) -> tuple[str, str]:
    return "of one never seen before", "such an entity makes its first call"


def _budget(_: Rule, condition: Budget) -> tuple[str, str]:
    limits = ", ".join(
        f"{'any other' if name == '*' else name} {limit:,.0f}" for name, limit in condition.limits_usd.items()
    )
    spent = (
        "what it will have spent by the end of the month, at the pace of the window,"
        if condition.forecast
        else ("what it has spent since the first of the month (UTC)")
    )
    kind = "forecast" if condition.forecast else "spent"
    return (
        f"{kind} > {condition.at:.0%} of budget",
        f"{spent} is more than {condition.at:.0%} of its limit (USD: {limits})",
    )


_CONDITIONS: Final[dict[type, Callable[[Rule, Any], tuple[str, str]]]] = {
    Threshold: _threshold,
    RatioToBaseline: _ratio,
    ZScore: _z_score,
    Seasonal: _seasonal,
    Absence: _absence,
    BurnRate: _burn_rate,
    NewEntity: _new_entity,
    Budget: _budget,
}
"""Condition → what it is in a few words, and in a sentence that goes on from "fires when"."""


def _show_threshold(_: Rule, condition: Threshold) -> _Example:
    beyond = condition.above * 1.2
    # A share is not above 1, and nothing is counted in parts.
    value = min(beyond, 1.0) if 0 < condition.above < 1 else max(round(beyond), condition.above + 1)
    return _Example(value, condition.baseline)


def _show_multiple(rule: Rule, condition: RatioToBaseline | Seasonal) -> _Example:
    value = max(rule.min_value, rule.min_calls, 10.0) * 1.5
    return _Example(value, value / condition.factor / 1.2)


def _show_z_score(rule: Rule, condition: ZScore) -> _Example:
    return _Example(max(rule.min_value, condition.z) + 2, 0.0)


def _show_absence(rule: Rule, condition: Absence) -> _Example:
    return _Example(condition.after_s + 1, rule.min_calls * 2)


def _show_burn_rate(_: Rule, condition: BurnRate) -> _Example:
    return _Example(condition.allowed * condition.factor * 1.2, condition.allowed)


def _show_new_entity(rule: Rule, _: NewEntity) -> _Example:
    return _Example(max(rule.min_value, 1), None)


def _show_budget(_: Rule, condition: Budget) -> _Example:
    limit = next(iter(condition.limits_usd.values()))
    return _Example(limit * condition.at * 1.02, limit)


_EXAMPLES: Final[dict[type, Callable[[Rule, Any], _Example]]] = {
    Threshold: _show_threshold,
    RatioToBaseline: _show_multiple,
    Seasonal: _show_multiple,
    ZScore: _show_z_score,
    Absence: _show_absence,
    BurnRate: _show_burn_rate,
    NewEntity: _show_new_entity,
    Budget: _show_budget,
}

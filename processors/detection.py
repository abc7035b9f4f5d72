"""Detection: is this window, beside this baseline, an anomaly under this rule? Pure arithmetic."""

import msgspec

from tokentrail.schemas.rules import Metric, RatioToBaseline, Rule


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a rule says of a window: its value, what it was held against, and whether it is above."""

    anomalous: bool
    value: float
    baseline: float | None
    threshold: float


def measure(metric: Metric, sums: list[int]) -> float:
    """Return a metric's value from sums of calls, errors, input_tokens, output_tokens."""
    calls, errors, input_tokens, output_tokens = sums
    match metric:
        case "calls":
            return float(calls)
        case "errors":
            return float(errors)
        case "tokens":
            return float(input_tokens + output_tokens)
        case "input_tokens":
            return float(input_tokens)
        case "output_tokens":
            return float(output_tokens)
        case "error_ratio":
            return errors / calls if calls else 0.0


def judge(rule: Rule, sums: list[int], baseline: float | None) -> Verdict:
    """Hold a window against a rule. Without a baseline a ratio rule is still learning and never anomalous."""
    value = measure(rule.metric, sums)
    condition = rule.condition
    if isinstance(condition, RatioToBaseline):
        if baseline is None:
            return Verdict(False, value, None, 0.0)  # noqa: FBT003 - a record's field, not a flag to a function
        threshold = condition.factor * baseline
    else:
        usual = condition.baseline
        excess = 0.0 if usual is None or baseline is None else max(0.0, baseline - usual)
        threshold = condition.above + excess
    enough = sums[0] >= rule.min_calls and value >= rule.min_value
    return Verdict(enough and value > threshold, value, baseline, threshold)

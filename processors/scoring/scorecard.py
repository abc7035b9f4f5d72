"""The scorecard: what detection is worth over many seeds, overall and by kind of incident. Pure."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

import msgspec

from tokentrail.processors.scoring.matching import Finding
from tokentrail.processors.scoring.seed_score import SeedScore


class KindScore(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of incident, or all of them."""

    kind: str
    incidents: int
    found: int
    recall: float
    """Share of the incidents that any alert told of."""
    precision: float
    """Of the alerts that told of these incidents, and those that told of nothing under a rule that was the first to
    tell of one of these: the share of the former. Noise has no kind; that is the kind it would be taken for."""
    median_time_to_detect_s: float | None
    p90_time_to_detect_s: float | None
    median_windows_to_detect: float | None
    rules: dict[str, int]
    """Which rules told of how many of them first."""


class RuleScore(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: how many incidents it told of, and how often it told of nothing."""

    rule: str
    incidents: int
    first: int
    noise: int


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is reported. `harmless` counts look-alikes, and how many of them something fired for."""

    seeds: list[int]
    days: float
    calls: int
    recall: float
    precision: float
    alerts: int
    false_alerts: int
    false_alerts_per_entity_week: float
    false_alerts_per_tenant_day: float
    median_windows_to_detect: float | None
    kinds: list[KindScore]
    harmless: list[KindScore]
    rules: list[RuleScore]


def add_up(scores: Sequence[SeedScore]) -> Scorecard:
    """Add up the scores of several seeds, at least one."""
    findings = [finding for score in scores for finding in score.findings]
    real = [finding for finding in findings if not finding.harmless]
    noise = [noise for score in scores for noise in score.noise]
    true_alerts = sum(score.true_alerts for score in scores)
    alerts = true_alerts + len(noise)
    by_rule = Counter(item.rule for item in noise)
    return Scorecard(
        seeds=[score.seed for score in scores],
        days=scores[0].days,
        calls=sum(score.calls for score in scores),
        recall=_share(sum(finding.found for finding in real), len(real)),
        precision=_share(true_alerts, alerts),
        alerts=alerts,
        false_alerts=len(noise),
        false_alerts_per_entity_week=_share(len(noise), sum(score.entity_weeks for score in scores)),
        false_alerts_per_tenant_day=_share(len(noise), sum(score.tenants * score.days for score in scores)),
        median_windows_to_detect=_median([f.windows_to_detect for f in real if f.windows_to_detect is not None]),
        kinds=_by_kind(real, by_rule),
        harmless=_by_kind([finding for finding in findings if finding.harmless], by_rule),
        rules=_by_rule(real, by_rule),
    )


def _by_kind(findings: Sequence[Finding], noise: Counter[str]) -> list[KindScore]:
    kinds = sorted({finding.kind for finding in findings})
    return [_score(kind, [finding for finding in findings if finding.kind == kind], noise) for kind in kinds]


def _score(kind: str, findings: Sequence[Finding], noise: Counter[str]) -> KindScore:
    first = Counter(finding.rule for finding in findings if finding.rule)
    alerts = sum(finding.alerts for finding in findings)
    found = [finding for finding in findings if finding.found]
    times = sorted(finding.time_to_detect_s for finding in found if finding.time_to_detect_s is not None)
    return KindScore(
        kind=kind,
        incidents=len(findings),
        found=len(found),
        recall=_share(len(found), len(findings)),
        precision=_share(alerts, alerts + sum(noise[rule] for rule in first)),
        median_time_to_detect_s=_median(times),
        p90_time_to_detect_s=times[-(-9 * len(times) // 10) - 1] if times else None,
        median_windows_to_detect=_median([f.windows_to_detect for f in found if f.windows_to_detect is not None]),
        rules=dict(first.most_common()),
    )


def _by_rule(real: Sequence[Finding], noise: Counter[str]) -> list[RuleScore]:
    told = Counter(rule for finding in real for rule in finding.rules)
    first = Counter(finding.rule for finding in real if finding.rule)
    return [
        RuleScore(rule=rule, incidents=told[rule], first=first[rule], noise=noise[rule])
        for rule in sorted({*told, *noise})
    ]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None

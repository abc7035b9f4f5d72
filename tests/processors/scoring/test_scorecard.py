"""What many seeds add up to."""

from datetime import UTC, datetime

import pytest
from made_rows import many_calls

from tokentrail.processors.rules import load_rules
from tokentrail.processors.scoring.matching import Finding, Noise
from tokentrail.processors.scoring.scorecard import add_up
from tokentrail.processors.scoring.seed_score import SeedScore, score_seed
from tokentrail.schemas.rules import Threshold

START = datetime(2026, 3, 2, tzinfo=UTC)


def finding(kind: str, seconds: float | None, rule: str = "burst", *, harmless: bool = False) -> Finding:
    found = seconds is not None
    return Finding(
        kind=kind,
        harmless=harmless,
        start=START,
        note="",
        found=found,
        rule=rule if found else None,
        time_to_detect_s=seconds,
        windows_to_detect=None if seconds is None else seconds / 60,
        rules=[rule] if found else [],
        alerts=int(found),
    )


def score(findings: list[Finding], noise: list[str], true_alerts: int) -> SeedScore:
    made = [
        Noise(rule=rule, dimension="d", entity="e", at=START, value=1, baseline=None, threshold=1, because_of=None)
        for rule in noise
    ]
    return SeedScore(
        seed=1, days=7, tenants=5, calls=10, entity_weeks=100, true_alerts=true_alerts, findings=findings, noise=made
    )


def test_recall_counts_incidents_and_precision_counts_alerts() -> None:
    findings = [finding("loop", 30), finding("loop", None), finding("outage", 90), finding("launch", 5, harmless=True)]
    card = add_up([score(findings, ["burst"], 3), score([finding("loop", 60)], [], 1)])
    assert card.recall == 3 / 4
    assert card.precision == 4 / 5
    assert (card.false_alerts, card.alerts) == (1, 5)
    assert card.false_alerts_per_tenant_day == pytest.approx(1 / 70)
    assert card.false_alerts_per_entity_week == pytest.approx(1 / 200)
    assert [(kind.kind, kind.found, kind.incidents) for kind in card.kinds] == [("loop", 2, 3), ("outage", 1, 1)]
    assert [(kind.kind, kind.found) for kind in card.harmless] == [("launch", 1)]
    assert card.kinds[0].median_time_to_detect_s == 45


def test_a_kind_answers_for_the_noise_of_the_rules_that_find_it() -> None:
    card = add_up([score([finding("loop", 30, "burst"), finding("outage", 30, "errors")], ["errors"], 2)])
    assert {kind.kind: kind.precision for kind in card.kinds} == {"loop": 1.0, "outage": 0.5}


def test_a_seed_gives_the_same_score_each_time_and_a_rule_that_always_fires_nothing_but_noise() -> None:
    shy = load_rules()
    scores = [score_seed(3, shy, days=0.5, calls_per_day=2000) for _ in range(2)]
    assert scores[0] == scores[1]
    assert scores[0].calls > 500
    eager = [many_calls(condition=Threshold(above=0))]
    assert len(score_seed(3, eager, days=0.5, calls_per_day=2000).noise) > 50

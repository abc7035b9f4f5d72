"""How much is found, and how much of what is found is something, on prompts that are made up from a seed."""

import pytest
from labelled_prompts import prompts
from redaction_score import Score, score

from tokentrail.producers.redaction import Redactor
from tokentrail.producers.redaction.kinds import KINDS

FRESH_SEED = 5_150_001
"""Never used while the patterns were written."""


@pytest.fixture(scope="module")
def fast_score() -> Score:
    return score(Redactor(), prompts(FRESH_SEED, 1500))


def test_of_a_thousand_labels_at_most_five_are_left(fast_score: Score) -> None:
    assert fast_score.labelled.total() > 4000
    assert fast_score.recall() >= 0.995, fast_score.missed


def test_of_a_hundred_findings_at_most_three_are_nothing(fast_score: Score) -> None:
    assert fast_score.precision() >= 0.97, fast_score.mistaken


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_found(fast_score: Score, kind: str) -> None:
    assert fast_score.labelled[kind] > 20
    assert fast_score.recall(kind) >= 0.98, fast_score.missed
    assert fast_score.precision(kind) >= 0.97, fast_score.mistaken


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(6_000_000, 6_000_010))
def test_recall_and_precision_hold_on_many_prompts(seed: int) -> None:
    result = score(Redactor(), prompts(seed, 20_000))
    assert result.recall() >= 0.995, result.missed[:50]
    assert result.precision() >= 0.97, result.mistaken[:50]
    for kind in KINDS:
        assert result.recall(kind) >= 0.995, (kind, result.missed[:50])
        assert result.precision(kind) >= 0.97, (kind, result.mistaken[:50])

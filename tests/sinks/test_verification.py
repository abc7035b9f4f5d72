"""Verification over tables in memory: what it says of sound ledgers, and of each kind of attack."""

import random

import pytest
from ledger_attacks import ATTACKS
from memory_ledger import make_ledger, verify_memory

from tokentrail.sinks.integrity.verification import KafkaEnds

_LEDGERS = [make_ledger(seed, events=40, checkpoints=3) for seed in range(3)]


def test_an_untouched_ledger_is_sound() -> None:
    for seed in range(5):
        ledger = make_ledger(seed)
        verdict = verify_memory(ledger, ledger.checkpoints)
        assert verdict.sound, verdict.findings
        assert (verdict.records, verdict.unsigned, verdict.checkpoints) == (60, 0, 4)


def _attack(number: int) -> None:
    chance = random.Random(number)
    sound = _LEDGERS[number % len(_LEDGERS)]
    attacked = sound.copy()
    attack = chance.choice(ATTACKS)
    detail = attack(attacked, chance)
    if (attacked.log, attacked.calls, attacked.rates, attacked.checkpoints) == (
        sound.log,
        sound.calls,
        sound.rates,
        sound.checkpoints,
    ):
        return
    ends = {partition: last + 1 for partition, last in sound.last_offsets().items()}
    verdict = verify_memory(attacked, sound.checkpoints, kafka=KafkaEnds(ends, ends))
    assert verdict.findings, f"attack {number} was not seen: {attack.__name__}: {detail}"
    assert all(finding.line for finding in verdict.findings)


def test_every_attack_is_seen() -> None:
    for number in range(80):
        _attack(number)


@pytest.mark.soak
def test_every_one_of_10_000_attacks_is_seen() -> None:
    for number in range(10_000):
        _attack(number)

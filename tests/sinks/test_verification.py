"""Verification over tables in memory: what it says of sound ledgers, and of each kind of attack."""

import random
from datetime import timedelta
from hashlib import sha256

import pytest
from ledger_attacks import ATTACKS, edit_tokens, roll_back
from memory_ledger import KEY, START, make_ledger, verify_memory

from tokentrail.sinks.integrity.found import What
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
@pytest.mark.timeout(7200)
def test_every_one_of_10_000_attacks_is_seen() -> None:
    for number in range(10_000):
        _attack(number)


def test_since_looks_at_what_was_signed_behind_the_last_checkpoint_before_it() -> None:
    ledger = make_ledger(2)
    since = START + timedelta(minutes=2, seconds=30)
    first_half = [row for row in ledger.log if row["kafka_partition"] == 0][:3]
    for row in first_half:
        row["payload"] += b" "
    assert not verify_memory(ledger, ledger.checkpoints).sound
    verdict = verify_memory(ledger, ledger.checkpoints, since=since)
    assert verdict.sound, verdict.findings
    assert 0 < verdict.records < 60
    [row for row in ledger.log if row["kafka_partition"] == 0][-1]["payload"] += b" "
    assert not verify_memory(ledger, ledger.checkpoints, since=since).sound


def test_an_older_copy_of_everything_shows_only_beside_a_copy_kept_elsewhere() -> None:
    ledger = make_ledger(2)
    file = list(ledger.checkpoints)
    roll_back(ledger, random.Random(1))
    assert {one.what for one in verify_memory(ledger, file).findings} >= {What.ROLLED_BACK}


def test_history_that_was_signed_anew_with_the_right_key_differs_from_the_copy_kept_elsewhere() -> None:
    ledger = make_ledger(2)
    file = list(ledger.checkpoints)
    edit_tokens(ledger, random.Random(1))
    del ledger.checkpoints[:]
    for number, one in enumerate(file, start=1):
        content = one.read()
        assert content is not None
        ends = [part.next_offset for part in content.ranges]
        ledger.sign(KEY, ends, START + timedelta(minutes=number))
    assert verify_memory(ledger, None).sound
    assert {one.what for one in verify_memory(ledger, file).findings} >= {What.SIGNED_ANEW}


def test_what_is_not_signed_yet_is_told_and_held_to_its_chains() -> None:
    ledger = make_ledger(2)
    ledger.checkpoints.clear()
    verdict = verify_memory(ledger)
    assert (verdict.sound, verdict.unsigned) == (True, 60)
    row = next(row for row in ledger.log if b'"producer_seq":1,' in row["payload"])
    row["payload"] = row["payload"].replace(b"user-", b"user+")
    row["payload_sha256"] = sha256(row["payload"]).digest()
    ledger.derive_calls()
    assert {one.what for one in verify_memory(ledger).findings} == {What.CHAIN_BROKEN}

"""Checks checkpoints against their keys, against each other, and copies of them against each other. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from tokentrail.sinks.integrity.checkpoint import GENESIS, Checkpoint, SignedCheckpoint
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.signing_keys import PublicKey

TABLE: Final = "checkpoints"
"""The copy in ClickHouse; every other one is kept where whoever writes the tables cannot write."""
FILE: Final = "checkpoint file"
TOPIC: Final = "alert topic"


class CheckedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint whose signature holds."""

    content: Checkpoint
    signed: SignedCheckpoint


class CheckedChain(msgspec.Struct, frozen=True):
    """Checkpoints to measure the log by, oldest first, and what was wrong with the copies."""

    checkpoints: list[CheckedCheckpoint]
    found: list[Found]


def check_chain(
    copies: Mapping[str, Sequence[SignedCheckpoint]], keys: Sequence[PublicKey], topic: str
) -> CheckedChain:
    """Check every copy's signatures, compare the copies, and follow the chain.

    Where copies disagree, the one that stands elsewhere is believed rather than the table. `keys` are those that may
    have signed; `topic` is the log that must have been signed.
    """
    found: list[Found] = []
    by_copy: dict[str, dict[int, CheckedCheckpoint]] = {}
    for name in sorted(copies, key=lambda name: name == TABLE):
        by_copy[name] = _check_signatures(name, copies[name], keys, topic, found)
    _compare(by_copy, found)
    union: dict[int, CheckedCheckpoint] = {}
    for numbered in by_copy.values():
        for number, checked in numbered.items():
            union.setdefault(number, checked)
    chain = [union[number] for number in sorted(union)]
    _follow(chain, found)
    return CheckedChain(chain, found)


def _check_signatures(
    name: str, copy: Sequence[SignedCheckpoint], keys: Sequence[PublicKey], topic: str, found: list[Found]
) -> dict[int, CheckedCheckpoint]:
    known = {key.key_id: key for key in keys}
    untrusted: defaultdict[str, list[int]] = defaultdict(list)
    checked: dict[int, CheckedCheckpoint] = {}

    def tell(what: What, detail: str) -> None:
        found.append(Found(what=what, where=name, detail=detail))

    for place, signed in enumerate(copy, start=1):
        content = signed.read()
        if content is None:
            tell(What.EDITED, f"entry {place} is no checkpoint that can be read")
            continue
        label = f"checkpoint {content.number}"
        key = known.get(content.key_id)
        if key is None:
            untrusted[content.key_id].append(content.number)
        elif not key.verifies(signed.signature, signed.signed):
            tell(What.EDITED, f"{label} does not fit its signature by key {content.key_id}")
        elif content.topic != topic:
            tell(What.ADDED, f"{label} is of another log, {content.topic}")
        elif content.number not in checked:
            checked[content.number] = CheckedCheckpoint(content, signed)
        elif checked[content.number].signed.body != signed.body:
            tell(What.SIGNED_ANEW, f"{label} stands there twice, with different content, both signed")
        elif name == TABLE:
            tell(What.ADDED, f"{label} stands there twice")
    found += [_tell_untrusted(name, *one) for one in untrusted.items()]
    return checked


def _tell_untrusted(name: str, key_id: str, numbers: Sequence[int]) -> Found:
    several = f"{len(numbers)} checkpoints from {min(numbers)} to {max(numbers)} are"
    which = several if len(numbers) > 1 else f"checkpoint {numbers[0]} is"
    detail = f"{which} signed with key {key_id}, which is not trusted"
    return Found(what=What.SIGNED_ANEW, where=name, detail=detail)


def _compare(by_copy: Mapping[str, dict[int, CheckedCheckpoint]], found: list[Found]) -> None:
    table = by_copy.get(TABLE)
    if table is None:
        return
    for name, copy in by_copy.items():
        if name == TABLE or not copy:
            continue
        for number in sorted(copy.keys() & table.keys()):
            if copy[number].signed.body != table[number].signed.body:
                detail = f"checkpoint {number} is another one than in the {name}, and both are signed"
                found.append(Found(what=What.SIGNED_ANEW, where=TABLE, detail=detail))
        newest, lacking = max(table, default=0), sorted(copy.keys() - table.keys())
        behind = [number for number in lacking if number > newest]
        found += [
            Found(what=What.DELETED, where=TABLE, detail=f"checkpoint {number} is missing; the {name} has it")
            for number in lacking
            if number < newest
        ]
        if behind:
            detail = f"ends at checkpoint {newest}, the {name} at {behind[-1]}: cut off, or an older copy was put back"
            found.append(Found(what=What.ROLLED_BACK, where=TABLE, detail=detail))
        if name == FILE:
            found += _gaps_of_file(copy, table)


def _gaps_of_file(copy: Mapping[int, CheckedCheckpoint], table: Mapping[int, CheckedCheckpoint]) -> list[Found]:
    # A file may have been begun later; what it has begun it loses neither in the middle nor at its end.
    found = [
        Found(what=What.DELETED, where=FILE, detail=f"checkpoint {number} is missing; the table has it")
        for number in sorted(table.keys() - copy.keys())
        if min(copy) < number < max(copy)
    ]
    if table and max(table) > max(copy):
        detail = f"ends at checkpoint {max(copy)}, the table at {max(table)}"
        found.append(Found(what=What.CUT_OFF, where=FILE, detail=detail))
    return found


def _follow(chain: Sequence[CheckedCheckpoint], found: list[Found]) -> None:
    def tell(number: int, what: What, detail: str) -> None:
        found.append(Found(what=what, where="checkpoints", detail=f"checkpoint {number} {detail}"))

    if chain and (first := chain[0].content).number > 1:
        tell(first.number, What.DELETED, "is the first: those before it are missing in every copy")
    if chain and (first := chain[0].content).number == 1 and first.previous_sha256 != GENESIS:
        tell(1, What.EDITED, "claims to have one before it")
    for before, after in pairwise(chain):
        number = after.content.number
        if number != before.content.number + 1:
            detail = f"follows {before.content.number}: those in between are missing in every copy"
            tell(number, What.DELETED, detail)
            continue
        if after.content.previous_sha256 != before.signed.sha256:
            tell(number, What.SIGNED_ANEW, f"is not chained to the checkpoint {before.content.number} that is here")
        if after.content.made_at < before.content.made_at:
            tell(number, What.REORDERED, "was made before the one that it follows")
        _compare_ranges(before.content, after.content, found)


def _compare_ranges(before: Checkpoint, after: Checkpoint, found: list[Found]) -> None:
    ends = {one.partition: one.next_offset for one in before.ranges}
    begins = {one.partition: one.first_offset for one in after.ranges}
    for partition, end in ends.items():
        begin = begins.get(partition)
        if begin != end:
            where = "does not say" if begin is None else f"begins at {begin}"
            detail = f"checkpoint {after.number} {where} where checkpoint {before.number} ended, at {end}"
            found.append(Found(what=What.EDITED, where="checkpoints", partition=partition, detail=detail))

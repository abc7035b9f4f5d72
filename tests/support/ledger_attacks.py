"""What somebody does to a ledger who can write to every table of it, and what somebody does who has a key as well.

Each attack changes a ledger and says what it did; it changes something that a checkpoint signed, or that must follow
from what was signed.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
from memory_ledger import KEY, OTHER_KEY, START, MemoryLedger, Row

from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint
from tokentrail.sinks.integrity.signing_keys import SigningKey

Attack = Callable[[MemoryLedger, random.Random], str]


def edit_log(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change one field of one row, its hash and `calls` along with it in half of the cases."""
    row = chance.choice(ledger.log)
    name = chance.choice(sorted(row))
    before = row[name]
    row[name] = _other(before, chance)
    detail = f"event_log.{name} of {row['kafka_partition']}:{row['kafka_offset']} from {before!r} to {row[name]!r}"
    if name == "payload" and chance.random() < 0.7:
        row["payload_sha256"] = sha256(row["payload"]).digest()
        detail += ", hashed anew"
    return _follow_up(ledger, chance, detail)


def edit_tokens(ledger: MemoryLedger, chance: random.Random) -> str:
    """Make a call cheaper: payload, hash and `calls` all agree."""
    calls = [row for row in ledger.log if b'"input_tokens":' in row["payload"]]
    row = chance.choice(calls)
    event = msgspec.json.decode(row["payload"])
    event["usage"]["input_tokens"] += chance.choice((-1, 1)) * chance.randrange(1, 100) + 200
    row["payload"] = msgspec.json.encode(event)
    row["payload_sha256"] = sha256(row["payload"]).digest()
    ledger.derive_calls()
    return f"tokens of {row['kafka_partition']}:{row['kafka_offset']}, with everything made anew"


def rechain_log(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change an event and make its producer's chain anew behind it, hashes and `calls` included."""
    links = [row for row in ledger.log if b'"user_id"' in row["payload"]]
    row = chance.choice(links)
    event = msgspec.json.decode(row["payload"])
    event["user_id"] = f"somebody-{chance.randrange(10**6)}"
    changed, producer = row, event["producer_id"]
    _store(row, event)
    previous = row["payload_sha256"].hex()
    for later in ledger.log[ledger.log.index(row) + 1 :]:
        if f'"producer_id":"{producer}"'.encode() in later["payload"]:
            event = msgspec.json.decode(later["payload"])
            event["prev_hash"] = previous
            _store(later, event)
            previous = later["payload_sha256"].hex()
    ledger.derive_calls()
    return f"user of {changed['kafka_partition']}:{changed['kafka_offset']}, with the chain made anew"


def delete_rows(ledger: MemoryLedger, chance: random.Random) -> str:
    """Delete one record or several, and close the gap of offsets in half of the cases."""
    at = chance.randrange(len(ledger.log))
    row = ledger.log[at]
    run = ledger.log[at : at + chance.randrange(1, 4)]
    run = [one for one in run if one["kafka_partition"] == row["kafka_partition"]]
    del ledger.log[at : at + len(run)]
    detail = f"deleted {row['kafka_partition']}:{row['kafka_offset']} and {len(run) - 1} behind it"
    behind = [
        one
        for one in ledger.log
        if one["kafka_partition"] == row["kafka_partition"] and one["kafka_offset"] > row["kafka_offset"]
    ]
    if behind and chance.random() < 0.5:
        for one in behind:
            one["kafka_offset"] -= len(run)
        detail += ", offsets closed up"
    return _follow_up(ledger, chance, detail)


def insert_row(ledger: MemoryLedger, chance: random.Random) -> str:
    """Add a copy of a record at its own offset, at another's, or in between with the rest moved on."""
    at = chance.randrange(len(ledger.log))
    row = dict(chance.choice(ledger.log))
    row["kafka_partition"], place = ledger.log[at]["kafka_partition"], ledger.log[at]["kafka_offset"]
    row["kafka_offset"] = place
    detail = f"added a record at {row['kafka_partition']}:{place}"
    if chance.random() < 0.5:
        for one in ledger.log:
            if one["kafka_partition"] == row["kafka_partition"] and one["kafka_offset"] >= place:
                one["kafka_offset"] += 1
        detail += ", the rest moved on"
    ledger.log.insert(at, row)
    return _follow_up(ledger, chance, detail)


def swap_rows(ledger: MemoryLedger, chance: random.Random) -> str:
    """Let two different records change places."""
    first, second = chance.sample(ledger.log, 2)
    places = [(row["kafka_partition"], row["kafka_offset"]) for row in (first, second)]
    for row, (partition, offset) in zip((second, first), places, strict=True):
        row["kafka_partition"], row["kafka_offset"] = partition, offset
    return _follow_up(ledger, chance, f"swapped {places[0]} and {places[1]}")


def cut_tail(ledger: MemoryLedger, chance: random.Random) -> str:
    """Cut off a partition's end, with its calls; with the checkpoints that signed it in half of the cases."""
    partition = chance.choice(sorted(ledger.partitions()))
    offsets = sorted(row["kafka_offset"] for row in ledger.log if row["kafka_partition"] == partition)
    first = chance.choice(offsets)
    ledger.log = [row for row in ledger.log if row["kafka_partition"] != partition or row["kafka_offset"] < first]
    ledger.derive_calls()
    detail = f"cut partition {partition} off at {first}"
    if chance.random() < 0.5:
        ledger.checkpoints = [
            one
            for one in ledger.checkpoints
            if all(part.next_offset <= first for part in _ranges(one) if part.partition == partition)
        ]
        detail += ", and the checkpoints behind it"
    return detail


def roll_back(ledger: MemoryLedger, chance: random.Random) -> str:
    """Put the whole database back to what it was when some checkpoint was made, or a little later."""
    number = chance.randrange(len(ledger.checkpoints))
    ends = {part.partition: part.next_offset for part in _ranges(ledger.checkpoints[number - 1])} if number else {}
    ends = {partition: end + chance.randrange(2) for partition, end in ends.items()}
    ledger.checkpoints = ledger.checkpoints[:number]
    ledger.log = [row for row in ledger.log if row["kafka_offset"] < ends.get(row["kafka_partition"], 0)]
    ledger.derive_calls()
    return f"rolled back to checkpoint {number}"


def edit_calls(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change one field of one call."""
    row = chance.choice(ledger.calls)
    name = chance.choice(sorted(row))
    before = row[name]
    row[name] = _other(before, chance)
    return f"calls.{name} of {row['kafka_partition']}:{row['kafka_offset']} from {before!r} to {row[name]!r}"


def move_calls(ledger: MemoryLedger, chance: random.Random) -> str:
    """Delete a call, add one again, or let two change places."""
    kind = chance.choice(("delete", "add", "swap"))
    first, second = chance.sample(range(len(ledger.calls)), 2)
    if kind == "delete":
        del ledger.calls[first]
    elif kind == "add":
        ledger.calls.append({**ledger.calls[first], "kafka_offset": chance.randrange(200)})
    else:
        one, other = ledger.calls[first], ledger.calls[second]
        for name in ("kafka_partition", "kafka_offset"):
            one[name], other[name] = other[name], one[name]
    return f"calls: {kind} {first}, {second}"


def edit_rates(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change a rate, delete its row, or add one of the same id; `calls` are priced anew in half of the cases."""
    row = chance.choice(ledger.rates)
    kind = chance.choice(("change", "change", "delete", "add"))
    if kind == "delete":
        ledger.rates.remove(row)
        return "deleted rates"
    if kind == "add":
        row = dict(row)
        ledger.rates.append(row)
    name = chance.choice([name for name in sorted(row) if name != "listed_rates" and row[name] is not None])
    before = row[name]
    row[name] = _other(before, chance)
    return _follow_up(ledger, chance, f"{kind} model_rates.{name} from {before!r} to {row[name]!r}")


def reprice_log(ledger: MemoryLedger, chance: random.Random) -> str:
    """Give a call other rates, ones that are there, and price it with them."""
    known = [0, *(rate["rate_id"] for rate in ledger.rates)]
    row = chance.choice(ledger.log)
    row["rate_id"] = chance.choice([one for one in known if one != row["rate_id"]])
    ledger.derive_calls()
    return f"rates of {row['kafka_partition']}:{row['kafka_offset']}"


def edit_checkpoints(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change a byte of a checkpoint, delete one, add one again, or let two change places."""
    at = chance.randrange(len(ledger.checkpoints))
    one = ledger.checkpoints[at]
    kind = chance.choice(("body", "signature", "delete", "add", "move"))
    if kind == "body":
        ledger.checkpoints[at] = SignedCheckpoint(_flip(one.body, chance), one.signature)
    elif kind == "signature":
        ledger.checkpoints[at] = SignedCheckpoint(one.body, _flip(one.signature, chance))
    elif kind == "delete":
        del ledger.checkpoints[at]
    elif kind == "add":
        ledger.checkpoints.append(one)
    else:
        other = ledger.checkpoints[at - 1]
        ledger.checkpoints[at] = SignedCheckpoint(other.body, one.signature)
    return f"{kind} of checkpoint {at + 1}"


def sign_anew(ledger: MemoryLedger, chance: random.Random) -> str:
    """Change the log and sign it anew from some checkpoint on, with another key or with the same one."""
    key = chance.choice((OTHER_KEY, KEY))
    detail = edit_tokens(ledger, chance) if chance.random() < 0.7 else "nothing changed"
    number = chance.randrange(len(ledger.checkpoints))
    _sign_from(ledger, number, key, later=timedelta(seconds=1))
    return f"{detail}, signed anew from checkpoint {number + 1} on with {key.public.key_id}"


ATTACKS: tuple[Attack, ...] = (
    edit_log, edit_log, edit_tokens, rechain_log, delete_rows, insert_row, swap_rows, cut_tail, roll_back, edit_calls,
    edit_calls, move_calls, edit_rates, reprice_log, edit_checkpoints, sign_anew,
)  # fmt: skip


def _sign_from(ledger: MemoryLedger, number: int, key: SigningKey, later: timedelta) -> None:
    behind = ledger.checkpoints[number:]
    del ledger.checkpoints[number:]
    for at, one in enumerate(behind, start=number + 1):
        ledger.sign(key, [part.next_offset for part in _ranges(one)], START + timedelta(minutes=at) + later)


def _ranges(signed: SignedCheckpoint) -> Any:
    content = signed.read()
    assert content is not None
    return content.ranges


def _store(row: Row, event: dict[str, Any]) -> None:
    row["payload"] = msgspec.json.encode(event)
    row["payload_sha256"] = sha256(row["payload"]).digest()


def _follow_up(ledger: MemoryLedger, chance: random.Random, detail: str) -> str:
    if chance.random() < 0.5:
        return detail
    ledger.derive_calls()
    return f"{detail}, calls made anew"


def _flip(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << chance.randrange(7))]) + content[at + 1 :]


def _other(value: Any, chance: random.Random) -> Any:  # noqa: PLR0911 - one for each kind of column
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice((1, 2, 3))
    if isinstance(value, float):
        return value * 1.01 + 1
    if isinstance(value, Decimal):
        return value + Decimal("0.000000001")
    if isinstance(value, bytes):
        return _flip(value, chance) if value else b"x"
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, list):
        return [*value, ("x", 1)] if value and isinstance(value[0], tuple) and isinstance(value[0][1], int) else []
    if value is None:
        return None
    return value + timedelta(milliseconds=1)

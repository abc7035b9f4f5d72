"""Calls as columns: one row of a structured array per attempt, from the plan to the events."""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Calls = NDArray[Any]
"""Rows of `CALL`."""

CALL: Final = np.dtype([
    ("start_s", "f8"),  # since the simulation began, by a clock that is right
    ("latency_ms", "f8"),
    ("first_token_ms", "f8"),
    ("call_id", "u1", (16,)),
    ("logical_id", "u1", (16,)),
    ("session", "i8"),
    ("content", "u8"),  # equal for equal requests
    ("route", "i4"),
    ("model", "i4"),
    ("user", "i4"),
    ("address", "i4"),
    ("pod", "i4"),
    ("producer", "i4"),
    ("input_tokens", "i4"),
    ("output_tokens", "i4"),
    ("cached_tokens", "i4"),
    ("status", "i1"),
    ("retry", "i1"),
    ("retried", "?"),  # its SDK tries again when it fails
    ("stream", "?"),
    ("loss", "u1"),
    ("begun", "?"),  # its started event is out
])  # fmt: skip
NOBODY: Final = -1
"""In `session`, `user` and `pod`: none, or not chosen yet."""


class Outcome(IntEnum):
    """Values of `status`; all but the first are `tokentrail.schemas.events.Status`, in its order."""

    UNDECIDED = -1
    SUCCESS = 0
    RATE_LIMITED = 1
    AUTH_FAILED = 2
    TIMEOUT = 3
    CONNECTION_ERROR = 4
    SERVER_ERROR = 5
    CLIENT_ERROR = 6
    ABORTED = 7


class Loss(IntEnum):
    """Bits of `loss`: what of a call never arrives."""

    STARTED_LOST = 1
    COMPLETED_LOST = 2
    NEVER_COMPLETED = 4
    CHAIN_BROKEN = 8
    """Its completed event does not carry the hash of the one before it."""


def new_calls(count: int, rng: np.random.Generator, start_s: Any) -> Calls:
    """Return rows with ids, times and contents of their own; the rest is 0, and nobody."""
    calls = np.zeros(count, CALL)
    calls["start_s"] = start_s
    for name in ("session", "user", "pod", "status"):
        calls[name] = NOBODY
    calls["retried"] = True
    calls["content"] = rng.integers(0, 2**63, count, np.int64)
    calls["call_id"] = draw_ids(count, rng)
    calls["logical_id"] = draw_ids(count, rng)
    return calls


def draw_ids(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return random UUIDs as bytes (RFC 9562, version 4)."""
    raw = np.frombuffer(bytearray(rng.bytes(16 * count)), np.uint8).reshape(count, 16)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    return raw


def format_ids(raw: NDArray[np.uint8]) -> list[str]:
    """Return UUIDs as people write them, about 0.2 µs each."""
    count = len(raw)
    digits = np.frombuffer(raw.tobytes().hex().encode(), np.uint8).reshape(count, 32)
    texts = np.full((count, 36), ord("-"), np.uint8)
    for begin, end, shift in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        texts[:, begin + shift : end + shift] = digits[:, begin:end]
    text = texts.tobytes().decode()
    return [text[i : i + 36] for i in range(0, 36 * count, 36)]


def to_objects(values: list[Any]) -> NDArray[Any]:
    """Return a column of any objects: taking rows of it is faster than taking them of a list."""
    return np.fromiter(values, object, len(values))


def join_calls(parts: list[Calls]) -> Calls:
    """Return all rows; `np.concatenate` takes ten times as long to find out that the columns are the same."""
    joined = np.empty(sum(map(len, parts)), CALL)
    end = 0
    for part in parts:
        joined[end : end + len(part)] = part
        end += len(part)
    return joined

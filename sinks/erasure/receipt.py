"""Receipts: what an erasure did, signed by whoever signs checkpoints. Names no subject. No I/O."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from tokentrail.sinks.integrity.signing_keys import PublicKey, SigningKey

_PURPOSE: Final = b"tokentrail erasure receipt 1\n"
NOT_REACHED: Final = (
    "Kafka: records of llm.calls, llm.alerts and llm.slices, until their retention ends",
    "Kafka: the newest values of llm.alert-controls and llm.watch-state, which are compacted",
    "spool files of services, until they are shipped",
    "backups and snapshots, of ClickHouse and of the key store, until they are removed",
)


class Cleaned(msgspec.Struct, frozen=True):
    """Rows of one table."""

    table: str
    rows: int
    done: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure. Times are UTC."""

    receipt_version: str = "1"
    erasure_id: str
    subject_hmac: str
    """HMAC-SHA256, hexadecimal, under a key of the key store: whoever has that store can tell whose it is."""
    database: str
    keys_destroyed: int
    keys_destroyed_at: datetime
    """What Kafka had appended by then is not written with its personal fields any more either."""
    hidden_at: datetime
    """From then on no query read the values."""
    finished_at: datetime
    cleaned: list[Cleaned]
    erased_rows_sha256: str
    """Of the rows of `erased_rows` with this erasure's ids, in their order: what stands in their place since."""
    not_reached: tuple[str, ...] = NOT_REACHED


class SignedReceipt(msgspec.Struct, frozen=True):
    """A receipt as it is kept and handed out; without a key, `signature` is empty."""

    receipt: Receipt
    signed_by: str
    """The public key in one word."""
    signature: str
    """Base64, of the purpose's line and the receipt as canonical JSON: names sorted, no blanks."""


def sign_receipt(receipt: Receipt, key: SigningKey | None) -> SignedReceipt:
    """Return the receipt with its signature, or without one where there is no key."""
    if key is None:
        return SignedReceipt(receipt, "", "")
    signature = base64.b64encode(key.sign(_message(receipt))).decode()
    return SignedReceipt(receipt, key.public.text, signature)


def is_signed_by(signed: SignedReceipt, key: PublicKey) -> bool:
    """Return whether this key made the signature of this receipt; which key the receipt names does not matter."""
    try:
        signature = base64.b64decode(signed.signature, validate=True)
    except binascii.Error:
        return False
    return key.verifies(signature, _message(signed.receipt))


def erased_rows_sha256(rows: Iterable[tuple[str, int, int, bytes]]) -> str:
    """Return the hash of rows of `erased_rows`: topic, partition, offset, and what stands there; in any order.

    A place that is named several times counts once, with its greatest hash.
    """
    newest: dict[tuple[str, int, int], bytes] = {}
    for topic, partition, offset, stored in rows:
        place = topic, partition, offset
        newest[place] = max(newest.get(place, b""), stored)
    lines = (f"{':'.join(map(str, place))}:{newest[place].hex().upper()}\n" for place in sorted(newest))
    return sha256("".join(lines).encode()).hexdigest()


def _message(receipt: Receipt) -> bytes:
    return _PURPOSE + msgspec.json.encode(receipt, order="sorted")

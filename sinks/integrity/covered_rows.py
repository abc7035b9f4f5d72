"""Which rows of the log signed receipts of erasures speak of, and what stands in their place since. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from tokentrail.schemas.topics import CALLS
from tokentrail.sinks.erasure.receipt import SignedReceipt, erased_rows_sha256, is_signed_by
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.signing_keys import PublicKey


class ErasedRow(NamedTuple):
    """A row of `erased_rows`."""

    erasure_id: str
    topic: str
    partition: int
    offset: int
    stored_sha256: bytes


class CoveredRows(NamedTuple):
    """By partition and offset: SHA-256 of what may stand there, most often one."""

    by_partition: dict[int, dict[int, set[bytes]]]
    found: list[Found]


def cover_rows(
    receipts: Iterable[tuple[str, str]], rows: Iterable[ErasedRow], keys: Sequence[PublicKey], database: str
) -> CoveredRows:
    """Return what receipts vouch for that one of the keys signed for this database, and that fit their rows.

    `receipts` are rows of `erasures`: id and receipt, which several ids share where an erasure finished earlier ones.
    """
    ids_of: dict[str, set[str]] = defaultdict(set)
    for erasure_id, receipt in receipts:
        if receipt:
            ids_of[receipt].add(erasure_id)
    rows_of: dict[str, list[ErasedRow]] = defaultdict(list)
    for row in rows:
        rows_of[row.erasure_id].append(row)
    covered = CoveredRows({}, [])
    for receipt, ids in ids_of.items():
        signed = _read(receipt)
        if signed is None or signed.receipt.database != database:
            continue
        if not any(is_signed_by(signed, key) for key in keys):
            continue
        own = [row for erasure_id in sorted(ids) for row in rows_of[erasure_id]]
        if erased_rows_sha256((row.topic, row.partition, row.offset, row.stored_sha256) for row in own) == (
            signed.receipt.erased_rows_sha256
        ):
            _add(covered, own)
        else:
            detail = f"the rows of erasure {signed.receipt.erasure_id} are not those that its receipt was signed for"
            covered.found.append(Found(what=What.EDITED, where="erased_rows", detail=detail))
    return covered


def _add(covered: CoveredRows, rows: Iterable[ErasedRow]) -> None:
    for row in rows:
        if row.topic == CALLS.name:
            offsets = covered.by_partition.setdefault(row.partition, {})
            offsets.setdefault(row.offset, set()).add(row.stored_sha256)


def _read(receipt: str) -> SignedReceipt | None:
    try:
        return msgspec.json.decode(receipt, type=SignedReceipt)
    except msgspec.MsgspecError:
        return None

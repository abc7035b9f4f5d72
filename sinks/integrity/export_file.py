"""The auditor's file: records, rates, checkpoints, public key and a signed manifest in one ZIP.

docs/verify.md describes the members. docs/verify_export.py checks a file with nothing of ours.
"""

import base64
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

import msgspec

from tokentrail.errors import SourceError
from tokentrail.sinks.integrity.checkpoint import decode_line, encode_line
from tokentrail.sinks.integrity.checkpoint_chain import CheckedCheckpoint, check_chain
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_rows import LogRows, split_cleaned
from tokentrail.sinks.integrity.log_walk import LogWalk, SignedRange, WalkReport
from tokentrail.sinks.integrity.signing_keys import PublicKey, SigningKey, read_public_key
from tokentrail.sinks.integrity.verification import Verdict, conclude

FORMAT: Final = "tokentrail export 1.0"
MANIFEST: Final = "manifest.json"
MANIFEST_SIGNATURE: Final = "manifest.sig"
CHECKPOINTS: Final = "checkpoints.jsonl"
RATES: Final = "rates.json"
_SIGNED_PREFIX: Final = b"tokentrail export v1\n"
_BATCH: Final = 5_000
_NAMED: Final = "records/partition-{}.jsonl"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Everything in it is covered: the signature is of these bytes."""

    format: str = FORMAT
    topic: str
    made_at: datetime
    since: datetime | None
    """As asked for; whole checkpoints are exported, so that some records lie before and behind."""
    until: datetime | None
    public_key: str
    first_checkpoint: int
    last_checkpoint: int
    records: int
    members: dict[str, str]
    """SHA-256 of every other member, by name."""


class Asked(NamedTuple):
    """The question: which time, and when it was asked."""

    since: datetime | None
    until: datetime | None
    at: datetime


class _Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    offset: int
    appended_ms: int
    rate_id: int
    payload_sha256: str
    payload: str
    sealed: bool = False
    cleaned: bool = False
    """Erased after it was signed in clear; whoever exported it has checked the receipt."""


class ExportWriter:
    """Writes a file; what is left of it is removed when writing fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._members: dict[str, str] = {}
        self._records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def write_records(self, partition: int, batches: Iterable[LogRows]) -> None:
        """Write a partition's records, in order of offset."""
        name = _NAMED.format(partition)
        digest = sha256()
        with self._zip.open(name, "w", force_zip64=True) as member:
            for rows in batches:
                lines = b"".join(_encode(record) + b"\n" for record in _records(rows))
                digest.update(lines)
                member.write(lines)
                self._records += len(rows)
        self._members[name] = digest.hexdigest()

    def finish(
        self, key: SigningKey, checkpoints: list[CheckedCheckpoint], rates: dict[int, bytes], asked: Asked
    ) -> Manifest:
        """Write the rest, and sign."""
        self._write(CHECKPOINTS, b"".join(encode_line(one.signed) + b"\n" for one in checkpoints))
        contents = {str(rate_id): rates[rate_id].decode() for rate_id in sorted(rates)}
        self._write(RATES, msgspec.json.encode(contents))
        manifest = Manifest(
            topic=checkpoints[0].content.topic,
            made_at=asked.at,
            since=asked.since,
            until=asked.until,
            public_key=key.public.text,
            first_checkpoint=checkpoints[0].content.number,
            last_checkpoint=checkpoints[-1].content.number,
            records=self._records,
            members=self._members,
        )
        body = _encode(manifest)
        self._zip.writestr(MANIFEST, body)
        self._zip.writestr(MANIFEST_SIGNATURE, key.sign(_SIGNED_PREFIX + body).hex())
        return manifest

    def _write(self, name: str, content: bytes) -> None:
        self._zip.writestr(name, content)
        self._members[name] = sha256(content).hexdigest()


def verify_export(path: Path, keys: list[PublicKey]) -> Verdict:
    """Verify a file with what is in it alone. Without `keys`, the file's own key is used, and a note says so.

    Raises:
        SourceError: it is no export, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _verify(archive, keys)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError, msgspec.MsgspecError) as error:
        raise SourceError(f"{path} cannot be read as an export of Tokentrail ({error}).") from error


def _verify(archive: zipfile.ZipFile, keys: list[PublicKey]) -> Verdict:
    body = archive.read(MANIFEST)
    manifest = _decode_manifest(body)
    found: list[Found] = []
    if not keys:
        keys = [read_public_key(manifest.public_key)]
        detail = (
            f"no key was given; the key {keys[0].key_id} that signed it is from the file itself: it is whole, and "
            "whoever made it may have made the key as well. Give the owner's public key (--key), from elsewhere"
        )
        found.append(Found(what=What.NOT_CHECKED, where=MANIFEST, detail=detail, note=True))
    signature = bytes.fromhex(archive.read(MANIFEST_SIGNATURE).decode())
    if not any(key.verifies(signature, _SIGNED_PREFIX + body) for key in keys):
        detail = "does not fit its signature, or was signed with a key that is not trusted"
        found.append(Found(what=What.SIGNED_ANEW, where=MANIFEST, detail=detail))
    found += _check_members(archive, manifest)
    lines = archive.read(CHECKPOINTS).splitlines()
    signed = [read for line in lines if (read := decode_line(line)) is not None]
    checked = check_chain({CHECKPOINTS: signed}, keys, manifest.topic)
    # Whoever signed them: those that cannot be trusted are told already.
    numbers = [content.number for one in signed if (content := one.read()) is not None]
    # An export begins where it was asked to; what comes before is another export's.
    found += [one for one in checked.found if "those before it are missing" not in one.detail]
    if numbers != list(range(manifest.first_checkpoint, manifest.last_checkpoint + 1)):
        detail = f"holds checkpoints {numbers}, not {manifest.first_checkpoint} to {manifest.last_checkpoint}"
        found.append(Found(what=What.DELETED, where=CHECKPOINTS, detail=detail))
    rates = {int(rate_id): content.encode() for rate_id, content in _decode_rates(archive.read(RATES)).items()}
    reports = _walk(archive, checked.checkpoints, rates)
    return conclude(reports, checked.checkpoints, found)


def _walk(archive: zipfile.ZipFile, checkpoints: list[CheckedCheckpoint], rates: dict[int, bytes]) -> list[WalkReport]:
    ranges: dict[int, list[SignedRange]] = defaultdict(list)
    for checked in checkpoints:
        for one in checked.content.ranges:
            ranges[one.partition].append(SignedRange(checked.content.number, one))
    names = set(archive.namelist())
    reports = []
    for partition, signed in sorted(ranges.items()):
        walk = LogWalk(partition, signed, rates, from_beginning=signed[0].range.first_offset == 0)
        name = _NAMED.format(partition)
        if name in names:
            with archive.open(name) as member:
                for rows in _read_records(partition, member):
                    walk.add(rows)
        reports.append(walk.finish())
    return reports


def _check_members(archive: zipfile.ZipFile, manifest: Manifest) -> Iterator[Found]:
    held = set(archive.namelist()) - {MANIFEST, MANIFEST_SIGNATURE}
    for name in sorted(held - manifest.members.keys()):
        yield Found(what=What.ADDED, where=name, detail="is not in the manifest")
    for name, digest in sorted(manifest.members.items()):
        if name not in held:
            yield Found(what=What.DELETED, where=name, detail="is in the manifest and not in the file")
            continue
        own = sha256()
        with archive.open(name) as member:
            while block := member.read(1 << 20):
                own.update(block)
        if own.hexdigest() != digest:
            yield Found(what=What.EDITED, where=name, detail="is not what the manifest says that it is")


def _records(rows: LogRows) -> Iterator[_Record]:
    columns = rows.offsets, rows.appended_ms, rows.rate_ids, rows.payload_sha256, rows.payloads, rows.sealed
    for (offset, moment, rate_id, digest, payload, sealed), cleaned in zip(
        zip(*columns, strict=True), rows.cleaned, strict=True
    ):
        encoded = base64.b64encode(payload).decode()
        yield _Record(offset, moment, rate_id, digest.hex(), encoded, sealed, bool(cleaned))


def _read_records(partition: int, member: IO[bytes]) -> Iterator[LogRows]:
    batch: list[_Record] = []
    for line in member:
        batch.append(_decode_record(line))
        if len(batch) == _BATCH:
            yield _rows(partition, batch)
            batch = []
    if batch:
        yield _rows(partition, batch)


def _rows(partition: int, batch: list[_Record]) -> LogRows:
    payloads = [base64.b64decode(record.payload) for record in batch]
    claimed = [bytes.fromhex(record.payload_sha256) for record in batch]
    stored, cleaned = split_cleaned(payloads, claimed, [record.cleaned for record in batch])
    return LogRows(
        partition=partition,
        offsets=[record.offset for record in batch],
        appended_ms=[record.appended_ms for record in batch],
        rate_ids=[record.rate_id for record in batch],
        payloads=payloads,
        payload_sha256=claimed,
        stored_sha256=stored,
        sealed=[record.sealed for record in batch],
        cleaned=cleaned,
        table=None,
    )


_encode: Final = msgspec.json.Encoder().encode
_decode_manifest: Final = msgspec.json.Decoder(Manifest).decode
_decode_record: Final = msgspec.json.Decoder(_Record).decode
_decode_rates: Final = msgspec.json.Decoder(dict[str, str]).decode

"""Erasing a subject: its key first, then every row of the ledger that names it; may be repeated at any point."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.errors import ErasureError
from tokentrail.schemas.topics import ALERT_CONTROLS, ALERTS, CALLS
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.erasure.cleaning import Cleaning
from tokentrail.sinks.erasure.receipt import Cleaned, Receipt, SignedReceipt, erased_rows_sha256, sign_receipt
from tokentrail.sinks.erasure.subject import Subject
from tokentrail.sinks.erasure.subject_keys import SubjectKeys
from tokentrail.sinks.erasure.traces import QUIET, Traces
from tokentrail.sinks.integrity.signing_keys import SigningKey

_TABLES: Final = (
    ("calls", CALLS.name, "personal columns emptied"),
    ("event_log", CALLS.name, "sealed parts removed, personal values of unsealed payloads removed"),
    ("cost_corrections", CALLS.name, "user emptied"),
    ("alerts", ALERTS.name, "entity, filter and summary emptied"),
    ("alert_controls", ALERT_CONTROLS.name, "entities, note and reason removed"),
)


def _now() -> datetime:
    return datetime.now(UTC)


class Eraser:
    """Erases subjects from one ledger. Writers that seal with the same key store are held back for a moment."""

    def __init__(self, settings: Settings, signing_key: SigningKey | None, now: Callable[[], datetime] = _now) -> None:
        """Take the ledger and the key store from the settings.

        Raises:
            ErasureError: no key store is set.
            KeyStoreError: it cannot be opened.
        """
        self._settings = settings
        self._keys = SubjectKeys(key_store_of(settings))
        self._signing_key = signing_key
        self._now = now

    def close(self) -> None:
        """Close the key store."""
        self._keys.close()

    def preview(self, subject: Subject) -> dict[str, int]:
        """Return how many rows of each table name the subject; nothing is changed.

        Raises:
            EngineError: the engine cannot be reached or refuses.
        """
        key_id = self._keys.find(subject.name)
        with self._connected() as client:
            traces = Traces(client, self._settings.clickhouse_database, subject, uuid.uuid4().hex)
            return {"subject keys": int(key_id is not None), **traces.count([key_id] if key_id else [])}

    def erase(self, subject: Subject) -> SignedReceipt:
        """Erase, and return the receipt; what an earlier erasure of the subject left undone is done too.

        From the destruction of the key on nothing sealed is readable; a moment later nothing else is. The engine
        removes the old bytes from its disk within minutes. Blocking.

        Raises:
            EngineError: the engine cannot be reached or refuses: repeat the erasure.
            ErasureError: something of the subject is still there: repeat it.
            KeyStoreError: the key store cannot be written.
        """
        with self._connected() as client, self._keys.alone():
            return self._erase(client, subject, uuid.uuid4().hex)

    def _erase(self, client: Client, subject: Subject, erasure_id: str) -> SignedReceipt:
        database, kept = self._settings.clickhouse_database, self._settings.kept_attribute_names()
        name = self._keys.subject_hmac(subject.name)
        self._record(client, erasure_id, name, "")
        erasure_ids = self._unfinished(client, name)
        traces = Traces(client, database, subject, erasure_id)
        cleaning = Cleaning(client, database, subject, erasure_ids, kept)
        with self._keys.inserts_held():
            destroyed_at = self._now()
            pending = self._keys.destroy(subject.name, erasure_id, int(destroyed_at.timestamp() * 1000))
            # Before calls: which of the alerts are a user's, its sessions tell.
            traces.note_alerts()
            traces.note_calls(pending.key_ids)
            hidden = cleaning.hide()
            rekeyed = cleaning.forget_user_in_keys()
        if traces.note_unsealed(kept):
            hidden = cleaning.hide()
        hidden_at = self._now()
        cleaning.rewrite()
        if not hidden:
            hidden_at = self._now()
        left = {table: rows for table, rows in traces.count(pending.key_ids).items() if rows and table != "calls"}
        if left:
            raise ErasureError(f"Rows that name the subject came while it was erased ({left}): erase it once more.")
        cleaned = [Cleaned(table, cleaning.count_noted(topic, table), done) for table, topic, done in _TABLES]
        cleaned += [Cleaned(table, rows, "given to nobody") for table, rows in rekeyed]
        receipt = Receipt(
            erasure_id=erasure_id,
            subject_hmac=name.hex(),
            database=database,
            keys_destroyed=len(pending.key_ids),
            keys_destroyed_at=destroyed_at,
            hidden_at=hidden_at,
            finished_at=self._now(),
            cleaned=[one for one in cleaned if one.rows],
            erased_rows_sha256=self._erased_rows_sha256(client, erasure_ids),
        )
        signed = sign_receipt(receipt, self._signing_key)
        for one in erasure_ids:
            self._record(client, one, name, msgspec.json.encode(signed).decode())
        client.command(f"TRUNCATE TABLE `{database}`.erased_payloads")
        self._keys.finish(erasure_id)
        return signed

    def _record(self, client: Client, erasure_id: str, name: bytes, receipt: str) -> None:
        client.insert(
            f"`{self._settings.clickhouse_database}`.erasures",
            [[erasure_id, name, receipt]],
            ["erasure_id", "subject_hmac", "receipt"],
        )

    def _unfinished(self, client: Client, name: bytes) -> list[str]:
        rows = client.query(
            f"SELECT erasure_id FROM `{self._settings.clickhouse_database}`.erasures "  # noqa: S608  # names of ours
            "WHERE subject_hmac = unhex({name:String}) GROUP BY erasure_id HAVING max(receipt) = '' ORDER BY 1",
            {"name": name.hex()},
        ).result_rows
        return [str(row[0]) for row in rows]

    def _erased_rows_sha256(self, client: Client, erasure_ids: Sequence[str]) -> str:
        rows = client.query(
            "SELECT topic, kafka_partition, kafka_offset, max(stored_sha256) AS stored "  # noqa: S608  # names of ours
            f"FROM `{self._settings.clickhouse_database}`.erased_rows WHERE erasure_id IN {{ids:Array(String)}} "
            "GROUP BY topic, kafka_partition, kafka_offset",
            {"ids": list(erasure_ids)},
            QUIET,
            column_formats={"stored": "bytes"},
        ).result_rows
        return erased_rows_sha256((topic, partition, offset, stored) for topic, partition, offset, stored in rows)

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        # A mutation of a large month takes its time.
        client = connect(self._settings, timeout_s=3600)
        try:
            with engine_errors(self._settings):
                yield client
        finally:
            client.close()


def key_store_of(settings: Settings) -> Path:
    """Return the directory of the key store.

    Raises:
        ErasureError: none is set.
    """
    if settings.subject_keys is None:
        raise ErasureError(
            "No store of subject keys is set: set subject_keys (TOKENTRAIL_SUBJECT_KEYS) to a directory for it, the "
            "same for the ledger writers and for this command, and restart the writers."
        )
    return settings.subject_keys

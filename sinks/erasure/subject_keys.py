"""Subject keys: the one place that can open what the archive has sealed, apart from Kafka and from ClickHouse.

A directory of the operator's, local to the machine of the ledger writers:
`master.key` (32 bytes, mode 0600), without which nothing here or in the archive opens; `keys.sqlite`, a key for each
subject, wrapped by the master key; `gate.lock` and `inserts.lock`. A subject is named by its HMAC, never in clear.
"""

import fcntl
import hmac
import json
import os
import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokentrail.errors import KeyStoreError
from tokentrail.processors.sealing import KEY_BYTES
from tokentrail.sinks.erasure.master_key import MASTER, master_key

KEY_ID_BYTES: Final = 16
NO_KEY: Final = bytes(KEY_ID_BYTES)
"""The key id of what is not sealed."""
REMEMBERED_KEYS: Final = 50_000
"""Per process, some 30 MB; what was not used for longest is forgotten first and read again."""
_USES: Final = (b"names", b"wrapping", b"fingerprint")
_NONCE_BYTES: Final = 12
_BUSY_S: Final = 30.0
_AT_ONCE: Final = 500

# TRUNCATE: a rollback journal of several processes at once, whose pages are gone from the file with the transaction.
# secure_delete: what is deleted is overwritten with zeros in the same transaction.
_SETUP: Final = """
PRAGMA journal_mode = TRUNCATE;
PRAGMA synchronous = EXTRA;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
CREATE TABLE IF NOT EXISTS subject_keys
    (subject BLOB PRIMARY KEY, key_id BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures
    (erasure_id TEXT PRIMARY KEY, subject BLOB NOT NULL, until_ms INTEGER NOT NULL, key_ids TEXT NOT NULL,
     done INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS master (one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS erasures_by_subject ON erasures (subject);
"""


class SubjectKey(msgspec.Struct, frozen=True, gc=False):
    """A subject's key: `key_id` is random and says nothing about whose it is."""

    key_id: bytes
    cipher: AESGCM
    erased_until_ms: int = -1
    """What Kafka appended up to then is not kept: the subject was erased."""


class PendingErasure(msgspec.Struct, frozen=True):
    """An erasure whose key is destroyed; `key_ids` are those of the rows that still have to be cleaned."""

    erasure_id: str
    subject_hmac: bytes
    until_ms: int
    key_ids: list[bytes]


class SubjectKeys:
    """One process's view of a key store; for several threads at once, and several processes beside it. Blocking."""

    def __init__(self, directory: Path) -> None:
        """Open the store, made with a new master key if it is not there.

        Raises:
            KeyStoreError: the directory cannot be used, or others may read it.
        """
        self._directory = directory
        self._lock = threading.RLock()
        self._known: OrderedDict[str, SubjectKey] = OrderedDict()
        try:
            master = master_key(directory)
            self._pepper, wrapping, fingerprint = (
                hmac.digest(master, b"tokentrail subject keys 1: " + use, sha256) for use in _USES
            )
            self._wrapping = AESGCM(wrapping)
            self._connection = _open(directory / "keys.sqlite", fingerprint)
            self._erasures = self._erasure_count()
            self._version = self._data_version()
        except (OSError, sqlite3.Error) as error:
            raise KeyStoreError(f"The subject keys in {directory} cannot be opened: {error}.") from error

    def close(self) -> None:
        """Close the file and forget every key."""
        with self._lock:
            self._known.clear()
            self._connection.close()

    def subject_hmac(self, subject: str) -> bytes:
        """Return the name of a subject here and in receipts; 32 bytes. Nobody tells the subject from it."""
        return hmac.digest(self._pepper, subject.encode(errors="surrogatepass"), sha256)

    def for_subjects(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """Return the key of each subject, made and on disk where there was none.

        A key that was destroyed before the call is never returned: the store's version is looked at first (10 µs).

        Raises:
            KeyStoreError: the file cannot be read or written.
        """
        wanted = dict.fromkeys(subjects)
        with self._lock, self._errors():
            self._forget_if_changed()
            known = self._known
            missing = [subject for subject in wanted if subject not in known]
            found = {subject: known[subject] for subject in wanted if subject in known}
            for subject in found:
                known.move_to_end(subject)
            for first in range(0, len(missing), _AT_ONCE):
                found.update(self._load_or_make(missing[first : first + _AT_ONCE]))
            known.update(found)
            while len(known) > REMEMBERED_KEYS:
                known.popitem(last=False)
        return found

    def by_id(self, key_ids: Iterable[bytes]) -> dict[bytes, AESGCM]:
        """Return the keys that still are, by their id.

        Raises:
            KeyStoreError: the file cannot be read, or the master key is another one.
        """
        wanted = list(dict.fromkeys(key_ids))
        found: dict[bytes, AESGCM] = {}
        with self._lock, self._errors():
            for first in range(0, len(wanted), _AT_ONCE):
                part = wanted[first : first + _AT_ONCE]
                rows = self._connection.execute(
                    f"SELECT key_id, subject, wrapped FROM subject_keys WHERE key_id IN ({_marks(part)})",  # noqa: S608  # question marks
                    part,
                )
                found.update({key_id: self._unwrap(key_id, subject, wrapped) for key_id, subject, wrapped in rows})
        return found

    def find(self, subject: str) -> bytes | None:
        """Return the id of a subject's key, None where it has none."""
        with self._lock, self._errors():
            row = self._connection.execute(
                "SELECT key_id FROM subject_keys WHERE subject = ?", (self.subject_hmac(subject),)
            ).fetchone()
        return row[0] if row else None

    def destroy(self, subject: str, erasure_id: str, until_ms: int) -> PendingErasure:
        """Overwrite and remove a subject's key; returns once that is on disk.

        No writer seals with it any more, and none that looks after this keeps what Kafka appended up to `until_ms`.
        An erasure of the subject that was not finished is gone on with: its keys' rows are part of the new one.

        Raises:
            KeyStoreError: the file cannot be written.
        """
        name = self.subject_hmac(subject)
        with self._lock, self._errors(), self._transaction():
            execute = self._connection.execute
            key_ids = [
                key_id.hex() for (key_id,) in execute("SELECT key_id FROM subject_keys WHERE subject = ?", (name,))
            ]
            for (unfinished,) in execute(
                "SELECT key_ids FROM erasures WHERE subject = ? AND NOT done", (name,)
            ).fetchall():
                key_ids += json.loads(unfinished)
            execute("UPDATE erasures SET done = 1, key_ids = '[]' WHERE subject = ?", (name,))
            execute("UPDATE subject_keys SET wrapped = randomblob(length(wrapped)) WHERE subject = ?", (name,))
            execute("DELETE FROM subject_keys WHERE subject = ?", (name,))
            execute("INSERT INTO erasures VALUES (?, ?, ?, ?, 0)", (erasure_id, name, until_ms, json.dumps(key_ids)))
        with self._lock:
            self._known.pop(subject, None)
        return PendingErasure(erasure_id, name, until_ms, [bytes.fromhex(key_id) for key_id in key_ids])

    def finish(self, erasure_id: str) -> None:
        """Forget which rows an erasure was about: they are clean."""
        with self._lock, self._errors(), self._transaction():
            self._connection.execute("UPDATE erasures SET done = 1, key_ids = '[]' WHERE erasure_id = ?", (erasure_id,))

    def unfinished(self) -> int:
        """Return how many erasures were begun and not finished."""
        with self._lock, self._errors():
            return int(self._connection.execute("SELECT count(*) FROM erasures WHERE NOT done").fetchone()[0])

    @contextmanager
    def inserting(self) -> Iterator[None]:
        """Hold what was sealed until it is inserted; `for_subjects` is called inside. Any number at once."""
        with hold_off_erasures(self._directory):
            yield

    @contextmanager
    def inserts_held(self) -> Iterator[None]:
        """Enter once every insert that began before is over, and hold later ones back until the end.

        Those that go on then know of every key that was destroyed meanwhile. One holder at a time.
        """
        with (
            _locked(self._directory / "gate.lock", fcntl.LOCK_EX),
            _locked(self._directory / "inserts.lock", fcntl.LOCK_EX),
        ):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off whoever else would erase."""
        with _locked(self._directory / "erasing.lock", fcntl.LOCK_EX):
            yield

    def _forget_if_changed(self) -> None:
        version = self._data_version()
        if version != self._version and (erasures := self._erasure_count()) != self._erasures:
            self._known.clear()
            self._erasures = erasures
        self._version = version

    def _data_version(self) -> int:
        """Return a number that changes with every change by another process."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _erasure_count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM erasures").fetchone()[0])

    def _load_or_make(self, subjects: list[str]) -> dict[str, SubjectKey]:
        names = {self.subject_hmac(subject): subject for subject in subjects}
        stored = self._load(names)
        if len(stored) < len(names):
            with self._transaction():
                self._connection.executemany(
                    "INSERT OR IGNORE INTO subject_keys VALUES (?, ?, ?)",
                    [self._new_row(name) for name in names if name not in stored],
                )
                # Another process may have been first with one of them.
                stored = self._load(names)
        erased = dict(
            self._connection.execute(
                f"SELECT subject, max(until_ms) FROM erasures WHERE subject IN ({_marks(names)}) GROUP BY subject",  # noqa: S608  # question marks
                [*names],
            )
        )
        return {
            names[name]: SubjectKey(key_id, self._unwrap(key_id, name, wrapped), erased.get(name, -1))
            for name, (key_id, wrapped) in stored.items()
        }

    def _load(self, names: Collection[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        rows = self._connection.execute(
            f"SELECT subject, key_id, wrapped FROM subject_keys WHERE subject IN ({_marks(names)})",  # noqa: S608  # question marks
            [*names],
        )
        return {name: (key_id, wrapped) for name, key_id, wrapped in rows}

    def _new_row(self, name: bytes) -> tuple[bytes, bytes, bytes]:
        key_id, nonce = secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(_NONCE_BYTES)
        wrapped = nonce + self._wrapping.encrypt(nonce, secrets.token_bytes(KEY_BYTES), key_id + name)
        return name, key_id, wrapped

    def _unwrap(self, key_id: bytes, name: bytes, wrapped: bytes) -> AESGCM:
        try:
            return AESGCM(self._wrapping.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id + name))
        except InvalidTag as error:
            raise KeyStoreError(
                f"A subject key in {self._directory} does not open with its master key: restore both from one backup."
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise KeyStoreError(f"The subject keys in {self._directory} cannot be used: {error}.") from error


def _open(path: Path, fingerprint: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    path.chmod(0o600)
    connection.executescript(_SETUP)
    connection.execute("INSERT OR IGNORE INTO master VALUES (1, ?)", (fingerprint,))
    (known,) = connection.execute("SELECT fingerprint FROM master").fetchone()
    if not hmac.compare_digest(known, fingerprint):
        connection.close()
        raise KeyStoreError(
            f"{path.parent / MASTER} is not the master key of {path.name} beside it: restore both from one backup."
        )
    return connection


@contextmanager
def hold_off_erasures(directory: Path) -> Iterator[None]:
    """Hold erasures off that use the store in a directory, without opening it; waits for one that is at it.

    Raises:
        KeyStoreError: its locks cannot be opened.
    """
    with ExitStack() as held:
        try:
            # Through the gate, where an erasure that waits has come first: or it would wait for ever.
            with _locked(directory / "gate.lock", fcntl.LOCK_SH):
                held.enter_context(_locked(directory / "inserts.lock", fcntl.LOCK_SH))
        except OSError as error:
            raise KeyStoreError(
                f"The locks of the subject keys in {directory} cannot be opened ({error}); run this as whoever runs "
                "the ledger writers."
            ) from error
        yield


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as file:
        fcntl.flock(file, kind)
        yield


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))

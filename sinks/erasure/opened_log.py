"""Opened payloads: what the archive has sealed, as it came; where a key is destroyed, what is left of it. Blocking."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tokentrail.errors import LedgerError
from tokentrail.processors.sealing import UnsealError, unseal
from tokentrail.sinks.erasure.subject_keys import NO_KEY, SubjectKeys


class SealedOpener:
    """Opens payloads with the keys of a store; without one, public parts are all there is."""

    def __init__(self, keys: SubjectKeys | None) -> None:
        self._keys = keys

    def open(
        self,
        partition: int,
        offsets: Sequence[int],
        payloads: Sequence[bytes],
        key_ids: Sequence[bytes],
        sealed: Sequence[bytes],
    ) -> list[bytes]:
        """Return the payloads of records of one partition, opened where their key is still there.

        Raises:
            KeyStoreError: the key store cannot be read.
            LedgerError: a sealed part does not open with its own key: it was altered.
        """
        if self._keys is None or not any(sealed):
            return list(payloads)
        ciphers = self._keys.by_id(key_id for key_id in key_ids if key_id != NO_KEY)
        try:
            return [
                unseal(payload, part, cipher, partition, offset)
                if part and (cipher := ciphers.get(key_id)) is not None
                else payload
                for offset, payload, key_id, part in zip(offsets, payloads, key_ids, sealed, strict=True)
            ]
        except UnsealError as error:
            raise LedgerError(
                f"{error} It was altered in event_log: `tokentrail verify` tells what else was."
            ) from error


@contextmanager
def sealed_opener(directory: Path | None) -> Iterator[SealedOpener]:
    """Open a key store, where there is one, for as long as payloads are read.

    Raises:
        KeyStoreError: it cannot be opened.
    """
    keys = None if directory is None else SubjectKeys(directory)
    try:
        yield SealedOpener(keys)
    finally:
        if keys is not None:
            keys.close()

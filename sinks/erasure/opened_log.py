"""Opened payloads: what the archive has sealed, as it came; where a key is destroyed, what is left of it. Blocking."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokentrail.errors import LedgerError
from tokentrail.processors.sealing import UnsealError, unseal
from tokentrail.sinks.erasure.subject_keys import NO_KEY, SubjectKeys

_MOST_REMEMBERED = 50_000


class SealedOpener:
    """Opens payloads with the keys of a store; without one, public parts are all there is."""

    def __init__(self, directory: Path | None) -> None:
        """Open the key store where there is one.

        Raises:
            KeyStoreError: it cannot be opened.
        """
        self._keys = SubjectKeys(directory) if directory is not None else None
        self._known: dict[bytes, AESGCM] = {}

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
        ciphers = self._ciphers({key_id for key_id in key_ids if key_id != NO_KEY})
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

    def close(self) -> None:
        """Close the key store."""
        self._known.clear()
        if self._keys is not None:
            self._keys.close()

    def _ciphers(self, key_ids: set[bytes]) -> dict[bytes, AESGCM]:
        assert self._keys is not None  # noqa: S101  # `open` has looked
        return self._keys.by_id(key_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

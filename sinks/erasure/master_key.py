"""The master key of a key store: a file that is made once, and that nobody but its owner may read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from tokentrail.errors import KeyStoreError
from tokentrail.processors.sealing import KEY_BYTES

MASTER: Final = "master.key"


def master_key(directory: Path) -> bytes:
    """Return the master key of a key store, made where neither is there yet; 32 bytes.

    Raises:
        KeyStoreError: it is gone, cut short, or others than its owner may read it.
        OSError: the directory cannot be used.
    """
    path = directory / MASTER
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        if (directory / "keys.sqlite").exists():
            raise KeyStoreError(f"{path} is gone, and the keys beside it do not open without it: restore it.")
        _write_once(path, secrets.token_bytes(KEY_BYTES))
    if path.stat().st_mode & 0o077:
        raise KeyStoreError(f"{path} may be read by others than its owner: chmod 600 it.")
    master = path.read_bytes()
    if len(master) != KEY_BYTES:
        raise KeyStoreError(f"{path} has {len(master)} bytes, a master key has {KEY_BYTES}: restore it.")
    return master


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all; one of several processes is first, the others read its."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()

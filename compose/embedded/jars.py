"""Apache Kafka's jars: downloaded once per user, and only ever used when each has the SHA-256 sum shipped here.

The shipped list names every jar by its path in a Maven repository, so nothing is resolved at run time, and
`sha256sum --check kafka_jars.sha256` says the same inside the cache as this module does.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tokentrail.errors import DownloadError

KAFKA_VERSION: Final = "4.3.1"
_SUMS: Final = Path(__file__).parent / "kafka_jars.sha256"


def cache_directory() -> Path:
    """Return this user's cache directory for Kafka's jars."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tokentrail" / f"kafka-{KAFKA_VERSION}"


def ensure_jars(directory: Path | None = None, sums: Mapping[str, str] | None = None) -> list[Path]:
    """Return Kafka's jars, the class path, in a fixed order; download them first where they are missing.

    Blocks: 60 ms to verify a full cache, otherwise as long as the download of 45 MB takes. Safe in several processes
    at once; an interrupted download goes on with the jars it lacks.

    Raises:
        DownloadError: the registry cannot be reached, or a file has not the sum it must have.
    """
    directory = directory or cache_directory()
    sums = sums or shipped_sums()
    with _locked(directory):
        if bad_jars(directory, sums):
            # A download wants libraries that take longer to import than the jars to verify.
            from tokentrail.compose.embedded.jar_download import download_jars

            download_jars(directory, sums)
    return [directory / name for name in sums]


def shipped_sums() -> dict[str, str]:
    """Return the SHA-256 sum of every jar, keyed by its path in a Maven repository."""
    lines = (line.split() for line in _SUMS.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in lines}


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        lock = directory.with_name(directory.name + ".lock").open("w")
    except OSError as error:
        raise DownloadError(
            f"{directory.parent} cannot be written ({error.strerror}); set XDG_CACHE_HOME to a directory of yours."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bad_jars(directory: Path, sums: Mapping[str, str]) -> list[str]:
    """Return the names of the jars that are missing from a directory, or have not the sum they must have."""
    return [name for name, digest in sums.items() if _sha256(directory / name) != digest]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""

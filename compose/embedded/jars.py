"""Apache Kafka's jars: downloaded once per user, and only ever used when each has the SHA-256 sum shipped here.

The shipped list names every jar by its path in a Maven repository, so nothing is resolved at run time, and
`sha256sum --check kafka_jars.sha256` says the same inside the cache as this module does.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver

from tokentrail.compose.embedded.download_progress import DownloadProgress
from tokentrail.errors import DownloadError

KAFKA_VERSION: Final = "4.3.1"
_SUMS: Final = Path(__file__).parent / "kafka_jars.sha256"
_PARALLEL_DOWNLOADS: Final = 8


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
        if _bad_jars(directory, sums):
            _download_all(directory, sums)
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


def _bad_jars(directory: Path, sums: Mapping[str, str]) -> list[str]:
    return [name for name, digest in sums.items() if _sha256(directory / name) != digest]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _download_all(directory: Path, sums: Mapping[str, str]) -> None:
    # The cache appears in one rename, so that a reader without the lock never sees half of it.
    partial = directory.with_name(directory.name + ".partial")
    if directory.exists():
        shutil.rmtree(partial, ignore_errors=True)
        directory.rename(partial)
    missing = _bad_jars(partial, sums)
    try:
        with DownloadProgress(f"Apache Kafka {KAFKA_VERSION}", len(missing)) as progress:
            _download(partial, missing, progress)
    except (OSError, requests.RequestException, RuntimeError) as error:
        raise DownloadError(_explain(error, directory)) from error
    if bad := _bad_jars(partial, sums):
        for name in bad:
            (partial / name).unlink(missing_ok=True)
        raise DownloadError(
            f"{', '.join(PurePosixPath(name).name for name in bad)}: the registry's file has not the SHA-256 sum that "
            "Tokentrail was checked with, and is not used. Check the Maven mirror or proxy in between, then try again."
        )
    partial.rename(directory)


def _download(repository: Path, names: list[str], progress: DownloadProgress) -> None:
    maven = MavenContext(
        resolver=PythonResolver(progress_callback=progress.file),
        repo_cache=repository,
        # A mirror that the user named in jgo's own settings goes first: the registry itself may be out of reach.
        remote_repos={**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL},
    )

    def fetch(name: str) -> None:
        # jgo takes any file that is there for the artifact; one that failed its check must go first.
        (repository / name).unlink(missing_ok=True)
        *group, artifact, version, _ = PurePosixPath(name).parts
        maven.project(".".join(group), artifact).at_version(version).artifact().resolve()

    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        pending = [pool.submit(fetch, name) for name in names]
        try:
            for done in as_completed(pending):
                done.result()
                progress.file_done()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _explain(error: Exception, directory: Path) -> str:
    if isinstance(error, requests.RequestException):
        reason = "the registry cannot be reached" if isinstance(error, requests.ConnectionError) else str(error)
        return (
            f"Apache Kafka {KAFKA_VERSION} could not be downloaded: {reason}. It is needed once per user: connect "
            f"this machine to the network, or copy {directory} from a machine that has it."
        )
    return f"Apache Kafka {KAFKA_VERSION} could not be downloaded to {directory}: {error}."

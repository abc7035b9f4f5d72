"""Downloads Kafka's jars from the Maven registry, or from the mirror that the user's jgo settings name."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath
from typing import Final

import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver

from tokentrail.compose.embedded.download_progress import DownloadProgress
from tokentrail.compose.embedded.jars import KAFKA_VERSION, bad_jars
from tokentrail.errors import DownloadError

_PARALLEL_DOWNLOADS: Final = 8


def download_jars(directory: Path, sums: Mapping[str, str]) -> None:
    """Fill `directory` with the jars that `sums` names; what an interrupted download left behind is used.

    Raises:
        DownloadError: the registry cannot be reached, or a file has not the sum it must have.
    """
    # The cache appears in one rename, so that a reader without the lock never sees half of it.
    partial = directory.with_name(directory.name + ".partial")
    if directory.exists():
        shutil.rmtree(partial, ignore_errors=True)
        directory.rename(partial)
    missing = bad_jars(partial, sums)
    try:
        with DownloadProgress(f"Apache Kafka {KAFKA_VERSION}", len(missing)) as progress:
            _download(partial, missing, progress)
    except (OSError, requests.RequestException, RuntimeError) as error:
        raise DownloadError(_explain(error, directory)) from error
    if bad := bad_jars(partial, sums):
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

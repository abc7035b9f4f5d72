"""What this service's own setup says: settings, names, pepper, spool. Looks at files, and writes one to try."""

import difflib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tokentrail.producers.doctor.findings import Finding, broken, doubtful, well
from tokentrail.producers.fingerprints import _pepper_path
from tokentrail.producers.label_defaults import VARIABLES
from tokentrail.producers.spool.directory import default_root
from tokentrail.settings import CONFIG_FILE, PREFIX, Settings

_MIN_PEPPER_CHARS: Final = 16
_OTHERS: Final = ("TOKENTRAIL_CONFIG", "TOKENTRAIL_TEST_KAFKA", "TOKENTRAIL_TEST_CLICKHOUSE")
_FULL: Final = 0.8
"""So much of the room taken is worth a word."""


def check_settings(settings: Settings, environ: Mapping[str, str], directory: Path) -> Iterator[Finding]:
    """Yield where the settings come from, and what looks like a mistake in them. Shows names, no values."""
    file = Path(environ.get("TOKENTRAIL_CONFIG") or directory / CONFIG_FILE)
    known = {f"{PREFIX}{name.upper()}" for name in Settings.__struct_fields__}
    given = sorted(name for name in environ if name.startswith(PREFIX))
    used = [name for name in given if name in known]
    sources = [*([str(file)] if file.exists() else []), *([", ".join(used)] if used else [])]
    yield well("settings", "source", f"Read from {' and '.join(sources)}." if sources else "All are defaults.")
    for name in given:
        if name not in known and name not in VARIABLES and name not in _OTHERS:
            near = difflib.get_close_matches(name, [*known, *VARIABLES], 1)
            yield doubtful(
                "settings", "unknown", f"{name} is no setting of Tokentrail.",
                f"Did you mean {near[0]}?" if near else "See the table of settings; take it out if it is not meant.",
            )  # fmt: skip
    if not settings.service:
        yield doubtful(
            "settings", "service", "This service has no name.", "Set TOKENTRAIL_SERVICE, or name it where you install."
        )


def check_pepper(settings: Settings) -> Finding:
    """Return where the secret behind the fingerprints comes from. Makes none."""
    if settings.key_pepper:
        if len(settings.key_pepper) < _MIN_PEPPER_CHARS:
            return doubtful(
                "pepper", "pepper", f"key_pepper has fewer than {_MIN_PEPPER_CHARS} characters: it could be guessed.",
                "Set a long random one; fingerprints change with it.",
            )  # fmt: skip
        return well("pepper", "pepper", "key_pepper is set: fingerprints are the same wherever it is.")
    try:
        path = _pepper_path()
        mode = path.stat().st_mode
    except (OSError, RuntimeError):
        path, mode = None, 0
    if path is not None and stat.S_IMODE(mode) & 0o077:
        return broken("pepper", "pepper", f"{path} can be read by others.", f"chmod 600 {path}")
    where = f"it is kept in {path}" if path else "the first call makes one"
    return doubtful(
        "pepper", "pepper", f"key_pepper is not set; {where}, for this user on this machine.",
        "Set the same TOKENTRAIL_KEY_PEPPER for all services, so that one key has one fingerprint everywhere.",
    )  # fmt: skip


def check_spool(settings: Settings) -> Iterator[Finding]:
    """Yield whether events can wait on this machine's disk, and how much waits there."""
    if settings.delivery == "memory":
        yield well("spool", "delivery", "Events wait in memory; the disk is not used.")
        return
    root = settings.spool or default_root()
    if problem := _try_writing(root):
        yield broken(
            "spool", "write", f"{root} cannot be written to ({problem}).",
            "Set TOKENTRAIL_SPOOL to a directory that this service may write to.",
        )  # fmt: skip
        return
    files, waiting = _measure(root)
    free = shutil.disk_usage(_existing(root)).free
    figures = {"files": files, "bytes": waiting, "free_bytes": free}
    shown = f"{root}: {_megabytes(waiting)} in {files} files, {_megabytes(free)} free on the disk."
    if waiting > _FULL * settings.spool_max_bytes:
        yield doubtful(
            "spool",
            "room",
            f"{shown} That is near spool_max_bytes.",
            "Is Kafka away? `tokentrail spool list` says what waits, and `tokentrail spool ship` ships it.",
            **figures,
        )
    elif free < settings.spool_max_bytes - waiting:
        yield doubtful(
            "spool", "room", f"{shown} That is less than spool_max_bytes allows.",
            "Lower spool_max_bytes, or make room: what does not fit is dropped and counted.", **figures,
        )  # fmt: skip
    else:
        yield well("spool", "room", shown, **figures)


def _try_writing(root: Path) -> str | None:
    """Return why nothing can be written below the directory; None where it can. Leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=_existing(root)) as file:
            file.write(b"tokentrail doctor")
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _existing(path: Path) -> Path:
    """Return the path, or the nearest directory above that is there."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _measure(root: Path) -> tuple[int, int]:
    """Return how many files are below the directory, and their bytes. Opens none: the lock of one hangs on that."""
    files = waiting = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                waiting += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - there may be very many
            except OSError:  # shipped and removed in between
                continue
            files += 1
    return files, waiting


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"

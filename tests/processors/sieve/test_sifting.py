"""The first reading of a sifted replay, where it cannot keep what it adds up."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tokentrail.errors import SourceError
from tokentrail.processors.file_log import FileLog
from tokentrail.processors.process_group import Post
from tokentrail.processors.rules import load_rules
from tokentrail.processors.sieve import sifting
from tokentrail.settings import Settings


def test_a_directory_that_cannot_be_written_to_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").touch()
    with TemporaryDirectory() as gone:
        pass
    task = sifting._Task(Settings(), load_rules(), FileLog([tmp_path / "calls.jsonl"]), [[]], Path(gone))
    with pytest.raises(SourceError, match=r"cannot be written to .*TMPDIR.*--no-sift"):
        sifting._sift_share(task, 0, Post([], {}), lambda _: None)

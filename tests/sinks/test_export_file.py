"""The auditor's file: sound as it was written, told by both verifiers when a byte of it changes."""

import json
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from memory_ledger import KEY, OTHER_KEY, START, TOPIC, log_table, make_ledger

from tokentrail.errors import SourceError
from tokentrail.sinks.integrity.checkpoint_chain import check_chain
from tokentrail.sinks.integrity.export_file import Asked, ExportWriter, verify_export
from tokentrail.sinks.integrity.log_rows import read_rows
from tokentrail.sinks.integrity.signing_keys import SigningKey
from tokentrail.sinks.integrity.verification import check_rates

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_export.py"


def write(path: Path, key: SigningKey = KEY, first: int = 1) -> Path:
    ledger = make_ledger(5)
    chain = check_chain({"file": ledger.checkpoints}, [KEY.public], TOPIC).checkpoints[first - 1 :]
    begins = {one.partition: one.first_offset for one in chain[0].content.ranges}
    with ExportWriter(path) as writer:
        for partition, begin in begins.items():
            rows = [row for row in ledger.log if row["kafka_partition"] == partition and row["kafka_offset"] >= begin]
            writer.write_records(partition, [read_rows(partition, log_table(rows))])
        writer.finish(key, chain, check_rates(ledger.rates).contents, Asked(None, None, START))
    return path


def run_script(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(path), KEY.public.text], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def rewrite(path: Path, out: Path, name: str, before: bytes, after: bytes) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == name:
                assert before in content
                content = content.replace(before, after, 1)
            new.writestr(member, content)
    return out


@pytest.mark.parametrize("first", [1, 3])
def test_a_file_is_sound_for_both_verifiers(tmp_path: Path, first: int) -> None:
    path = write(tmp_path / "export.zip", first=first)
    verdict = verify_export(path, [KEY.public])
    assert (verdict.findings, verdict.notes) == ([], [])
    assert run_script(path) == (0, f"{verdict.records} records, and nothing is wrong.\n")
    assert (verdict.records == 60) is (first == 1)
    # Without a key it fits itself, which proves nothing of who made it; the note names the key that was taken.
    unnamed = verify_export(path, [])
    assert unnamed.sound
    assert f"no key was given; the key {KEY.public.key_id}" in unnamed.notes[0].line


def test_the_script_without_a_key_says_how_to_call_it() -> None:
    called = subprocess.run([sys.executable, str(SCRIPT), "x.zip"], capture_output=True, text=True, check=False)
    assert (called.returncode, called.stderr) == (1, "python verify_export.py FILE ed25519:PUBLIC_KEY\n")


def test_a_file_of_another_key_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "export.zip", key=OTHER_KEY)
    assert not verify_export(path, [KEY.public]).sound
    assert run_script(path) == (1, "manifest.json: not signed with this key, so nothing else was checked\n")


def test_checkpoints_of_a_key_that_is_not_trusted_are_told_in_one_line(tmp_path: Path) -> None:
    verdict = verify_export(write(tmp_path / "export.zip"), [OTHER_KEY.public])
    (told,) = [finding.line for finding in verdict.findings if finding.where == "checkpoints.jsonl"]
    assert re.search(r"\d checkpoints from 1 to \d are signed with key .*, which is not trusted", told)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("records/partition-0.jsonl", b'"offset":3,', b'"offset":4,'),
        ("records/partition-1.jsonl", b'"appended_ms":1', b'"appended_ms":2'),
        ("rates.json", b"2.5", b"1.5"),
        ("checkpoints.jsonl", b'\\"number\\":2', b'\\"number\\":7'),
        ("manifest.json", b'"records":60', b'"records":59'),
    ],
)
def test_a_changed_file_is_told_by_both_verifiers(tmp_path: Path, name: str, before: bytes, after: bytes) -> None:
    path = rewrite(write(tmp_path / "export.zip"), tmp_path / "changed.zip", name, before, after)
    assert not verify_export(path, [KEY.public]).sound
    status, told = run_script(path)
    assert status == 1
    assert told.strip()


def test_any_byte_of_a_record_counts(tmp_path: Path) -> None:
    path, chance = write(tmp_path / "export.zip"), random.Random(1)
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("records/partition-0.jsonl").splitlines()
    for _ in range(8):
        line = chance.choice(lines)
        payload = json.loads(line)["payload"].encode()
        at = chance.randrange(0, len(payload) - 4)
        other = payload[:at] + (b"A" if payload[at : at + 1] != b"A" else b"B") + payload[at + 1 :]
        changed = rewrite(
            path, tmp_path / "changed.zip", "records/partition-0.jsonl", line, line.replace(payload, other)
        )
        assert not verify_export(changed, [KEY.public]).sound


def test_what_is_no_export_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"something else")
    with pytest.raises(SourceError, match="cannot be read as an export"):
        verify_export(tmp_path / "x.zip", [])

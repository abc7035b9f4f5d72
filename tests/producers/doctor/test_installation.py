"""What a service's own setup says, and that looking at it leaves nothing behind."""

import os
from pathlib import Path

import pytest

from tokentrail.producers.doctor.findings import Verdict
from tokentrail.producers.doctor.installation import check_pepper, check_settings, check_spool
from tokentrail.settings import Settings


def test_settings_are_told_by_source_and_name_and_not_by_value(tmp_path: Path) -> None:
    (tmp_path / "tokentrail.toml").write_text("")
    environ = {"TOKENTRAIL_KAFKA": "broker:9092", "TOKENTRAIL_KEY_PEPPER": "hunter2hunter2hunter2", "HOME": "/"}
    (finding,) = check_settings(Settings(service="s"), environ, tmp_path)
    assert finding.what == f"Read from {tmp_path}/tokentrail.toml and TOKENTRAIL_KAFKA, TOKENTRAIL_KEY_PEPPER."


def test_without_file_and_environment_all_are_defaults(tmp_path: Path) -> None:
    (finding,) = check_settings(Settings(service="s"), {}, tmp_path)
    assert finding.what == "All are defaults."


def test_a_name_that_is_none_is_told_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    environ = {"TOKENTRAIL_KAFAK": "x", "TOKENTRAIL_DEPARTMENT": "sales", "TOKENTRAIL_CONFIG": str(tmp_path / "x")}
    unknown = [each for each in check_settings(Settings(service="s"), environ, tmp_path) if each.check == "unknown"]
    assert [(each.verdict, each.advice) for each in unknown] == [(Verdict.WARN, "Did you mean TOKENTRAIL_KAFKA?")]


def test_a_service_without_a_name_is_doubtful(tmp_path: Path) -> None:
    assert [each.check for each in check_settings(Settings(), {}, tmp_path)] == ["source", "service"]


@pytest.mark.parametrize(("pepper", "verdict"), [("x" * 32, Verdict.OK), ("short", Verdict.WARN)])
def test_pepper_of_the_settings(pepper: str, verdict: Verdict) -> None:
    finding = check_pepper(Settings(key_pepper=pepper))
    assert (finding.verdict, pepper in f"{finding.what}{finding.advice}") == (verdict, False)


def test_pepper_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "the first call makes one" in check_pepper(Settings()).what
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "tokentrail" / "pepper"
    kept.parent.mkdir()
    kept.touch(0o600)
    assert (check_pepper(Settings()).verdict, str(kept) in check_pepper(Settings()).what) == (Verdict.WARN, True)
    kept.chmod(0o644)
    assert (check_pepper(Settings()).verdict, check_pepper(Settings()).advice) == (Verdict.FAIL, f"chmod 600 {kept}")


def test_spool_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "1-2-3").mkdir()
    (tmp_path / "1-2-3" / "segment").write_bytes(b"x" * 1000)
    (finding,) = check_spool(Settings(spool=tmp_path, spool_max_bytes=65_536))
    assert (finding.verdict, finding.figures["bytes"], finding.figures["files"]) == (Verdict.OK, 1000, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["1-2-3"]


def test_a_spool_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    (finding,) = check_spool(Settings(spool=tmp_path / "a" / "b", spool_max_bytes=65_536))
    assert finding.verdict is Verdict.OK
    assert not list(tmp_path.iterdir())


def test_a_spool_that_is_nearly_full_is_doubtful(tmp_path: Path) -> None:
    (tmp_path / "segment").write_bytes(b"x" * 60_000)
    (finding,) = check_spool(Settings(spool=tmp_path, spool_max_bytes=65_536))
    assert (finding.verdict, "near spool_max_bytes" in finding.what) == (Verdict.WARN, True)


def test_a_disk_with_less_room_than_the_spool_may_take_is_doubtful(tmp_path: Path) -> None:
    (finding,) = check_spool(Settings(spool=tmp_path, spool_max_bytes=2**50))
    assert (finding.verdict, "less than spool_max_bytes" in finding.what) == (Verdict.WARN, True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_spool_that_cannot_be_written_to_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    (finding,) = check_spool(Settings(spool=tmp_path / "spool"))
    assert finding.verdict is Verdict.FAIL


def test_a_spool_below_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (finding,) = check_spool(Settings(spool=tmp_path / "file" / "spool"))
    assert (finding.verdict, bool(finding.advice)) == (Verdict.FAIL, True)


def test_delivery_from_memory_needs_no_disk() -> None:
    (finding,) = check_spool(Settings(delivery="memory", spool=Path("/nowhere")))
    assert finding.verdict is Verdict.OK

import os
from pathlib import Path

import pytest

from tokentrail.errors import RuleError
from tokentrail.processors.maintenance_file import MaintenanceFile

WINDOW = '[[maintenance]]\nname = "{}"\ndays = ["mon"]\nfrom = "22:00"\nto = "23:00"\n'


def write(path: Path, text: str, at_s: int) -> None:
    path.write_text(text)
    os.utime(path, (at_s, at_s))


def names(file: MaintenanceFile) -> list[str]:
    return [window.name for window in file.windows()]


def test_windows_follow_the_file_and_one_that_is_spoilt_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rules.toml"
    write(path, WINDOW.format("first"), 1)
    file = MaintenanceFile(path)
    assert names(file) == ["first"]
    write(path, WINDOW.format("second"), 2)
    assert names(file) == ["second"]
    write(path, WINDOW.format("third").replace("22:00", "noon"), 3)
    assert names(file) == ["second"]
    assert "`from` is 'noon'" in caplog.text
    path.unlink()
    assert names(file) == ["second"]
    write(path, WINDOW.format("fourth"), 4)
    assert names(file) == ["fourth"]


def test_rules_that_this_version_does_not_know_are_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    write(path, '[[rule]]\nname = "from_the_future"\n' + WINDOW.format("w1"), 1)
    assert names(MaintenanceFile(path)) == ["w1"]


def test_without_a_file_there_are_no_windows() -> None:
    assert names(MaintenanceFile(None)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("[[maintenance", "is not valid TOML"),
        ('[[maintenance]]\nname = "w1"\n', "cannot be used: Object missing required field `from`"),
        (WINDOW.format("w1").replace("23:00", "late"), r"maintenance 'w1': `to` is 'late'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "rules.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RuleError, match=rf"rules\.toml.*{told}"):
        MaintenanceFile(path)

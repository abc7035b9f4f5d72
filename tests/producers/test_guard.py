"""What goes wrong inside a shim reaches nobody."""

import logging
from typing import NoReturn

import pytest

from tokentrail.producers.guard import faults, guarded


def test_the_first_of_a_kind_is_told_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    faults.clear()
    for _ in range(3):
        with guarded("counting sheep"):
            raise ValueError("sk-secret")

    assert faults == {"counting sheep": 3}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "counting sheep failed (ValueError at " in caplog.text
    assert "sk-secret" not in caplog.text


def test_a_log_handler_that_raises_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Raising(logging.Handler):
        def handle(self, record: logging.LogRecord) -> NoReturn:
            raise OSError(record.levelname)

    faults.clear()
    monkeypatch.setattr(logging.getLogger("tokentrail"), "handlers", [Raising()])
    with guarded("counting sheep"):
        raise ValueError

    assert faults == {"counting sheep": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_goes_on(error: type[BaseException]) -> None:
    with pytest.raises(error), guarded("counting sheep"):
        raise error

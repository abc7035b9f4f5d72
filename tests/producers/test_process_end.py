"""The end of a process waits for the flush, and comes whatever becomes of it."""

import os

import pytest

from tokentrail.producers.process_end import flush_before_os_exit


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_flush_that_is_interrupted_does_not_keep_a_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    undo = flush_before_os_exit(_interrupt)
    with pytest.raises(KeyboardInterrupt):  # where the process outlives its end, as only here
        os._exit(3)
    undo()

    assert ended == [3]
    os._exit(4)
    assert ended == [3, 4]

"""The delivery's hold on the host's logging: its own thread's, and for no longer than it runs."""

import logging
import threading

import pytest

from tokentrail.producers.delivery import quiet_this_thread

LOGGER = logging.getLogger("aiokafka.conn")


def log_in_a_thread(message: str) -> None:
    thread = threading.Thread(target=LOGGER.error, args=(message,))
    thread.start()
    thread.join()


def test_only_the_thread_that_asked_is_quiet_and_only_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    filters = list(LOGGER.filters)

    with quiet_this_thread():
        LOGGER.error("quiet")
        log_in_a_thread("another thread")
    LOGGER.error("afterwards")

    assert [record.message for record in caplog.records] == ["another thread", "afterwards"]
    assert LOGGER.filters == filters


def test_a_loop_that_fails_takes_its_filter_with_it() -> None:
    filters = list(LOGGER.filters)

    with pytest.raises(OSError, match="no more files"), quiet_this_thread():
        raise OSError("no more files")

    assert LOGGER.filters == filters


def test_a_thread_with_the_id_of_a_quiet_one_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    entered, left = threading.Event(), threading.Event()

    def stay_quiet() -> None:
        with quiet_this_thread():
            entered.set()
            left.wait()

    thread = threading.Thread(target=stay_quiet)
    thread.start()
    entered.wait()
    record = LOGGER.makeRecord(LOGGER.name, logging.ERROR, __file__, 1, "heard", (), None)
    record.thread = thread.ident
    LOGGER.handle(record)
    left.set()
    thread.join()

    assert [record.message for record in caplog.records if record.name == LOGGER.name] == ["heard"]

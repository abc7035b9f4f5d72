"""Whoever records a call tells those below, for as long as it lasts and no longer."""

from contextvars import copy_context

from tokentrail.producers.suppression import recording, recording_here, suppressed


def test_it_holds_in_the_block_and_no_longer() -> None:
    assert not suppressed()
    with recording_here():
        assert suppressed()
        with recording_here():
            assert suppressed()
        assert suppressed()
    assert not suppressed()


def test_a_copy_of_the_context_is_free_when_the_block_is_over() -> None:
    with recording_here():
        copied = copy_context()
        assert copied.run(suppressed)
    assert not copied.run(suppressed)


def test_leaving_in_another_context_does_not_raise() -> None:
    block = recording_here()
    copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert not suppressed()


def test_a_layer_may_set_it_by_itself() -> None:
    token = recording.set(True)
    assert suppressed()
    recording.reset(token)
    assert not suppressed()

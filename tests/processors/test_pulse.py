from tokentrail.processors.pulse import INTERVAL_MS, LINGER_MS, RECONNECT_MS, Pulse

IDLE_MS = 1000


def _observe(pulse: Pulse, now_ms: int, ends: dict[int, int]) -> dict[int, int]:
    """One observation, with what it asks for written at once."""
    due = pulse.observe(now_ms, ends)
    for partition in due:
        pulse.wrote(partition, now_ms)
        ends[partition] += 1
    return due


def test_a_topic_that_never_had_a_record_gets_none() -> None:
    pulse = Pulse(IDLE_MS)
    assert all(not _observe(pulse, now_ms, {0: 0, 1: 0}) for now_ms in range(0, 60_000, 250))


def test_a_partition_that_is_quiet_gets_a_watermark_that_lags_by_the_idle_time() -> None:
    pulse = Pulse(IDLE_MS)
    ends = {0: 0, 1: 0}
    _observe(pulse, 0, ends)
    for now_ms in range(250, 1250, 250):
        ends[0] += 1
        assert _observe(pulse, now_ms, ends) == {}
    ends[0] += 1
    assert _observe(pulse, 1250, ends) == {1: 1250 - IDLE_MS}


def test_it_gets_one_a_second_and_its_own_records_are_no_activity() -> None:
    pulse = Pulse(IDLE_MS)
    ends = {0: 5}
    pulsed = [now_ms for now_ms in range(0, 10_000, 250) if _observe(pulse, now_ms, ends)]
    assert pulsed == list(range(IDLE_MS, 10_000, INTERVAL_MS))


def test_pulses_end_some_time_after_the_last_call() -> None:
    pulse = Pulse(IDLE_MS)
    ends = {0: 5, 1: 5}
    step_ms = 10_000
    pulsed = [now_ms for now_ms in range(0, 2 * LINGER_MS, step_ms) if _observe(pulse, now_ms, ends)]
    assert LINGER_MS - step_ms <= pulsed[-1] <= LINGER_MS


def test_after_an_outage_a_partition_must_be_seen_quiet_anew() -> None:
    pulse = Pulse(IDLE_MS)
    ends = {0: 5}
    _observe(pulse, 0, ends)
    pulse.lose_contact()
    assert _observe(pulse, 30_000, ends) == {}
    assert _observe(pulse, 30_000 + RECONNECT_MS - 1, ends) == {}
    assert _observe(pulse, 30_000 + RECONNECT_MS, ends) == {0: 30_000 + RECONNECT_MS - IDLE_MS}


def test_calls_that_came_during_an_outage_are_followed_by_pulses_however_old_the_last_known_call() -> None:
    pulse = Pulse(IDLE_MS)
    _observe(pulse, 0, {0: 5})
    pulse.lose_contact()
    later_ms = 2 * LINGER_MS
    _observe(pulse, later_ms, {0: 9})
    assert _observe(pulse, later_ms + RECONNECT_MS, {0: 9}) != {}


def test_when_a_silent_topic_wakes_every_partition_gets_its_time() -> None:
    pulse = Pulse(IDLE_MS)
    ends = {0: 0, 1: 0}
    for now_ms in range(0, 60_000, 250):
        _observe(pulse, now_ms, ends)
    ends[0] += 1  # the first call came to partition 0; those of partition 1 are on their way
    assert _observe(pulse, 60_000, ends) == {}
    ends[0] += 1
    ends[1] += 1
    assert _observe(pulse, 60_250, ends) == {}

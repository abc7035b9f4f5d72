"""How fast a stretch of the log is published again."""

from tokentrail.processors.replay_speed import ReplaySpeed


def test_records_come_as_far_apart_as_they_did_or_so_many_times_closer() -> None:
    for speed, second_s in ((1, 10.0), (20, 0.5)):
        pace = ReplaySpeed(speed)
        assert pace.delay_s(1_000_000, 50.0) == 0
        assert pace.delay_s(1_010_000, 50.0) == second_s
        assert pace.delay_s(1_010_000, 50.0 + second_s / 2) == second_s / 2
        assert pace.delay_s(1_010_000, 1_000.0) == 0, "whoever is late goes on at once"
        assert pace.delay_s(990_000, 50.0) == 0, "another partition's record may be older"


def test_without_a_speed_nothing_waits() -> None:
    pace = ReplaySpeed(0)
    assert pace.delay_s(0, 0.0) == pace.delay_s(10**9, 0.0) == 0

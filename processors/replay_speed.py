"""Replay speed: when a record may be published again, so that a stretch of the log takes as long as it did, or less."""


class ReplaySpeed:
    """`speed` times as fast as it was; 0: as fast as it goes. Knows no clock: whoever asks says what it shows."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begin: tuple[int, float] | None = None

    def delay_s(self, timestamp_ms: int, now_s: float) -> float:
        """Return how long a record that came at `timestamp_ms` must wait still; the first never does."""
        if not self._speed:
            return 0.0
        if self._begin is None:
            self._begin = (timestamp_ms, now_s)
        first_ms, begin_s = self._begin
        return max(0.0, (timestamp_ms - first_ms) / 1000 / self._speed - (now_s - begin_s))

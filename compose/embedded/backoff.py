"""How long to wait before something that died is started again."""

from typing import Final

_FIRST_S: Final = 0.2
_MAX_S: Final = 30.0
_HEALTHY_AFTER_S: Final = 30.0


class Backoff:
    """Exponential: each death in a row doubles the wait, and a life of half a minute starts over."""

    def __init__(self) -> None:
        self._delay_s = _FIRST_S

    def next_delay_s(self, *, ran_for_s: float) -> float:
        """Return how long to wait now, given how long the last process ran."""
        if ran_for_s >= _HEALTHY_AFTER_S:
            self._delay_s = _FIRST_S
        delay_s = self._delay_s
        self._delay_s = min(self._delay_s * 2, _MAX_S)
        return delay_s

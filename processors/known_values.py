"""Known values: which users, addresses, keys or models an entity has been seen with. Pure, bounded.

Up to `CAPACITY` values are remembered exactly. Of more, a share is, chosen by hash (adaptive sampling; Flajolet, "On
adaptive sampling", 1990): what is new is then counted in that share and scaled up, and what was seen before is never
mistaken for new - as it would be if the oldest were forgotten to make room.
"""

from typing import Final

import msgspec

from tokentrail.processors.distinct import Hashes

CAPACITY: Final = 256
FORGOTTEN_AFTER_DAYS: Final = 30
_DAY_S: Final = 86_400
_HASH_BITS: Final = 32


class KnownValues(msgspec.Struct, array_like=True):
    """The values that were seen in the last `FORGOTTEN_AFTER_DAYS`, by the day they were last seen on."""

    last_seen: dict[int, int] = {}
    """Hash → days since the epoch."""
    sampled: int = 0
    """One value in 2 ** `sampled` is remembered: those whose hash is that small."""
    swept: int = 0
    """The day on which values were last forgotten."""

    def apply(self, second: int, hashes: Hashes, learning: bool) -> int:  # noqa: FBT001 # the only flag, always named
        """Take in a second's values (`distinct.merge_hashes`); return how many were not known, 0 while learning."""
        day = second // _DAY_S
        if day > self.swept:
            self._forget(day)
        seen = self.last_seen
        new = 0
        for value in (hashes,) if isinstance(hashes, int) else hashes:
            if seen.get(value) == day:
                continue
            if value >> (_HASH_BITS - self.sampled):
                break  # ascending: all that follow are too large as well
            new += (value not in seen) << self.sampled
            seen[value] = day
            if len(seen) > CAPACITY:
                seen = self._sample()
        return 0 if learning else new

    def _forget(self, day: int) -> None:
        oldest = day - FORGOTTEN_AFTER_DAYS
        if any(seen < oldest for seen in self.last_seen.values()):
            self.last_seen = {value: seen for value, seen in self.last_seen.items() if seen >= oldest}
        if not self.last_seen:
            self.sampled = 0  # and at no other time: what was left out would look new
        self.swept = day

    def _sample(self) -> dict[int, int]:
        while len(self.last_seen) > CAPACITY:
            self.sampled += 1
            limit = 1 << (_HASH_BITS - self.sampled)
            self.last_seen = {value: seen for value, seen in self.last_seen.items() if value < limit}
        return self.last_seen

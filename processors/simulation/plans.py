"""Plans: what an incident or a look-alike does to the traffic, and what its label will say."""

from collections.abc import Callable

import msgspec
import numpy as np

from tokentrail.processors.simulation.calls import Calls
from tokentrail.processors.simulation.outcomes import Alter

Entities = dict[str, list[str]]
Claim = tuple[str, int]
"""What a plan wants for itself meanwhile, e.g. ("department", 3)."""


class UnsuitableError(Exception):
    """A plan's drawn place has too little traffic for it to be seen, or no time is left; another draw may do."""


class Surge(msgspec.Struct, frozen=True, kw_only=True):
    """More sessions than usual of some sources; rises and falls over `ramp_s`."""

    sources: list[int]
    start_s: float
    end_s: float
    factor: float
    ramp_s: float = 0.0

    def height(self, moment_s: float) -> float:
        """Return how many times the usual comes on top at a moment within the surge."""
        edge = min(moment_s - self.start_s, self.end_s - moment_s)
        return (self.factor - 1.0) * (min(1.0, edge / self.ramp_s) if self.ramp_s else 1.0)


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """A service's clock is off."""

    service: int
    start_s: float
    end_s: float
    offset_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One incident or look-alike. Times are seconds since the simulation began; it changes nothing outside of them."""

    kind: str
    start_s: float
    end_s: float
    entities: Entities
    note: str
    label_start_s: float | None = None
    """When its first effect shows, where that is after `start_s`."""
    label_end_s: float | None = None
    """When its last effect shows in event time, where that is after `end_s`."""
    harmless: bool = False
    claims: frozenset[Claim] = frozenset()
    """No two plans that overlap in time share one."""
    calls: Callable[[np.random.Generator], Calls] | None = None
    """Makes the calls that it adds; they start within it."""
    alter: Alter | None = None
    """Changes calls in place; sees every call that starts within it, its own included."""
    surge: Surge | None = None
    skew: Skew | None = None
    restarts: tuple[tuple[int, float], ...] = ()
    """Pods that begin anew, and when."""
    pods: tuple[int, ...] = ()
    """Pods whose producers the label names."""

"""How long calls take: the time to the first token grows with the input, the rest with the output."""

from typing import Final

import numpy as np

from tokentrail.processors.simulation.calls import Calls, Outcome
from tokentrail.processors.simulation.catalogue import MODELS

_FIRST_TOKEN_MS: Final = 220.0
_READ_MS: Final = 0.05
_CACHED_READ_MS: Final = 0.005
_SPREAD: Final = 0.25
"""Sigma of the logarithm."""
_WRITE_MS: Final = np.array([model.write_ms for model in MODELS])
_FAILED_MS: Final = {
    Outcome.RATE_LIMITED: (120.0, 0.3),
    Outcome.AUTH_FAILED: (90.0, 0.3),
    Outcome.TIMEOUT: (60_000.0, 0.001),
    Outcome.CONNECTION_ERROR: (900.0, 1.0),
    Outcome.SERVER_ERROR: (700.0, 0.6),
    Outcome.CLIENT_ERROR: (130.0, 0.3),
    Outcome.ABORTED: (2_500.0, 0.7),
}
"""How long until a call has failed: median, and sigma of the logarithm."""


def estimate_latencies(calls: Calls, rng: np.random.Generator) -> None:
    """Fill in what calls of their size take when all is well."""
    fresh = calls["input_tokens"] - calls["cached_tokens"]
    first = _FIRST_TOKEN_MS + _READ_MS * fresh + _CACHED_READ_MS * calls["cached_tokens"]
    calls["first_token_ms"] = first * np.exp(_SPREAD * rng.standard_normal(len(calls)))
    write = _WRITE_MS[calls["model"]] * calls["output_tokens"] * np.exp(_SPREAD * rng.standard_normal(len(calls)))
    calls["latency_ms"] = calls["first_token_ms"] + write


def shorten_failures(calls: Calls, rng: np.random.Generator) -> None:
    """Give failed calls the time that their failure takes."""
    for outcome, (median, sigma) in _FAILED_MS.items():
        failed = np.flatnonzero(calls["status"] == outcome)
        if len(failed):
            calls["latency_ms"][failed] = median * np.exp(sigma * rng.standard_normal(len(failed)))

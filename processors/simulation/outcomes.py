"""How calls end, and what their SDKs try again."""

from collections.abc import Callable
from typing import Final

import numpy as np

from tokentrail.processors.simulation.calls import Calls, Outcome, draw_ids, join_calls
from tokentrail.processors.simulation.catalogue import MODELS
from tokentrail.processors.simulation.latencies import estimate_latencies, shorten_failures

SDK_RETRIES: Final = 2
_FAILURES: Final = (
    Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.TIMEOUT, Outcome.CONNECTION_ERROR, Outcome.CLIENT_ERROR,
    Outcome.ABORTED,
)  # fmt: skip
_FAILURE_SHARES: Final = np.array((0.35, 0.28, 0.08, 0.09, 0.14, 0.06))
_RETRYABLE: Final = np.array((Outcome.RATE_LIMITED, Outcome.TIMEOUT, Outcome.CONNECTION_ERROR, Outcome.SERVER_ERROR))
_ERROR_RATES: Final = np.array([model.error_rate for model in MODELS])
_BACKOFF_S: Final = 0.5
_RETRY_AFTER_S: Final = 4.0
"""At most; what a 429 asks for."""

Alter = Callable[[Calls, np.random.Generator], None]
"""Changes rows in place."""


def conclude(calls: Calls, alter: Alter, rng: np.random.Generator) -> Calls:
    """Decide how each call ends, and return all attempts: the calls, and what SDKs try again.

    `alter` sees every attempt once, after its ordinary end is drawn and before its failure shortens it.
    """
    attempts = [calls]
    while len(calls):
        _decide(calls, rng)
        alter(calls, rng)
        shorten_failures(calls, rng)
        calls = _try_again(calls, rng)
        attempts.append(calls)
    return join_calls(attempts)


def _decide(calls: Calls, rng: np.random.Generator) -> None:
    undecided = calls["status"] == Outcome.UNDECIDED
    failing = undecided & (rng.random(len(calls)) < _ERROR_RATES[calls["model"]])
    calls["status"][undecided] = Outcome.SUCCESS
    calls["status"][failing] = rng.choice(_FAILURES, int(failing.sum()), p=_FAILURE_SHARES)


def _try_again(calls: Calls, rng: np.random.Generator) -> Calls:
    """Return the next attempts of failed calls: same request, same logical call, after a pause that doubles."""
    again = calls["retried"] & (calls["retry"] < SDK_RETRIES) & np.isin(calls["status"], _RETRYABLE)
    again &= calls["loss"] == 0
    retries = calls[again]
    asked = np.where(retries["status"] == Outcome.RATE_LIMITED, rng.uniform(0, _RETRY_AFTER_S, len(retries)), 0.0)
    pause_s = _BACKOFF_S * 2.0 ** retries["retry"] * rng.uniform(0.75, 1.0, len(retries))
    retries["start_s"] += retries["latency_ms"] / 1000 + np.maximum(pause_s, asked)
    estimate_latencies(retries, rng)
    retries["call_id"] = draw_ids(len(retries), rng)
    retries["retry"] += 1
    retries["status"] = Outcome.UNDECIDED
    return retries

"""Ordinary calls: the sessions that begin in a stretch of time, call by call. Vectorised; rows come unordered."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.calls import NOBODY, Calls, new_calls
from tokentrail.processors.simulation.company import ADDRESSES, Company, SourceTable
from tokentrail.processors.simulation.latencies import estimate_latencies
from tokentrail.processors.simulation.rhythm import Habit
from tokentrail.processors.simulation.samples import read_sample

MAX_SESSION_CALLS: Final = 80
CACHE_BLOCK_TOKENS: Final = 128
CACHE_FROM_TOKENS: Final = 1024
"""Providers cache prefixes from here on, in blocks."""
_CACHE_HIT: Final = 0.7
_QUESTION: Final = (80.0, 0.9)
"""Tokens that a person adds to a chat: median, and sigma of the logarithm."""
_THINK_S: Final = {Habit.CHAT: (38.0, 0.9), Habit.CODE: (14.0, 1.0)}
"""Pause before the next call of a session: median, and sigma."""
_AWAY: Final = 0.15
"""Of the sessions are not held at the office."""
_LEASE_DAYS: Final = 6
_DAY_S: Final = 86_400.0
_REPEATED: Final = 0.02
"""Of the later calls of a session ask the same again."""
_TIGHTEST: Final = 0.85
"""Truncation leaves between this and all of the limit."""


class Sessions:
    """Draws sessions of a company's sources; numbers them as it goes."""

    def __init__(self, company: Company, table: SourceTable) -> None:
        self._table = table
        self._limits = np.array([route.limit_tokens for route in company.routes], np.int64)
        self._streams = np.array([route.stream for route in company.routes])
        self._drawn = 0

    def draw(
        self, expected_calls: NDArray[np.float64], begin_s: float, width_s: float, rng: np.random.Generator
    ) -> Calls:
        """Return every call of the sessions that begin in [begin_s, begin_s + width_s); some come long after it."""
        table = self._table
        counts = rng.poisson(expected_calls / table.session_calls)
        sources = np.repeat(np.arange(len(counts)), counts)
        if not len(sources):
            return new_calls(0, rng, 0.0)
        begins = begin_s + width_s * self._draw_places(sources, rng)
        lengths = _draw_lengths(table.session_calls[sources], rng)
        session = np.repeat(np.arange(len(sources)), lengths)
        calls = new_calls(len(session), rng, 0.0)
        self._attribute(calls, sources, session, int(begin_s // _DAY_S), rng)
        habits = table.habit[sources][session]
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._size(calls, habits, first[session], rng)
        _repeat(calls, first[session], rng)
        estimate_latencies(calls, rng)
        calls["start_s"] = begins[session] + _elapsed(calls, habits, first[session], rng)
        return calls

    def _draw_places(self, sources: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return places in the hour, 0 to 1, that crowd as the trace's do, each source's hour turned elsewhere."""
        turns = rng.random(len(self._table.user))
        machine = self._table.habit[sources] == Habit.MACHINE
        drawn = [
            sample.offset[rng.integers(0, len(sample.offset), len(sources))]
            for sample in (read_sample("conv"), read_sample("code"))
        ]
        places: NDArray[np.float64] = (np.where(machine, drawn[1], drawn[0]) + turns[sources]) % 1
        return places

    def _draw_addresses(self, sources: NDArray[Any], day: int, rng: np.random.Generator) -> NDArray[Any]:
        """Return where sessions come from: mostly the office, else an address that a provider assigns for some days."""
        away = rng.random(len(sources)) < _AWAY
        assigned = 1 + (day // _LEASE_DAYS + sources) % (ADDRESSES - 1)
        addresses: NDArray[Any] = self._table.addresses[sources, np.where(away, assigned, 0)]
        return addresses

    def _attribute(
        self, calls: Calls, sources: NDArray[Any], session: NDArray[Any], day: int, rng: np.random.Generator
    ) -> None:
        table = self._table
        choice = (rng.random((len(sources), 1)) > table.cumulative[sources]).sum(axis=1)
        numbers = np.arange(self._drawn, self._drawn + len(sources))
        self._drawn += len(sources)
        numbers[table.habit[sources] == Habit.MACHINE] = NOBODY
        calls["route"] = table.route[sources, choice][session]
        calls["model"] = table.model[sources, choice][session]
        calls["user"] = table.user[sources][session]
        calls["address"] = self._draw_addresses(sources, day, rng)[session]
        calls["session"] = numbers[session]
        calls["stream"] = self._streams[calls["route"]]

    def _size(self, calls: Calls, habits: NDArray[Any], first: NDArray[Any], rng: np.random.Generator) -> None:
        """Fill in tokens. A chat's input is its whole history, truncated at the route's limit."""
        count = len(calls)
        limits = self._limits[calls["route"]] * rng.uniform(_TIGHTEST, 1.0, count)
        chat_input, chat_output = read_sample("conv").draw(count, rng)
        code_input, code_output = read_sample("code").draw(count, rng)
        chat = habits == Habit.CHAT
        output = np.where(chat | ((habits == Habit.MACHINE) & (rng.random(count) < 0.3)), chat_output, code_output)  # noqa: PLR2004 - share of jobs that write texts
        history = _history(chat_input, output, first, rng)
        calls["output_tokens"] = np.maximum(output, 1)
        calls["input_tokens"] = np.minimum(np.where(chat, history, code_input), limits)
        later = chat & (np.arange(count) > first) & (rng.random(count) < _CACHE_HIT)
        before = np.concatenate([[0], calls["input_tokens"][:-1]])
        cached = np.minimum(before, calls["input_tokens"]) // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS
        calls["cached_tokens"] = np.where(later & (cached >= CACHE_FROM_TOKENS), cached, 0)


def _draw_lengths(means: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = np.minimum(rng.geometric(1 / np.maximum(means, 1.0)), MAX_SESSION_CALLS)
    return lengths


def _repeat(calls: Calls, first: NDArray[Any], rng: np.random.Generator) -> None:
    """Let some calls be the same request as the one before: somebody wants another answer."""
    again = np.flatnonzero((np.arange(len(calls)) > first) & (rng.random(len(calls)) < _REPEATED))
    for name in ("content", "input_tokens"):
        calls[name][again] = calls[name][again - 1]


def _history(
    first_input: NDArray[Any], output: NDArray[Any], first: NDArray[Any], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return each call's untruncated input: the first question, and every answer and question since."""
    median, sigma = _QUESTION
    added = output + rng.lognormal(np.log(median), sigma, len(output))
    before = np.cumsum(added) - added
    history: NDArray[np.float64] = first_input[first] + before - before[first]
    return history


def _elapsed(calls: Calls, habits: NDArray[Any], first: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return seconds from the begin of the session to each call: the answers before it, and the pauses."""
    medians = np.where(habits == Habit.CODE, _THINK_S[Habit.CODE][0], _THINK_S[Habit.CHAT][0])
    sigmas = np.where(habits == Habit.CODE, _THINK_S[Habit.CODE][1], _THINK_S[Habit.CHAT][1])
    spent = calls["latency_ms"] / 1000 + medians * np.exp(sigmas * rng.standard_normal(len(calls)))
    before = np.cumsum(spent) - spent
    elapsed: NDArray[np.float64] = before - before[first]
    return elapsed

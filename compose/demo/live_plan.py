"""The plan of the live part: which call starts when, ordinary ones and those of the incidents."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from tokentrail.compose.demo.incidents import INCIDENTS, Incident
from tokentrail.compose.demo.tenants import SEED, Attribution, AttributionSampler
from tokentrail.processors.simulation.trace import TraceCall

ORDINARY_CALLS_PER_S: Final = 14
DURATION_S: Final = 15.0
_STREAM_EVERY: Final = 2
_MAX_OUTPUT_TOKENS: Final = 400  # an answer's length costs the demo's own provider CPU, and shows nothing more


class PlannedCall(msgspec.Struct, frozen=True, gc=False):
    """One call to make, `start_s` after the start of live traffic."""

    start_s: float
    attribution: Attribution
    input_tokens: int
    output_tokens: int
    stream: bool
    incident: Incident | None


def plan_live(trace: Sequence[TraceCall], incidents: Sequence[Incident] = INCIDENTS) -> list[PlannedCall]:
    """Plan the live part: ordinary calls sized as in the trace, and every incident's calls, in order of start."""
    calls = [*_plan_ordinary(trace)]
    for incident in incidents:
        calls.extend(_plan_incident(incident))
    return sorted(calls, key=lambda call: call.start_s)


def _plan_ordinary(trace: Sequence[TraceCall]) -> Iterator[PlannedCall]:
    sampler = AttributionSampler(SEED + 1)
    for index, call in enumerate(islice(trace, int(DURATION_S * ORDINARY_CALLS_PER_S))):
        yield PlannedCall(
            start_s=index / ORDINARY_CALLS_PER_S,
            attribution=sampler.draw(call.workload),
            input_tokens=call.input_tokens,
            output_tokens=min(call.output_tokens, _MAX_OUTPUT_TOKENS),
            stream=index % _STREAM_EVERY == 0,
            incident=None,
        )


def _plan_incident(incident: Incident) -> Iterator[PlannedCall]:
    for index in range(incident.calls):
        yield PlannedCall(
            start_s=incident.start_s + incident.duration_s * index / incident.calls,
            attribution=incident.attribution,
            input_tokens=incident.input_tokens,
            output_tokens=incident.output_tokens,
            stream=index % _STREAM_EVERY == 0,
            incident=incident,
        )

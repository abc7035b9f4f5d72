"""Where calls go that are described already: into this process's trail, by way of its scribe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from tokentrail.producers.trail import default_recorder, default_scribe

if TYPE_CHECKING:
    from tokentrail.producers.calls import Call, Outcome


class CallOutlet(Protocol):
    """Takes described calls and returns at once. `secrets` are cut out of them wherever they stand."""

    def started(self, call: Call, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
        """Take a call that is about to be made."""

    def completed(self, call: Call, outcome: Outcome, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
        """Take a call that has ended; neither it nor its outcome is changed any more."""


class TrailOutlet:
    """This process's own trail; the events are built in the scribe's thread."""

    def started(self, call: Call, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
        """See `CallOutlet`."""
        default_scribe().put(partial(_start, call, occurred_at_ns, secrets))

    def completed(self, call: Call, outcome: Outcome, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
        """See `CallOutlet`."""
        default_scribe().put(partial(_complete, call, outcome, occurred_at_ns, secrets))


def _start(call: Call, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
    default_recorder().started(call, occurred_at_ns=occurred_at_ns, secrets=secrets)


def _complete(call: Call, outcome: Outcome, occurred_at_ns: int, secrets: tuple[str, ...]) -> None:
    default_recorder().completed(call, outcome, occurred_at_ns=occurred_at_ns, secrets=secrets)

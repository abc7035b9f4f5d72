"""Why a call has no cost, in the words that every command uses for it. Pure."""

import shlex
from collections.abc import Sequence
from enum import StrEnum


class Unpriced(StrEnum):
    """The first reason that applies, in this order."""

    FAILED = "failed"
    """Failed without tokens: nothing was used, and such a call is not counted among the unpriced."""
    NO_PRICE = "no_price"
    NO_USAGE = "no_usage"
    AUDIO_NOT_APART = "audio_not_apart"
    NO_INPUT_RATE = "no_input_rate"
    INPUT_EXCEEDED = "input_exceeded"
    NO_OUTPUT_RATE = "no_output_rate"
    OUTPUT_EXCEEDED = "output_exceeded"
    NOT_HELD = "not_held"
    """Usage and rates make a cost, and the ledger has none."""

    @property
    def phrase(self) -> str:
        """What a table says."""
        return _PHRASES[self]


_PHRASES = {
    Unpriced.FAILED: "failed without tokens",
    Unpriced.NO_PRICE: "no price is known",
    Unpriced.NO_USAGE: "the provider told no usage",
    Unpriced.AUDIO_NOT_APART: "cached audio has a price of its own, the usage does not tell it apart",
    Unpriced.NO_INPUT_RATE: "the price has no rate for input",
    Unpriced.INPUT_EXCEEDED: "parts of the input exceed its total",
    Unpriced.NO_OUTPUT_RATE: "the price has no rate for output",
    Unpriced.OUTPUT_EXCEEDED: "parts of the output exceed its total",
    Unpriced.NOT_HELD: "its rates make a cost, the ledger holds none",
}


def unpriced_hint(calls: int, options: Sequence[str] = ()) -> str:
    """Say of how many calls the cost is not known, and which command lists the same calls; empty where there is none.

    `options` are those of `tokentrail prices missing`.
    """
    if not calls:
        return ""
    command = shlex.join(["tokentrail", "prices", "missing", *options])
    counted = "1 unpriced call is" if calls == 1 else f"{calls:,} unpriced calls are"
    return f"{counted} in no sum: `{command}` says why."

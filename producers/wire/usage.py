"""Which token counts a call is recorded with: the provider's, an estimate, or none."""

from collections.abc import Callable

import msgspec

from tokentrail.producers.wire.estimates import TextSize, estimate_usage
from tokentrail.producers.wire.reading import AnswerFacts
from tokentrail.schemas.events import Usage, UsageSource


def settle_usage(facts: AnswerFacts, input_size: Callable[[], TextSize]) -> tuple[Usage | None, UsageSource]:
    """Return a call's usage and where it comes from.

    `input_size` (as `WireFormat.input_size` of the request's body) is called only when there is something to estimate:
    the model said something and its provider counted nothing, or the stream was left before it had counted the output.
    An answer in which nothing was said is never estimated.
    """
    usage = facts.usage
    if usage is not None:
        if not facts.usage_is_partial:
            return usage, UsageSource.PROVIDER
        seen = facts.output_size.tokens
        return msgspec.structs.replace(usage, output_tokens=max(usage.output_tokens or 0, seen)), UsageSource.ESTIMATED
    if facts.provider_usage or not facts.billed or not facts.output_size.chars:
        return None, UsageSource.MISSING
    return estimate_usage(input_size(), facts.output_size), UsageSource.ESTIMATED

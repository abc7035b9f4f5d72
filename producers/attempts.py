"""Which attempt of a call is being made: set by whoever retries, read by whoever records."""

from contextvars import ContextVar
from typing import Final, NamedTuple


class AttemptNumber(NamedTuple):
    """One attempt. All attempts of a call share `logical_call_id`; `retry_count` is 0 for the first."""

    logical_call_id: str
    retry_count: int


attempt_number: Final[ContextVar[AttemptNumber | None]] = ContextVar("tokentrail_attempt_number", default=None)
"""The attempt that is being made in this thread or task; None where nobody above the recorder retries."""

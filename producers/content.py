"""What of prompts and answers goes into events: nothing, or redacted text. A redactor that fails drops the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.redaction.policy import ContentPolicy, preview
from tokentrail.producers.scrubbing import scrub_own_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.calls import Outcome
    from tokentrail.producers.redaction import Redactor

_REDACTING: Final = guarded("redacting content")


class Content:
    """One client's policy. `wanted` is False where no text is kept, and no text needs to be read."""

    def __init__(self, policy: ContentPolicy, redactor: Callable[[], Redactor]) -> None:
        self._policy = policy
        self._redactor = redactor
        self.wanted = policy is not ContentPolicy.OFF
        self.limit_chars = policy.reading_chars

    def preview(self, text: str, outcome: Outcome, secrets: tuple[str, ...]) -> str | None:
        """Return the text as it may be kept, and count into `outcome.redactions` what was taken out."""
        if not text:
            return None
        with _REDACTING:
            kept, counts = preview(scrub_own_keys(text, secrets), self._redactor(), self._policy)
            redactions = outcome.redactions or {}
            for kind, count in counts.items():
                redactions[kind] = redactions.get(kind, 0) + count
            outcome.redactions = redactions or None
            return kept
        return None


def _no_redactor() -> Redactor:
    raise LookupError("no text is kept, so none is redacted")


NO_CONTENT: Final = Content(ContentPolicy.OFF, _no_redactor)

"""How much of prompts and answers goes into the trail."""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokentrail.producers.redaction.redactor import Redactor

_MARGIN_CHARS: Final = 1_024
"""Text read beyond what is kept: a card number or address that the limit cuts is recognised whole."""

_FEWEST_CHARS: Final = 2_048
"""A preview is not to be empty because a key stands first."""


class ContentPolicy(StrEnum):
    """`off` keeps hashes only (the default), `preview` the beginning, `full` all that an event holds; both redacted."""

    OFF = "off"
    PREVIEW = "preview"
    FULL = "full"

    @property
    def limit_chars(self) -> int:
        """The most characters that are kept."""
        return {"off": 0, "preview": 200, "full": 20_000}[self.value]

    @property
    def reading_chars(self) -> int:
        """How many characters of a text to read for it; a text cut shorter would be cut before it is redacted."""
        return max(self.limit_chars + _MARGIN_CHARS, _FEWEST_CHARS) if self.limit_chars else 0


def preview(text: str | None, redactor: "Redactor", policy: ContentPolicy) -> tuple[str | None, dict[str, int]]:
    """Return what the policy keeps of a text, redacted first and cut then, and the counts of what was replaced in it.

    Nothing is read beyond `reading_chars`, whatever the text's length: a text may have been cut there already.
    Raises RedactionError; the content is then to be left out.
    """
    if text is None or not policy.limit_chars:
        return None, {}
    read = text[: policy.reading_chars]
    redacted, counts = redactor.redact(read)
    if len(read) == policy.reading_chars:
        # Its end may be half of something that only the whole would have shown to be a secret.
        redacted = redacted[: max(0, len(redacted) - _MARGIN_CHARS)]
    return redacted[: policy.limit_chars], counts

"""How many tokens a text is about, for answers whose provider did not count. Pure arithmetic on characters."""

import re
from typing import Final

import msgspec

from tokentrail.schemas.events import Usage

ASCII_CHARS_PER_TOKEN: Final = 4.0
IDEOGRAPHIC_CHARS_PER_TOKEN: Final = 1 / 0.6
OTHER_CHARS_PER_TOKEN: Final = 2.0

# CJK radicals to the end of Yi, Hangul syllables, compatibility ideographs, full-width forms, the supplementary planes.
_IDEOGRAPHIC: Final = "[\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"


class TextSize(msgspec.Struct, gc=False):
    """Characters of a text by kind; adds up piece by piece, so that a stream needs no copy of its text."""

    ascii_chars: int = 0
    ideographic_chars: int = 0
    other_chars: int = 0

    @property
    def chars(self) -> int:
        """All characters."""
        return self.ascii_chars + self.ideographic_chars + self.other_chars

    @property
    def tokens(self) -> int:
        """About how many tokens: a text that is not empty has at least one.

        ASCII at 4 characters a token (OpenAI: "1 token ~= 4 chars in English", help.openai.com/articles/4936856; Gemini
        says the same, ai.google.dev/gemini-api/docs/tokens), ideographic scripts at 0.6 tokens a character (DeepSeek,
        api-docs.deepseek.com/quick_start/token_usage), everything else at 2 characters a token, between the two.
        """
        if not self.chars:
            return 0
        about = (
            self.ascii_chars / ASCII_CHARS_PER_TOKEN
            + self.ideographic_chars / IDEOGRAPHIC_CHARS_PER_TOKEN
            + self.other_chars / OTHER_CHARS_PER_TOKEN
        )
        return max(1, round(about))

    def add(self, text: str) -> None:
        """Count the text in."""
        if text.isascii():  # known without looking at a character
            self.ascii_chars += len(text)
            return
        ascii_chars = len(text.encode("ascii", "ignore"))
        ideographic_chars = len(re.findall(_IDEOGRAPHIC, text))  # compiled when it is first needed: 1 ms
        self.ascii_chars += ascii_chars
        self.ideographic_chars += ideographic_chars
        self.other_chars += len(text) - ascii_chars - ideographic_chars


def size_of(text: str) -> TextSize:
    """Return the size of a text."""
    size = TextSize()
    size.add(text)
    return size


def estimate_usage(input_text: str | TextSize, output_text: str | TextSize) -> Usage:
    """Return about how many tokens a call took, from what was sent and what was said; `usage_source` is "estimated".

    Within some 20% for prose, worse for code, numbers and base64. What never passed as text is not in it: images,
    audio, hidden reasoning, the provider's own framing of messages.
    """
    return Usage(input_tokens=_tokens(input_text), output_tokens=_tokens(output_text))


def _tokens(text: str | TextSize) -> int:
    return (size_of(text) if isinstance(text, str) else text).tokens

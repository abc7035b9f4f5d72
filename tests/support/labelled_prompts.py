"""Makes up prompts whose personal data and credentials are known, with much beside them that only looks alike.

Values are made from the public descriptions of their kinds (ISO 7812, ISO 13616, RFC 7519, vendors' documentation, …),
not from the patterns under test. The same seed gives the same prompts.
"""

import random
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from labelled_draws import FORMS
from labelled_values import Values


class Prompt(NamedTuple):
    """A text and what is in it: (start, end, kind), in characters."""

    text: str
    labels: list[tuple[int, int, str]]


def prompts(seed: int, count: int) -> Iterator[Prompt]:
    """Yield prompts of all styles and languages."""
    maker = PromptMaker(seed)
    for _ in range(count):
        yield maker.prompt()


class PromptMaker:
    """One generator of random prompts."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.values = Values(self.chance)

    def prompt(self) -> Prompt:
        """Return one to five passages of one style, or of mixed ones."""
        chance = self.chance
        style = chance.choice(list(FORMS["passages"]))
        passages = [
            chance.choice(FORMS["passages"][style if chance.random() < 0.8 else chance.choice(list(FORMS["passages"]))])
            for _ in range(chance.randint(1, 5))
        ]
        return self.fill(chance.choice(("\n", "\n\n", " ", "\n")).join(passages))

    def fill(self, passage: str) -> Prompt:
        """Return the passage with every {slot} filled; slots that are kinds are labelled."""
        text, labels, last = "", [], 0
        for slot in re.finditer(r"\{\{(\w+)\}\}", passage):
            text += passage[last : slot.start()]
            last = slot.end()
            name = slot[1]
            if name == "any":
                name = self.chance.choice(_FREE_STANDING)
            value = getattr(self.values, name)()
            kind = _KIND_OF.get(name)
            if kind:
                labels.append((len(text), len(text) + len(value), kind))
            text += value
        return Prompt(text + passage[last:], labels)


_KIND_OF: Final = {
    "email": "email",
    "phone": "phone",
    "bare_phone": "phone",
    "card": "card",
    "iban": "iban",
    "ip": "ip_address",
    **dict.fromkeys(
        (
            "national_id",
            "ssn",
            "bare_ssn",
            "nino",
            "insee",
            "steuer_id",
            "dni",
            "codice_fiscale",
            "bsn",
            "aadhaar",
            "bare_aadhaar",
            "resident_id",
            "cpf",
        ),
        "national_id",
    ),
    "jwt": "jwt",
    "api_key": "api_key",
    "webhook": "api_key",
    "private_key": "private_key",
    "password": "password",
    "url_secret": "password",
    "secret": "secret",
    "basic": "secret",
}
_FREE_STANDING: Final = (
    "email",
    "phone",
    "card",
    "iban",
    "ip",
    "national_id",
    "jwt",
    "api_key",
    "email",
    "phone",
    "card",
)

"""What can be found in a text, and what stands in its place."""

from typing import Final, NamedTuple

EMAIL: Final = "email"
PHONE: Final = "phone"
CARD: Final = "card"
IBAN: Final = "iban"
NATIONAL_ID: Final = "national_id"
IP_ADDRESS: Final = "ip_address"
JWT: Final = "jwt"
API_KEY: Final = "api_key"
PRIVATE_KEY: Final = "private_key"
PASSWORD: Final = "password"  # noqa: S105 - the name of a kind
SECRET: Final = "secret"  # noqa: S105 - the name of a kind

KINDS: Final = (EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP_ADDRESS, JWT, API_KEY, PRIVATE_KEY, PASSWORD, SECRET)
"""`secret` is a bearer, basic authentication, or a random value under a name that says token, key or secret."""


class Finding(NamedTuple):
    """Bytes `start` to `end` of a text in UTF-8 are of this kind. Without a kind: nothing, and go on at `end`."""

    start: int
    end: int
    kind: str


def placeholder(kind: str) -> str:
    """Return what stands in a finding's place."""
    return f"[{kind}]"


def place_after(text: bytes, start: int, end: int) -> int:
    """Return where to go on behind what turned out to be nothing.

    That is `end`, or one before: the last character before an @ or a colon belongs to what they are the sign of.
    """
    return max(start + 1, end - 1 if text[end : end + 1] in (b"@", b":") else end)

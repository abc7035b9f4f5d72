"""HTTP headers of any library as one dictionary, and what they say about who calls."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

_KEY_HEADERS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key", b"ocp-apim-subscription-key")
_KEY_PARAMETERS: Final = frozenset(("key", "api_key", "api-key", "apikey", "access_token", "token", "subscription-key"))
_GATEWAY_HEADERS: Final = (b"cf-aig-authorization", b"helicone-auth", b"x-portkey-api-key", b"proxy-authorization")
"""Keys of whom a call passes on its way: they say nothing about who calls, and must not be in any event either."""
CREDENTIAL_HEADERS: Final = (b"authorization", b"x-amz-security-token", *_KEY_HEADERS, *_GATEWAY_HEADERS)
"""All that `credentials_of` looks at beside the query."""
_SCHEMES: Final = frozenset(("bearer", "basic", "digest", "negotiate", "token", "key", "api-key", "apikey", "dpop"))
_AWS_SCHEME: Final = "aws4-hmac-sha256"


class Credentials(msgspec.Struct, frozen=True, gc=False):
    """How a caller says who it is. `identity` tells keys apart; `secrets` must not be in any event."""

    method: str | None = None
    identity: str | None = None
    secrets: tuple[str, ...] = ()


def header_dict(headers: Any) -> dict[bytes, bytes]:
    """Return headers by their lower-case names. Takes pairs, a mapping, or what httpx has; of bytes or text."""
    listed = getattr(headers, "_list", None)  # httpx, on the way of every call: it has the names in lower case already
    if type(listed) is list and listed and type(listed[0]) is tuple and len(listed[0]) == 3:  # noqa: PLR2004 - a triple
        return {name: value for _, name, value in listed}
    pairs = getattr(headers, "raw", headers)
    if isinstance(pairs, list) and pairs and type(pairs[0][0]) is bytes:  # another release of it
        return {name.lower(): value for name, value in pairs}
    if hasattr(pairs, "items"):
        pairs = pairs.items()
    return {_bytes(name).lower(): _bytes(value) for name, value in pairs}


def header_text(headers: Mapping[bytes, bytes], *names: bytes) -> str | None:
    """Return the first of the headers that is there and not empty."""
    for name in names:
        value = headers.get(name)
        if value:
            return value.decode("latin-1")
    return None


def header_number(headers: Mapping[bytes, bytes], name: bytes) -> int | None:
    """Return a header that is a whole number."""
    value = headers.get(name, b"")
    return int(value) if value.isdigit() and len(value) < 16 else None  # noqa: PLR2004 - no header of use is longer


def credentials_of(headers: Mapping[bytes, bytes], query: bytes) -> Credentials:
    """Return how a request says who sends it: bearer, key header, key in the query, or AWS signature.

    The first of these counts; `secrets` has what all of them say.
    """
    found = [_authorization(headers)] if headers.get(b"authorization", b"").strip() else []
    keys = [headers[name].decode("latin-1").strip() for name in _KEY_HEADERS if name in headers]
    if query:
        keys += [given for name, given in parse_qsl(query.decode("latin-1")) if name.lower() in _KEY_PARAMETERS]
    found += [Credentials("api-key", key, (key,)) for key in keys if key]
    if len(found) < 2 and not any(name in headers for name in _GATEWAY_HEADERS):  # noqa: PLR2004 - nothing to gather
        return found[0] if found else Credentials()
    secrets = [secret for each in found for secret in each.secrets]
    for name in _GATEWAY_HEADERS:
        secrets += headers.get(name, b"").decode("latin-1").split()[-1:]
    first = found[0] if found else Credentials()
    return Credentials(first.method, first.identity, tuple(dict.fromkeys(secrets)))


def retry_count_of(headers: Mapping[bytes, bytes]) -> int | None:
    """Return which retry the SDK says this is: Stainless SDKs (openai, anthropic) and botocore do."""
    count = header_number(headers, b"x-stainless-retry-count")
    if count is not None:
        return count
    attempt = headers.get(b"amz-sdk-request", b"").partition(b"attempt=")[2].partition(b";")[0].strip()
    return int(attempt) - 1 if attempt.isdigit() and 0 < len(attempt) < 5 else None  # noqa: PLR2004 - a small count


def _authorization(headers: Mapping[bytes, bytes]) -> Credentials:
    text = headers[b"authorization"].decode("latin-1").strip()
    scheme, _, secret = text.partition(" ")
    secret = secret.strip()
    if scheme.lower() == _AWS_SCHEME:
        return _aws_credentials(secret, headers)
    if scheme.lower() in _SCHEMES and secret:
        return Credentials(scheme.lower(), secret, (secret,))
    # No scheme that is known: any part of it may be the key.
    return Credentials("other", text, tuple(dict.fromkeys((text, *text.split()))))


def _aws_credentials(text: str, headers: Mapping[bytes, bytes]) -> Credentials:
    access_key = text.partition("Credential=")[2].partition("/")[0].strip() or None
    signature = text.partition("Signature=")[2].strip()
    token = headers.get(b"x-amz-security-token", b"").decode("latin-1")
    secrets = tuple(secret for secret in (access_key, signature, token) if secret)
    return Credentials("aws-sigv4", access_key, secrets)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")

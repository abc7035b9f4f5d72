"""What the headers and the query say about who calls, and what of it must not be in any event."""

from typing import Any

import httpx
import httpx2
import pytest

from tokentrail.producers.headers import credentials_of, header_dict

KEY = "0f3b2c9a8d7e6f5a4b3c"


@pytest.mark.parametrize(
    ("headers", "query", "method", "identity"),
    [
        ({b"authorization": b"Bearer " + KEY.encode()}, b"", "bearer", KEY),
        ({b"authorization": b"bearer  " + KEY.encode() + b" "}, b"", "bearer", KEY),
        ({b"x-api-key": KEY.encode()}, b"", "api-key", KEY),
        ({}, b"alt=sse&key=" + KEY.encode(), "api-key", KEY),
        ({b"authorization": KEY.encode()}, b"", "other", KEY),
        ({b"authorization": b" "}, b"", None, None),
        ({b"authorization": b" ", b"api-key": KEY.encode()}, b"", "api-key", KEY),
        ({}, b"", None, None),
    ],
)
def test_who_calls_is_told_by_header_or_query(
    headers: dict[bytes, bytes], query: bytes, method: str | None, identity: str | None
) -> None:
    found = credentials_of(headers, query)

    assert (found.method, found.identity) == (method, identity)
    assert found.secrets == ((identity,) if identity else ())


def test_every_key_of_a_request_is_a_secret() -> None:
    headers = {
        b"authorization": b"Bearer first-of-the-keys",
        b"x-api-key": b"second-of-the-keys",
        b"cf-aig-authorization": b"Bearer third-of-the-keys",
    }

    found = credentials_of(headers, b"key=fourth%2Bof-the-keys")

    assert (found.method, found.identity) == ("bearer", "first-of-the-keys")
    assert found.secrets == ("first-of-the-keys", "second-of-the-keys", "fourth+of-the-keys", "third-of-the-keys")


def test_a_key_in_the_place_of_the_scheme_is_no_method() -> None:
    found = credentials_of({b"authorization": KEY.encode() + b" Bearer"}, b"")

    assert found.method == "other"
    assert KEY in found.secrets


class _Listed:
    """Headers as httpx keeps them."""

    def __init__(self, *pairs: tuple[bytes, bytes]) -> None:
        self.raw = list(pairs)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X-Api-Key", b"k"), (b"Accept", b"*")],
        {"X-Api-Key": "k", "Accept": "*"},
        _Listed((b"X-Api-Key", b"k"), (b"Accept", b"*")),
        httpx2.Headers([(b"X-Api-Key", b"k"), (b"Accept", b"*")]),
        httpx.Headers([(b"X-Api-Key", b"k"), (b"Accept", b"*")]),
    ],
)
def test_headers_of_any_library_become_one_dictionary(headers: Any) -> None:
    assert header_dict(headers) == {b"x-api-key": b"k", b"accept": b"*"}


def test_no_headers_are_an_empty_dictionary() -> None:
    assert header_dict(httpx2.Headers()) == header_dict(()) == {}

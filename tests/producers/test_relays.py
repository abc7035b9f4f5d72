"""Addresses with names of the user's own."""

import pytest

from tokentrail.errors import SettingsError
from tokentrail.producers.relays import read_relays


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://api.example.com/v1", {"api.example.com"}),
        ("api.example.com", {"api.example.com"}),
        ("http://127.0.0.1:8000/v1", {"127.0.0.1:8000"}),
        ("https://api.example.com:443/v1", {"api.example.com:443", "api.example.com:None"}),
        ("https://[::1]:8000", {"::1:8000"}),
    ],
)
def test_an_address_stands_for_its_host_or_its_port(address: str, found: set[str]) -> None:
    assert read_relays({"mine": address}) == dict.fromkeys(found, "mine")


@pytest.mark.parametrize("address", ["", "https:///v1", "http://host:port/", "https//host/v1"])
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="'mine'"):
        read_relays({"mine": address})


def test_relays_without_names_are_refused_in_a_sentence() -> None:
    with pytest.raises(SettingsError, match="write it as"):
        read_relays("https://host/v1")  # type: ignore[arg-type] # as people write it

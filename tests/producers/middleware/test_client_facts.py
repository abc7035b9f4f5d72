"""What a request says about its sender, and what it cannot make us believe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.middleware.client_facts import (
    SOURCES,
    client_address,
    client_labels,
    cut,
    is_private,
    request_source,
    trace_of_parent,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("forwarded_for", "hops", "address"),
    [
        (["203.0.113.9"], 0, "10.0.0.1"),
        ([], 1, "10.0.0.1"),
        (["203.0.113.9"], 1, "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], 1, "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9, 10.0.0.2"], 2, "203.0.113.9"),
        (["203.0.113.9"], 2, "10.0.0.1"),
        (["203.0.113.9:4711"], 1, "203.0.113.9"),
        (["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        (['"[2001:db8::1]"'], 1, "2001:db8::1"),
        (["2001:DB8::1"], 1, "2001:db8::1"),
        (["unknown"], 1, "10.0.0.1"),
        (["<script>"], 1, "10.0.0.1"),
        ([""], 1, "10.0.0.1"),
    ],
)
def test_address_of_the_client_is_what_the_trusted_proxies_say(
    forwarded_for: list[str], hops: int, address: str
) -> None:
    assert client_address("10.0.0.1", forwarded_for, hops) == address


def test_an_ipv4_peer_has_one_name_whatever_the_servers_socket() -> None:
    assert client_address("::ffff:192.0.2.7", [], 0) == client_address("192.0.2.7", [], 0) == "192.0.2.7"
    assert client_address("2001:db8::1", [], 0) == "2001:db8::1"


@given(st.lists(st.text()), st.integers(1, 3))
def test_what_a_client_writes_before_the_trusted_entries_changes_nothing(forged: list[str], hops: int) -> None:
    added = [f"198.51.100.{number}" for number in range(hops)]
    honest = client_address("10.0.0.1", added, hops)
    assert client_address("10.0.0.1", [*forged, *added], hops) == honest == "198.51.100.0"


@pytest.mark.parametrize(
    ("named", "agent", "hint", "internal", "source"),
    [
        ("Mobile", CHROME, None, False, "mobile"),
        (" internal ", None, None, False, "internal"),
        ("root", CHROME, None, False, "web"),
        (None, CHROME, None, False, "web"),
        (None, CHROME, "?0", True, "web"),
        (None, CHROME, "?1", False, "mobile"),
        (None, IPHONE, None, False, "mobile"),
        (None, "okhttp/4.12", None, False, "mobile"),
        (None, "Shop/7 CFNetwork/1490 Darwin/23", None, False, "mobile"),
        (None, "python-requests/2.34", None, False, "api"),
        (None, "curl/8.5", None, True, "internal"),
        (None, None, None, False, "api"),
    ],
)
def test_request_source_is_named_or_guessed(
    named: str | None, agent: str | None, hint: str | None, *, internal: bool, source: str
) -> None:
    assert request_source(named, agent, hint, internal=internal) == source


@given(st.text(), st.text(), st.text(), st.booleans())
def test_request_source_is_always_one_of_four(named: str, agent: str, hint: str, internal: bool) -> None:  # noqa: FBT001 - made by hypothesis
    assert request_source(named, agent, hint, internal=internal) in SOURCES


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"01-{TRACE}-b7ad6b7169203331-01-more", TRACE),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{TRACE[:-1]}-b7ad6b7169203331-01", None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_trace_id_is_taken_from_a_valid_traceparent(traceparent: str | None, trace_id: str | None) -> None:
    assert trace_of_parent(traceparent) == trace_id


def test_a_program_in_the_own_network_is_internal_only_where_proxies_are_told_of() -> None:
    def source(hops: int) -> str | None:
        return client_labels({}, ["10.0.0.9"], "10.0.0.1", source_header="x-request-source", trusted_hops=hops)[
            "request_source"
        ]

    assert (source(0), source(1)) == ("api", "internal")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("fd00::1", True),
        ("::1", True),
        ("203.0.113.9", False),
        ("2001:db8::1", False),
        ("", False),
        (None, False),
    ],
)
def test_private_addresses_are_known(address: str | None, *, private: bool) -> None:
    assert is_private(address) is private


def test_labels_are_cut_to_what_an_event_takes() -> None:
    assert cut("x" * 900) == "x" * 500
    assert (cut("  "), cut(None), cut(7)) == (None, None, "7")

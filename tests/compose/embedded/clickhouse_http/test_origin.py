import http.client
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure
from tokentrail.compose.embedded.clickhouse_http.origin import check_origin


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1:8123"},
        {"Host": "127.8.9.10"},
        {"Host": "localhost"},
        {"Host": "LocalHost:1"},
        {"Host": "[::1]:8123"},
        {"Host": "localhost:8123", "Origin": "http://localhost:8123", "Sec-Fetch-Site": "same-origin"},
        {"Host": "127.0.0.1:8123", "Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_the_engines_own_origin_are_let_pass(headers: dict[str, str]) -> None:
    check_origin(headers)


LOCAL = {"Host": "127.0.0.1:8123"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8123", "Origin": "http://evil.example:8123"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:8123"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "192.168.0.1"},
        {"Host": "evil@127.0.0.1"},
        {"Host": "127.0.0.1/evil"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://127.0.0.1:8123"},
        LOCAL | {"Origin": "https://evil.example"},
        LOCAL | {"Origin": "null"},
        LOCAL | {"Origin": ""},
        LOCAL | {"Origin": "http://127.0.0.1:3000"},
        LOCAL | {"Origin": "https://127.0.0.1:8123"},
        LOCAL | {"Origin": "http://localhost:8123"},
        LOCAL | {"Sec-Fetch-Site": "cross-site"},
        LOCAL | {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_web_pages_and_foreign_names_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ClickHouseFailure, match="The embedded engine serves the programs of this machine") as refused:
        check_origin(headers)
    assert refused.value.status == 403


@given(st.text() | st.from_regex(r"[a-z0-9.\[\]:@/-]{1,30}", fullmatch=True))
def test_whatever_a_host_header_says_is_let_pass_or_refused(host: str) -> None:
    with suppress(ClickHouseFailure):
        check_origin({"Host": host})


@pytest.mark.engine
@pytest.mark.parametrize("path", ["/ping", "/?query=SELECT%201", "/nowhere"])
@pytest.mark.parametrize("header", [("Host", "evil.example"), ("Origin", "http://evil.example")])
def test_a_web_page_commands_nothing(engine_process: Any, client: Any, path: str, header: tuple[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", engine_process.port)
    connection.request("GET", path, headers=dict([header]))
    response = connection.getresponse()
    assert (response.status, b"evil.example" in response.read()) == (403, True)
    connection = http.client.HTTPConnection("127.0.0.1", engine_process.port)
    headers = {"Content-Type": "text/plain", header[0]: header[1]}
    connection.request("POST", "/?query=DROP%20DATABASE%20trail", b"", headers)
    assert connection.getresponse().getheader("X-ClickHouse-Exception-Code") == "497"
    assert client.command("EXISTS DATABASE trail") == 1

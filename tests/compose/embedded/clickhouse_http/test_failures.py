import pytest

from tokentrail.compose.embedded.clickhouse_http.failures import engine_failure

SERVER = "point TOKENTRAIL_CLICKHOUSE at a ClickHouse server."


@pytest.mark.parametrize(
    ("said", "told", "status"),
    [
        ("Code: 62. DB::Exception: x. (SYNTAX_ERROR)", "Code: 62. DB::Exception: x. (SYNTAX_ERROR)", 400),
        (
            "Code: 33. DB::Exception: Code: 33. DB::Exception: x: (in /proc/self/fd/17). (A_B) (version 26.9). (A_B)",
            "Code: 33. DB::Exception: x: (in the request's body). (A_B)",
            500,
        ),
        (
            "Code: 225. DB::Exception: x without ZooKeeper. (NO)",
            f"Code: 225. DB::Exception: x without ZooKeeper. (NO) [The embedded engine has no replication: {SERVER}]",
            500,
        ),
        ("out of the ordinary", "out of the ordinary", 500),
    ],
)
def test_the_engines_errors_are_worded_as_a_server_words_them(said: str, told: str, status: int) -> None:
    failure = engine_failure(said, "26")
    assert (failure.text, failure.status) == (f"{told} (version 26 (official build))", status)

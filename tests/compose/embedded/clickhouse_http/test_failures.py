import pytest

from tokentrail.compose.embedded.clickhouse_http.failures import engine_failure


@pytest.mark.parametrize(
    ("message", "text", "status"),
    [
        (
            "Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)",
            "Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR) (version 26 (official build))",
            400,
        ),
        (
            "Code: 33. DB::Exception: Code: 33. DB::Exception: Cannot read: (in file/uri /proc/self/fd/17). "
            "(CANNOT_READ_ALL_DATA) (version 26.9). (CANNOT_READ_ALL_DATA)",
            "Code: 33. DB::Exception: Cannot read: (in file/uri the request's body). (CANNOT_READ_ALL_DATA) "
            "(version 26 (official build))",
            500,
        ),
        (
            "Code: 701. DB::Exception: Requested cluster 'c' not found. (CLUSTER_DOESNT_EXIST)",
            "Code: 701. DB::Exception: Requested cluster 'c' not found. (CLUSTER_DOESNT_EXIST) [The embedded engine has "
            "no clusters and no ON CLUSTER: point TOKENTRAIL_CLICKHOUSE at a ClickHouse server.] (version 26 (official build))",
            500,
        ),
        ("out of the ordinary", "out of the ordinary (version 26 (official build))", 500),
    ],
)
def test_the_engines_errors_are_worded_as_a_server_words_them(message: str, text: str, status: int) -> None:
    failure = engine_failure(message, "26")
    assert (failure.text, failure.status) == (text, status)

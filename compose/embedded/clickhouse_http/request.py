"""A request as ClickHouse's HTTP interface reads it: statement, parameters, settings and what the client wants back."""

from collections.abc import Mapping
from dataclasses import dataclass

from tokentrail.compose.embedded.clickhouse_http.accounts import READER_LIMITS, Account
from tokentrail.compose.embedded.clickhouse_http.failures import refusal

_PARAM_PREFIX = "param_"
# Parameters of the interface itself; every other name in the query string is a setting.
_INTERFACE = frozenset(
    (
        "query", "database", "default_format", "query_id", "user", "password", "quota_key", "stacktrace", "role",
        "buffer_size", "wait_end_of_query", "session_id", "session_timeout", "session_check", "close_session",
        "client_protocol_version", "compress", "decompress", "output_format",
    )
)  # fmt: skip
# Settings that shape an HTTP response; this front acts on them and the engine has no use for them.
_FRONT_SETTINGS = frozenset(
    (
        "enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close", "add_http_cors_header",
        "http_response_buffer_size", "http_wait_end_of_query", "http_write_exception_in_output_format",
        "http_native_compression_disable_checksumming_on_decompress",
    )
)  # fmt: skip
# What a reader may choose besides lower limits than its own: how its answer looks. Names, never prefixes: among the
# settings of formats there are some that open files and ask hosts.
_READER_SETTINGS = frozenset(
    (
        "bool_false_representation", "bool_true_representation", "cast_string_to_dynamic_use_inference",
        "date_time_input_format", "date_time_output_format", "extremes", "final", "format_csv_delimiter",
        "format_csv_null_representation", "format_tsv_null_representation", "join_use_nulls", "limit", "log_comment",
        "max_block_size", "offset", "output_format_arrow_compression_method",
        "output_format_arrow_low_cardinality_as_dictionary", "output_format_arrow_string_as_string",
        "output_format_binary_write_json_as_string", "output_format_csv_crlf_end_of_line",
        "output_format_decimal_trailing_zeros", "output_format_json_array_of_rows",
        "output_format_json_escape_forward_slashes", "output_format_json_map_as_array_of_tuples",
        "output_format_json_named_tuples_as_objects", "output_format_json_pretty_print",
        "output_format_json_quote_64bit_floats", "output_format_json_quote_64bit_integers",
        "output_format_json_quote_decimals", "output_format_json_quote_denormals",
        "output_format_json_validate_utf8", "output_format_native_encode_types_in_binary_format",
        "output_format_native_use_flattened_dynamic_and_json_serialization",
        "output_format_native_write_json_as_string", "output_format_parquet_compression_method",
        "output_format_parquet_string_as_string", "output_format_pretty_color", "output_format_pretty_grid_charset",
        "output_format_pretty_max_column_pad_width", "output_format_pretty_max_rows",
        "output_format_pretty_max_value_width", "output_format_pretty_row_numbers",
        "output_format_tsv_crlf_end_of_line", "output_format_write_statistics", "result_overflow_mode",
        "session_timezone",
    )
)  # fmt: skip
_MAX_SESSION_TIMEOUT_S = 3600.0
_DEFAULT_SESSION_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """The session that a request names."""

    id: str
    timeout_s: float
    must_exist: bool
    close_after: bool


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a request says besides its body and its credentials."""

    query: bytes
    query_id: str
    database: str | None
    default_format: str
    settings: Mapping[str, str]
    params: Mapping[str, str]
    session: Session | None
    read_only_method: bool
    wait_end: bool
    compress_response: bool
    cancel_on_disconnect: bool


def parse_request(
    method: str, headers: Mapping[str, str], query: Mapping[str, str], account: Account, new_query_id: str
) -> Request:
    """Read a request's headers and query string.

    Raises:
        ClickHouseFailure: it asks for something that this interface does not do, or that the account may not.
    """
    for name in ("compress", "decompress"):
        if query.get(name, "0") not in ("", "0"):
            raise refusal(
                48, "NOT_IMPLEMENTED",
                f"The embedded engine does not know ClickHouse's own block compression ({name}=1): use "
                "Content-Encoding and Accept-Encoding with enable_http_compression=1.",
            )  # fmt: skip
    query_id = query.get("query_id") or headers.get("X-ClickHouse-Query-Id") or new_query_id
    settings = _settings(query, account)
    if not account.read_only:
        # chDB chooses its query ids itself; the client's stands in system.processes as Settings['log_comment'].
        settings.setdefault("log_comment", query_id)
    return Request(
        query=query.get("query", "").encode(errors="surrogateescape"),
        query_id=query_id,
        database=query.get("database") or headers.get("X-ClickHouse-Database") or None,
        default_format=query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        settings=settings,
        params={
            name.removeprefix(_PARAM_PREFIX): value for name, value in query.items() if name.startswith(_PARAM_PREFIX)
        },
        session=_session(query),
        read_only_method=method in ("GET", "HEAD"),
        wait_end=_is_on(query, "wait_end_of_query") or _is_on(query, "http_wait_end_of_query"),
        compress_response=_is_on(query, "enable_http_compression"),
        cancel_on_disconnect=_is_on(query, "cancel_http_readonly_queries_on_client_close"),
    )


def _is_on(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "0").lower() in ("1", "true")


def _settings(query: Mapping[str, str], account: Account) -> dict[str, str]:
    settings = {
        name: value
        for name, value in query.items()
        if name not in _INTERFACE and name not in _FRONT_SETTINGS and not name.startswith(_PARAM_PREFIX)
    }
    if account.read_only:
        return {name: _reader_value(name, value) for name, value in settings.items()}
    return settings


def _reader_value(name: str, value: str) -> str:
    limit = READER_LIMITS.get(name)
    if limit is not None and value.isdecimal() and 0 < int(value) <= int(limit):
        return value
    if name in _READER_SETTINGS:
        return value
    raise refusal(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode.")


def _session(query: Mapping[str, str]) -> Session | None:
    session_id = query.get("session_id", "")
    if not session_id:
        return None
    text = query.get("session_timeout", "")
    try:
        timeout_s = float(text) if text else _DEFAULT_SESSION_TIMEOUT_S
    except ValueError as error:
        raise refusal(374, "INVALID_SESSION_TIMEOUT", f"Invalid session timeout: '{text}'.") from error
    if not 0 < timeout_s <= _MAX_SESSION_TIMEOUT_S:
        raise refusal(
            374, "INVALID_SESSION_TIMEOUT", f"Session timeout '{text}' is not in (0, {_MAX_SESSION_TIMEOUT_S:.0f}]."
        )
    return Session(session_id, timeout_s, _is_on(query, "session_check"), _is_on(query, "close_session"))

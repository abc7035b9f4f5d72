"""ClickHouse's errors: their codes, names and HTTP statuses."""

import re

_CODE = re.compile(r"Code: (\d+)\.")
_NAME_AT_END = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")
_VERSION_AT_END = re.compile(r"\(version [^)]*\)\s*$")

UNKNOWN_EXCEPTION = 1002

# The server's own table, HTTPHandler.cpp exceptionCodeToHTTPStatus; everything else is a 500.
_STATUSES: dict[int, int] = {
    159: 408,  # TIMEOUT_EXCEEDED
    **dict.fromkeys((164, 242, 452, 481), 403),  # READONLY, TABLE_IS_READ_ONLY, SETTING_CONSTRAINT_VIOLATION, …
    **dict.fromkeys((497, 516), 403),  # ACCESS_DENIED, AUTHENTICATION_FAILED
    **dict.fromkeys((60, 81, 5), 404),  # UNKNOWN_TABLE, UNKNOWN_DATABASE, FILE_DOESNT_EXIST
    **dict.fromkeys((6, 26, 27, 33, 36, 38, 41, 42, 43, 44, 46, 47, 50, 53, 62, 69, 70, 72, 115, 131), 400),
    **dict.fromkeys((158, 307, 396), 400),  # TOO_MANY_ROWS, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
    48: 501,  # NOT_IMPLEMENTED
    119: 404,  # UNKNOWN_TABLE engine's cousin UNKNOWN_STORAGE
    202: 503,  # TOO_MANY_SIMULTANEOUS_QUERIES
    372: 404,  # SESSION_NOT_FOUND
    373: 423,  # SESSION_IS_LOCKED
}


class ClickHouseFailure(Exception):  # noqa: N818 - an answer to the client, not an error of this process
    """An error as a ClickHouse server words it; `code` is ClickHouse's number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """Return the HTTP status that a server answers with."""
        return _STATUSES.get(self.code, 500)


def refusal(code: int, name: str, reason: str) -> ClickHouseFailure:
    """Return an error of the HTTP front itself, worded like the engine's own."""
    return ClickHouseFailure(code, f"Code: {code}. DB::Exception: {reason} ({name})")


def engine_failure(message: str, version: str) -> ClickHouseFailure:
    """Return the engine's error as a server sends it: `Code: N. DB::Exception: …. (NAME) (version …)`."""
    start = message.find("Code: ")
    text = message[start:].strip() if start >= 0 else message.strip()
    found = _CODE.search(text)
    code = int(found.group(1)) if found else UNKNOWN_EXCEPTION
    if not _VERSION_AT_END.search(text):
        text = f"{text} (version {version} (official build))"
    return ClickHouseFailure(code, text)

"""ClickHouse's errors: their codes, names and HTTP statuses."""

import re

_CODE = re.compile(r"Code: (\d+)\.")
_NAME_AT_END = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")
_VERSION_AT_END = re.compile(r"\(version [^)]*\)\s*$")

UNKNOWN_EXCEPTION = 1002
_ACCESS_DENIED = 497
_WRAPPER = re.compile(r"^(?:Code: \d+\. DB::Exception: )+(?=Code: )")
_WRAPPED = re.compile(r" \(version [^)]*\)\. \([A-Z_]+\)")
_BODY_FILE = re.compile(r"/proc/self/fd/\d+")

# As src/Server/HTTP/exceptionCodeToHTTPStatus.cpp of ClickHouse has them; everything else is a 500.
_BAD_REQUEST = (6, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 117, 321, 427, 441, 675, 676)
_FORBIDDEN = (192, 193, 497, 512, 516)
_NOT_FOUND = (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 133, 336, 511)
_STATUSES = {
    **dict.fromkeys(_BAD_REQUEST, 400),
    **dict.fromkeys(_FORBIDDEN, 403),
    **dict.fromkeys(_NOT_FOUND, 404),
    48: 501,  # NOT_IMPLEMENTED
    159: 408,  # TIMEOUT_EXCEEDED
    209: 503,  # SOCKET_TIMEOUT
    439: 503,  # CANNOT_SCHEDULE_TASK
}

# What a server has and chDB has not, by a piece of the engine's own message.
_MISSING = {
    "keeper_map_path_prefix": "table engine KeeperMap",
    "without ZooKeeper": "replication",
    "(CLUSTER_DOESNT_EXIST)": "clusters and no ON CLUSTER",
    "(ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND)": "user management",
    "(UNKNOWN_ROLE)": "user management",
    "'system.query_log'": "query_log",
    "'system.zookeeper'": "Keeper",
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


def no_room(error: OSError) -> ClickHouseFailure:
    """Return the error for a request's body that does not fit on the disk."""
    return refusal(243, "NOT_ENOUGH_SPACE", f"Cannot take the request's body in: {error.strerror}.")


def engine_failure(message: str, version: str) -> ClickHouseFailure:
    """Return the engine's error as a server sends it: `Code: N. DB::Exception: …. (NAME) (version …)`."""
    start = message.find("Code: ")
    text = message[start:].strip() if start >= 0 else message.strip()
    # chDB wraps some errors in themselves, once for each layer they pass.
    text = _BODY_FILE.sub("the request's body", _WRAPPED.sub("", _WRAPPER.sub("", text)))
    found = _CODE.search(text)
    code = int(found.group(1)) if found else UNKNOWN_EXCEPTION
    for sign, missing in _MISSING.items():
        if sign in text:
            text = f"{text} [The embedded engine has no {missing}: point TOKENTRAIL_CLICKHOUSE at a ClickHouse server.]"
            break
    if code == _ACCESS_DENIED and "READ ON FILE" in text:
        text = f"{text} [In the database `default` the embedded engine takes a table that does not exist for a file.]"
    if not _VERSION_AT_END.search(text):
        text = f"{text} (version {version} (official build))"
    return ClickHouseFailure(code, text)

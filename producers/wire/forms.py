"""The short fields of a multipart form: uploads of audio and images name their model there (RFC 7578)."""

import re
from typing import Final

MAX_FIELD_BYTES: Final = 65_536
"""A longer part is a file."""
_MAX_PARTS: Final = 64
_NAME: Final = re.compile(rb'(?i)^content-disposition:[^\r\n]*[; \t]name="([^"\r\n]{1,100})"', re.MULTILINE)
_FILE: Final = re.compile(rb"(?i)^content-disposition:[^\r\n]*[; \t]filename\*?=", re.MULTILINE)


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form that are no files, the last of a name; empty for what is no form.

    The boundary is the body's own first line, so that no header is needed. Files are passed over, not copied.
    """
    boundary, end_of_line, _ = body[:200].partition(b"\r\n")
    if not end_of_line or not boundary.startswith(b"--"):
        return {}
    fields: dict[str, str] = {}
    start = len(boundary) + 2
    for _ in range(_MAX_PARTS):
        end = body.find(b"\r\n" + boundary, start)
        if end < 0:
            break
        _take_part(body, start, end, fields)
        start = end + len(boundary) + 4
    return fields


def _take_part(body: bytes, start: int, end: int, fields: dict[str, str]) -> None:
    head_end = body.find(b"\r\n\r\n", start, end)
    if head_end < 0 or end - head_end > MAX_FIELD_BYTES:
        return
    head = body[start:head_end]
    name = _NAME.search(head)
    if name and not _FILE.search(head):
        fields[name[1].decode("utf-8", "replace")] = body[head_end + 4 : end].decode("utf-8", "replace")

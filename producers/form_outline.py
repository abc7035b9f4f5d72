"""What stands for a form that is sent as a stream: its fields as they are, and of each file what tells it apart."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

_END_BYTES: Final = 1024
"""So much of either end of a file in memory is looked at: pieces of a recording are equal in name and length."""


def form_outline(parts: Iterable[tuple[bytes, bytes]], length: str = "") -> bytes:
    """Return a multipart form (RFC 7578) of parts: the lines of each head, and its value.

    The same parts and length give the same bytes, whatever boundary is sent: so an upload is known again when it is
    repeated. The boundary is a hash of what it separates; no value can hold it.
    """
    written = [b"\r\n%b\r\n\r\n%b\r\n" % part for part in parts]
    boundary = b"--" + blake2b(b"".join(written), digest_size=16).hexdigest().encode()
    return b"".join([line for part in written for line in (boundary, part)]) + boundary + b"--\r\n" + length.encode()


def file_mark(content: object) -> bytes:
    """Return a hash of length and ends of a file that is in memory; of any other nothing, and it is not touched."""
    if isinstance(content, BytesIO):
        with content.getbuffer() as view:
            return _mark(view)
    return _mark(memoryview(content)) if isinstance(content, (bytes, bytearray)) else b""


def fields_outline(fields: Iterable[tuple[Mapping[str, Any], Any]]) -> bytes:
    """Return the outline of fields as aiohttp keeps them: `name`, perhaps `filename`, and a value.

    A value that is no text, or has a file name, counts as a file.
    """
    return form_outline([_part(options, value) for options, value in fields])


def _part(options: Mapping[str, Any], value: object) -> tuple[bytes, bytes]:
    filename = options.get("filename")
    head = f'Content-Disposition: form-data; name="{_quoted(options["name"])}"'
    if filename is None and isinstance(value, str):
        return head.encode(), value.encode("utf-8", "replace")
    content = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return f'{head}; filename="{_quoted(filename or "")}"'.encode(), file_mark(content)


def _quoted(name: object) -> str:
    return str(name).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _mark(view: memoryview) -> bytes:
    ends = blake2b(view[:_END_BYTES], digest_size=16)
    ends.update(view[-_END_BYTES:])
    return b"%d %b" % (view.nbytes, ends.hexdigest().encode())

"""The recorded exchanges of tests/producers/exchanges: what was asked, what was answered, what is to be read of it."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

EXCHANGES = Path(__file__).parents[1] / "producers" / "exchanges"


def exchange_names() -> list[str]:
    """Return the names of all exchanges."""
    return sorted(path.stem for path in EXCHANGES.glob("*.json"))


def load_exchange(name: str) -> dict[str, Any]:
    """Return one exchange."""
    exchange: dict[str, Any] = json.loads((EXCHANGES / f"{name}.json").read_bytes())
    return exchange


def request_bytes(exchange: dict[str, Any]) -> bytes:
    """Return the request's body: JSON, text as it is (a form's), or nothing."""
    return _encode(exchange.get("request_body"))


def answer_bytes(exchange: dict[str, Any]) -> bytes:
    """Return the answer's body, as it goes over the wire."""
    response = exchange["response"]
    if "sse" in response:
        return b"".join(_event(event) for event in response["sse"])
    if "json_array" in response:
        return b"[" + b"\n,\r\n".join(_encode(element) for element in response["json_array"]) + b"\n]\n"
    if "json_lines" in response:
        return b"".join(_encode(line) + b"\n" for line in response["json_lines"])
    if "frames" in response:
        return b"".join(frame_bytes(**frame) for frame in response["frames"])
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    return _encode(response.get("body"))


def frame_bytes(*, payload: Any = None, invoke: Any = None, **headers: str) -> bytes:
    """Return one frame of an AWS event stream: `event` or `exception` is its name, `invoke` a chunk's content."""
    if invoke is not None:
        headers, payload = {"event": "chunk"}, {"bytes": base64.b64encode(_encode(invoke)).decode(), "p": "abcdefgh"}
    kind, name = next(iter(headers.items()))
    told = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    encoded = b"".join(_frame_header(header, value) for header, value in told.items())
    body = _encode(payload)
    prelude = struct.pack(">II", 16 + len(encoded) + len(body), len(encoded))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + body
    return message + struct.pack(">I", zlib.crc32(message))


def _frame_header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def _event(event: Any) -> bytes:
    """Return a server-sent event: a name and its data, data alone, or lines as they are."""
    if isinstance(event, list):
        return f"event: {event[0]}\ndata: ".encode() + _encode(event[1]) + b"\n\n"
    if isinstance(event, dict):
        return b"data: " + _encode(event) + b"\n\n"
    return str(event).encode() + b"\n\n"


def _encode(value: Any) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()

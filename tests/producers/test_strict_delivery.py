"""Strict delivery on a real spool: the call that cannot be recorded is not made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import httpx2, tokentrail
from tokentrail.errors import RecordingRefusedError
asked, refused = [], 0
transport = httpx2.MockTransport(lambda request: asked.append(request) or httpx2.Response(200, json={"model": "m"}))
client = tokentrail.httpx_client(transport=transport, service="strict")
for number in range(CALLS):
    try:
        client.post("https://api.openai.com/v1/chat/completions", json={"model": "m", "n": number})
    except RecordingRefusedError:
        refused += 1
by_hand = 0
try:
    with tokentrail.call(endpoint="/x", provider="acme", model="m"):
        by_hand += 1
except RecordingRefusedError:
    pass
started = tokentrail.stats().recorded
print(len(asked), refused, by_hand)
"""


def run(calls: int, **environ: str) -> list[int]:
    """Return how many calls were made, how many refused, and how many made by hand."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    own = {"TOKENTRAIL_DELIVERY": "strict", "TOKENTRAIL_KEY_PEPPER": "of the tests", **environ}
    command = [sys.executable, "-c", PROGRAM.replace("CALLS", str(calls))]
    ended = subprocess.run(command, env={**kept, **own}, capture_output=True, text=True, timeout=60, check=True)
    return [int(number) for number in ended.stdout.split()]


def test_with_room_every_call_is_made(tmp_path: Path) -> None:
    assert run(20, TOKENTRAIL_SPOOL=str(tmp_path)) == [20, 0, 1]


def test_a_full_spool_refuses_calls(tmp_path: Path) -> None:
    made, refused, by_hand = run(120, TOKENTRAIL_SPOOL=str(tmp_path), TOKENTRAIL_SPOOL_MAX_BYTES="65536")

    assert made + refused == 120
    assert refused > 20
    assert by_hand == 0


@pytest.mark.parametrize("place", ["/dev/null/spool", "/proc/spool"])
def test_a_spool_that_cannot_be_made_refuses_every_call(place: str) -> None:
    assert run(3, TOKENTRAIL_SPOOL=place) == [0, 3, 0]

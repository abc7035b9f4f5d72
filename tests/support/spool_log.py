"""What processes have left in a spool: every event, by producer, checked for gaps, doubles and breaks."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from tokentrail.producers.spool.frames import read_frames
from tokentrail.schemas.events import GENESIS_HASH


def read_spool(root: Path) -> dict[str, list[bytes]]:
    """Return the events of every directory below the root as bytes, in the order they were written, by producer."""
    found: dict[str, list[bytes]] = {}
    for directory in sorted(path for path in root.glob("*") if path.is_dir()):
        for segment in sorted(directory.glob("*.seg*")):
            for frame in read_frames(segment.read_bytes(), final=True).frames:
                found.setdefault(frame.record.key.decode(), []).append(frame.record.value)
    return found


def read_whole_chains(root: Path) -> list[dict[str, Any]]:
    """Return every event; each producer's are numbered from 1 without a gap, and hang together."""
    events = []
    for values in read_spool(root).values():
        before = GENESIS_HASH
        for number, value in enumerate(values, start=1):
            event = msgspec.json.decode(value)
            assert (event["producer_seq"], event["prev_hash"]) == (number, before)
            before = sha256(value).hexdigest()
            events.append(event)
    assert len({event["event_id"] for event in events}) == len(events)
    return events


def completed_labels(root: Path, label: str) -> list[str]:
    """Return a label of every completed call, sorted; each has its started event too."""
    events = read_whole_chains(root)
    started = {event["call_id"] for event in events if event["type"] == "llm.call.started"}
    completed = [event for event in events if event["type"] == "llm.call.completed"]
    assert {event["call_id"] for event in completed} <= started
    assert len({event["call_id"] for event in completed}) == len(completed)
    return sorted(event[label] for event in completed)

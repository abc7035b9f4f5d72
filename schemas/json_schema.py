"""JSON Schemas of what travels: `python -m tokentrail.schemas.json_schema` writes them to `schemas/json/`.

A test holds the committed files against the types, so that no contract changes unseen.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from tokentrail.schemas.alert_controls import Acknowledgement, Silence
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.dead_letters import DeadLetter
from tokentrail.schemas.events import CallCompleted, CallStarted, ProducerStats, Watermark
from tokentrail.schemas.rules import RuleFile
from tokentrail.schemas.slices import SliceFrame

DIRECTORY: Final = Path(__file__).parent / "json"
DOCUMENTS: Final[dict[str, Any]] = {
    "llm.call.started": CallStarted,
    "llm.call.completed": CallCompleted,
    "llm.watermark": Watermark,
    "producer.stats": ProducerStats,
    "llm.slices.frame": SliceFrame,
    "llm.alert": Alert,
    "llm.alert-controls.acknowledgement": Acknowledgement,
    "llm.alert-controls.silence": Silence,
    "llm.dead-letter": DeadLetter,
    "rule-file": RuleFile,
}
"""Document name → type. A slice frame is msgpack: its schema describes the arrays that msgpack carries."""


def render_schema(name: str) -> bytes:
    """Return a document's JSON Schema (draft 2020-12), formatted, with a final newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    schema.update(msgspec.json.schema(DOCUMENTS[name]))
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"


def write_schemas(directory: Path = DIRECTORY) -> list[Path]:
    """Write every schema as `<name>.schema.json`; returns the files."""
    written = []
    for name in DOCUMENTS:
        path = directory / f"{name}.schema.json"
        path.write_bytes(render_schema(name))
        written.append(path)
    return written


if __name__ == "__main__":
    write_schemas()

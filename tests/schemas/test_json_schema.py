from pathlib import Path

import jsonschema
import msgspec
import pytest

import tokentrail.schemas
from tokentrail.schemas.json_schema import DIRECTORY, DOCUMENTS, render_schema

EXAMPLES = Path(tokentrail.schemas.__file__).parent / "examples"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_schema_is_that_of_the_type(name: str) -> None:
    committed = (DIRECTORY / f"{name}.schema.json").read_bytes()
    assert committed == render_schema(name), "run: python -m tokentrail.schemas.json_schema"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_an_example_satisfies_its_schema_and_decodes(path: Path) -> None:
    document = msgspec.json.decode(path.read_bytes())
    jsonschema.validate(document, msgspec.json.decode(render_schema(path.stem)))
    msgspec.json.decode(path.read_bytes(), type=DOCUMENTS[path.stem])


def test_every_json_document_has_an_example() -> None:
    binary_or_toml = {"llm.slices.frame", "rule-file"}
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(DOCUMENTS) - binary_or_toml

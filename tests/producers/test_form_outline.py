"""What stands for a form: readable as one, the same for the same upload, another for another."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.form_outline import fields_outline, file_mark, form_outline
from tokentrail.producers.wire.forms import read_form

NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=8)


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


@given(st.dictionaries(NAMES, st.text(max_size=60).filter(_is_utf8), min_size=1, max_size=6))
def test_every_field_is_read_again_whatever_it_holds(fields: dict[str, str]) -> None:
    assert read_form(fields_outline(({"name": name}, value) for name, value in fields.items())) == fields


def test_a_value_cannot_pass_for_another_field() -> None:
    innocent = fields_outline([({"name": "model"}, "cheap"), ({"name": "prompt"}, "x")])
    boundary = innocent.partition(b"\r\n")[0].decode()
    forged = f'x\r\n{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear'
    fields: list[tuple[dict[str, Any], Any]] = [({"name": "model"}, "cheap"), ({"name": "prompt"}, forged)]
    assert read_form(fields_outline(fields)) == {"model": "cheap", "prompt": forged}


@pytest.mark.parametrize("other", [b"sound of another", b"sound" + bytes(9), BytesIO(b"sound of another"), None])
def test_files_in_memory_are_told_apart(other: Any) -> None:
    def outline(content: Any) -> bytes:
        return fields_outline([({"name": "file", "filename": "a.mp3"}, content)])

    assert outline(b"sound") == outline(BytesIO(b"sound")) != outline(other)
    assert read_form(outline(b"sound")) == {}


def test_the_length_of_a_file_that_is_not_touched_tells_uploads_apart() -> None:
    part = (b'Content-Disposition: form-data; name="file"; filename="a.mp3"', file_mark(object()))
    assert part[1] == b""
    assert form_outline([part], "100") == form_outline([part], "100") != form_outline([part], "200")


def test_a_name_cannot_leave_its_line() -> None:
    name = 'a"\r\nContent-Disposition: form-data; name="model'
    assert "model" not in read_form(fields_outline([({"name": name}, "x")]))

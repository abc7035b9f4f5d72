"""Views: their names tell them apart."""

import pytest
from made_rows import many_calls

from tokentrail.processors.views import SEPARATOR, views_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"service": "a|b"}, {"service": ["a", "b"]}),
        ({"service": "a&user_id=b"}, {"service": "a", "user_id": "b"}),
        ({"service": ""}, {"service": '""'}),
        ({"service": ["", "a"]}, {"service": "|a"}),
    ],
)
def test_views_with_other_filters_have_other_names(
    one: dict[str, str | list[str]], other: dict[str, str | list[str]]
) -> None:
    names = {view.name for where in (one, other) for view in views_of(many_calls(where=where))}
    assert len(names) == 2


def test_a_name_reads_as_people_write_filters() -> None:
    (view,) = views_of(many_calls(where={"service": ["pay", "checkout out"]}, where_not={"status": "SUCCESS"}))
    assert view.name == "user_id?service=checkout out|pay&status!=SUCCESS"


def test_no_name_holds_what_separates_it_from_an_entity() -> None:
    (view,) = views_of(many_calls(where={"service": f"a{SEPARATOR}b"}))
    assert SEPARATOR not in view.name

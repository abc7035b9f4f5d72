import pytest

from tokentrail.processors.rule_places import find_line

TEXT = '''\
# [[rule]] in a comment
[[rule]]
name = "one"
summary = """
metric = "not this"
[[rule]]
"""
metric = "calls"  # [[rule]]

[[maintenance]]
name = "window"

[[rule]]
"name" = "two"
condition.type = "threshold"
condition . above = 3
by = [
    "user_id",
    ["department", "request_model"],
]
[rule.where]
service = "checkout"

[[rule]]
name = "three"
condition = { type = "ratio_to_baseline", factor = 3 }
'''


@pytest.mark.parametrize(
    ("array", "table", "path", "line"),
    [
        ("rule", 0, (), 2),
        ("rule", 0, ("name",), 3),
        ("rule", 0, ("metric",), 8),
        ("rule", 0, ("severity",), 2),
        ("rule", 1, ("name",), 14),
        ("rule", 1, ("condition", "above"), 16),
        ("rule", 1, ("by",), 17),
        ("rule", 1, ("where", "service"), 22),
        ("rule", 2, ("condition", "factor"), 26),
        ("rule", 2, ("condition", "colour"), 26),
        ("maintenance", 0, ("name",), 11),
    ],
)
def test_a_field_is_found_on_its_line(array: str, table: int, path: tuple[str, ...], line: int) -> None:
    assert find_line(TEXT, array, table, path) == line

import pytest

from tokentrail.cli.storage import _kept

MONTH = "toStartOfMonth(toDate(appended_at)) + toIntervalMonth(1)"


@pytest.mark.parametrize(
    ("ttl", "told"),
    [
        ("", "forever"),
        (f"({MONTH}) + toIntervalDay(120)", "120 days after its month"),
        (
            f"({MONTH}) + toIntervalDay(30) TO VOLUME 'cold', ({MONTH}) + toIntervalDay(120)",
            "to cold 30 days after its month, 120 days after its month",
        ),
        ("somebody's own", "somebody's own"),
    ],
)
def test_how_long_rows_are_kept_is_told_in_days(ttl: str, told: str) -> None:
    assert _kept(ttl) == told

"""Which of several entries of a mapping holds on a day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.errors import AttributionError
from tokentrail.processors.mappings import (
    FIRST_DAY,
    LAST_DAY,
    MappingEntry,
    RecordedMapping,
    attribute,
    holding,
    read_mappings,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEADER = "dimension,value,target,target_value,valid_from,valid_until,note\n"


def recorded(number: int, told: str, first: int = 0, last: int | None = None, **fields: Any) -> RecordedMapping:
    start = date(2026, 11, 1)
    facts: dict[str, Any] = {"dimension": "user_id", "value": "ann", "target": "team", "target_value": told, **fields}
    return RecordedMapping(
        **facts,
        valid_from=start + timedelta(days=first),
        valid_until=LAST_DAY if last is None else start + timedelta(days=last),
        recorded_at=NOON + timedelta(minutes=number),
    )


def teams(entries: list[RecordedMapping], days: int) -> list[str]:
    start = date(2026, 11, 1)
    return [attribute({"user_id": "ann"}, holding(entries, start + timedelta(days=day)), "team") for day in range(days)]


def test_a_late_correction_moves_history_and_only_its_days() -> None:
    entries = [recorded(0, "blue"), recorded(1, "red", 2), recorded(2, "green", 1, 3)]
    assert teams(entries, 5) == ["blue", "green", "green", "red", "red"]


def test_an_ended_mapping_holds_no_more_and_an_older_one_does_not_come_back() -> None:
    assert teams([recorded(0, "blue"), recorded(1, "red"), recorded(2, "", 1, 2)], 3) == ["red", "", "red"]


def test_within_an_import_the_later_line_holds() -> None:
    first = recorded(0, "blue")
    later = RecordedMapping(
        **{name: getattr(first, name) for name in first.__struct_fields__} | {"position": 1, "target_value": "red"}
    )
    assert teams([later, first], 1) == ["red"]


def test_a_key_says_more_than_its_user_and_a_user_more_than_the_call_itself() -> None:
    held = [
        recorded(9, "by user", value="ann", target="department"),
        recorded(0, "by key", dimension="api_key_id", value="k1", target="department"),
    ]
    day = held[0].valid_from
    for call, department in (
        ({"user_id": "ann", "api_key_id": "k1", "department": "own"}, "by key"),
        ({"user_id": "ann", "api_key_id": "k2", "department": "own"}, "by user"),
        ({"user_id": "bob", "department": "own"}, "own"),
        ({}, ""),
    ):
        assert attribute(call, holding(held, day), "department") == department


@given(st.permutations([recorded(n, str(n), n % 4, n % 4 + 1 + n % 3) for n in range(8)]))
def test_the_order_in_which_entries_are_read_means_nothing(entries: list[RecordedMapping]) -> None:
    assert teams(entries, 8) == teams(sorted(entries, key=lambda entry: entry.recorded_at), 8)


def test_a_file_is_read_with_short_names_and_open_ends() -> None:
    text = HEADER + 'key,k1,department,"Sales, EMEA",2026-11-01,,moved\nuser,ann,team,blue,,2026-12-01,\n'
    assert read_mappings(text, "m.csv") == [
        MappingEntry(dimension="api_key_id", value="k1", target="department", target_value="Sales, EMEA",
                     valid_from=date(2026, 11, 1), note="moved"),
        MappingEntry(dimension="user_id", value="ann", target="team", target_value="blue",
                     valid_from=FIRST_DAY, valid_until=date(2026, 12, 1)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n", "m.csv:1: the header lacks dimension"),
        (HEADER.strip() + ",x\n", "has no use for x"),
        (HEADER + "planet,x,team,y,,,\n", r"m.csv:2: 'planet' cannot be mapped; choose from api_key_id"),
        (HEADER + "user,x,team,y,,,\nuser,x,boss,y,,,\n", "m.csv:3: Nothing is mapped to a 'boss'"),
        (HEADER + "user,x,team,y,yesterday,,\n", "m.csv:2: Invalid isoformat"),
        (HEADER + "user,x,team,y,2026-11-02,2026-11-02,\n", "holds no day"),
        (HEADER + "user,,team,y,,,\n", "needs a value"),
        (HEADER + "department,x,department,x,,,\n", "mapped to itself"),
        (HEADER + "user,x,team,y,,,,,\n", "more cells"),
        ("", "the header lacks"),
        (HEADER + f"user,{'x' * 140_000},team,y,,,\n", "m.csv:1: this is no CSV: field larger"),
    ],
)
def test_what_means_nothing_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(AttributionError, match=told):
        read_mappings(text, "m.csv")

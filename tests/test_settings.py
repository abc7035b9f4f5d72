from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.stack import Stack
from tokentrail.compose.embedded.stack_plan import WORKERS, StackPlan
from tokentrail.compose.embedded.stack_state import write_state
from tokentrail.compose.trail_status import inspect_trail, settings_of_stack
from tokentrail.errors import EngineError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect

# Nobody listens on port 1.
SECRETIVE = Settings(kafka="127.0.0.1:1", clickhouse="http://writer:hush@127.0.0.1:1")


@pytest.mark.parametrize(
    ("clickhouse", "shown"),
    [
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("https://writer:hush@db.example:8443/trail", "https://db.example:8443/trail"),
        ("https://writer@db.example", "https://db.example"),
        ("https://db.example?user=writer&password=hush", "https://db.example"),
        ("writer:hush@db.example", "db.example"),
        ("db.example:8123", "db.example:8123"),
    ],
)
def test_the_address_is_shown_without_user_and_password(clickhouse: str, shown: str) -> None:
    assert Settings(clickhouse=clickhouse).clickhouse_address == shown


@given(st.text(), st.text())
def test_whatever_a_password_holds_is_not_shown(user: str, password: str) -> None:
    assert Settings(clickhouse=f"http://{user}:{password}@[::1]:8123").clickhouse_address == "http://[::1]:8123"


def test_an_engine_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(EngineError, match=r"ClickHouse at http://127\.0\.0\.1:1 cannot be reached") as refused:
        connect(SECRETIVE)
    assert "hush" not in str(refused.value)


async def test_the_state_of_a_trail_shows_no_password() -> None:
    assert "hush" not in repr(await inspect_trail(SECRETIVE))


def test_a_stacks_file_keeps_no_password_and_the_settings_own_serves_again(tmp_path: Path) -> None:
    kept = Stack(StackPlan(data=tmp_path, settings=SECRETIVE, parts=WORKERS), lambda _: None)._state()
    assert kept.clickhouse == "http://127.0.0.1:1"
    (tmp_path / "run").mkdir()
    write_state(tmp_path, kept)
    assert settings_of_stack(tmp_path, SECRETIVE).clickhouse == SECRETIVE.clickhouse
    assert settings_of_stack(tmp_path, Settings()).clickhouse == "http://127.0.0.1:1"

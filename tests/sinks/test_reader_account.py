"""What is said to a server that keeps accounts; the embedded engine keeps none, so its parser alone is asked."""

import logging
from types import SimpleNamespace
from typing import Any

import clickhouse_connect
import msgspec
import pytest

from tokentrail.errors import SettingsError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.reader_account import create_reader_account

LIMITS = (
    "readonly = 1, max_execution_time = 30, max_rows_to_read = 1000000000, max_result_rows = 1000000, "
    "max_memory_usage = 2147483648, max_ast_elements = 50000"
)
IDENTIFIED = f"`tokentrail_reader` IDENTIFIED WITH sha256_password BY {{password:String}} SETTINGS {LIMITS}"


class Server:
    """Records what a server that keeps accounts, and lets us make them, is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str] | None]] = []

    def query(self, _: str) -> Any:
        return SimpleNamespace(result_rows=[(1,)])

    def command(self, statement: str, parameters: dict[str, str] | None = None) -> int:
        if not statement.startswith("CHECK GRANT"):
            self.told.append((statement, parameters))
        return 1


def test_the_account_is_made_with_its_password_and_an_earlier_one_gets_the_new_password() -> None:
    server = Server()
    settings = Settings(clickhouse_reader_password="it's")
    assert create_reader_account(server, settings)  # type: ignore[arg-type]  # records, does not connect
    assert server.told == [
        (f"CREATE USER IF NOT EXISTS {IDENTIFIED}", {"password": "it's"}),
        (f"ALTER USER {IDENTIFIED}", {"password": "it's"}),
        ("GRANT SELECT, SHOW ON `tokentrail`.* TO `tokentrail_reader`", None),
    ]


def test_without_a_password_no_account_is_made_and_the_setting_is_named(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    with caplog.at_level(logging.WARNING):
        assert not create_reader_account(server, Settings())  # type: ignore[arg-type]  # records, does not connect
    assert server.told == []
    assert "TOKENTRAIL_CLICKHOUSE_READER_PASSWORD" in caplog.text


def test_the_writers_account_is_never_made_the_reader() -> None:
    server = Server()
    settings = Settings(clickhouse_user="one", clickhouse_reader_user="one", clickhouse_reader_password="x")
    with pytest.raises(SettingsError, match="both 'one'"):
        create_reader_account(server, settings)  # type: ignore[arg-type]  # records, does not connect
    assert server.told == []


@pytest.mark.engine
def test_the_engines_parser_takes_every_statement(settings: Settings) -> None:
    server = Server()
    named = msgspec.structs.replace(settings, clickhouse_reader_user="a`b\\c", clickhouse_reader_password="x")
    create_reader_account(server, named)  # type: ignore[arg-type]  # records, does not connect
    with clickhouse_connect.get_client(dsn=settings.clickhouse) as client:
        for statement, _ in server.told:
            parsed = client.query("SELECT formatQuery({text:String})", {"text": statement}).result_rows[0][0]
            assert "a\\`b\\\\c" in parsed

"""What is said to a server that keeps accounts, for an auditor."""

from types import SimpleNamespace
from typing import Any

import clickhouse_connect
import msgspec
import pytest

from tokentrail.errors import SettingsError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.auditor_account import create_auditor_account
from tokentrail.sinks.clickhouse.migrations import migrate

LIMITS = (
    "readonly = 1, max_execution_time = 30, max_rows_to_read = 1000000000, max_result_rows = 1000000, "
    "max_memory_usage = 2147483648, max_ast_elements = 50000"
)
ACCOUNT = f"`tokentrail_auditor` IDENTIFIED WITH sha256_password BY {{password:String}} SETTINGS {LIMITS}"
GRANTED = "SELECT, SHOW ON `tokentrail`.{} TO `tokentrail_auditor`"
OPEN = "SELECT(`kafka_partition`, `model`), SHOW ON `tokentrail`.{} TO `tokentrail_auditor`"


class Server:
    """Records what a server that keeps accounts is told; every table has two columns that are nobody's."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str] | None]] = []

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        assert parameters is None or {"user_id", "attributes"} <= set(parameters["personal"])
        return SimpleNamespace(result_rows=[("kafka_partition",), ("model",)] if "system.columns" in sql else [(1,)])

    def command(self, statement: str, parameters: dict[str, str] | None = None) -> int:
        if not statement.startswith("CHECK GRANT"):
            self.told.append((statement, parameters))
        return 1


def test_an_auditor_reads_the_archive_and_of_calls_what_is_nobodys() -> None:
    server = Server()
    assert create_auditor_account(server, Settings(clickhouse_auditor_password="x"))  # type: ignore[arg-type]  # records, does not connect
    whole = ["event_log", "checkpoints", "ledger_findings", "erasures", "erased_rows", "model_rates",
             "schema_migrations", "calls_minute", "usage_hour", "usage_day"]  # fmt: skip
    assert server.told == [
        (f"CREATE USER IF NOT EXISTS {ACCOUNT}", {"password": "x"}),
        (f"ALTER USER {ACCOUNT}", {"password": "x"}),
        ("REVOKE ALL ON *.* FROM `tokentrail_auditor`", None),
        *((f"GRANT {GRANTED.format(table)}", None) for table in whole),
        *((f"GRANT {OPEN.format(table)}", None) for table in ("calls", "cost_corrections", "calls_hour", "calls_day")),
    ]


def test_without_a_password_there_is_no_auditor() -> None:
    server = Server()
    assert not create_auditor_account(server, Settings())  # type: ignore[arg-type]  # records, does not connect
    assert server.told == []


@pytest.mark.parametrize("name", ["default", "tokentrail_reader"])
def test_the_auditor_is_nobody_else(name: str) -> None:
    with pytest.raises(SettingsError, match="clickhouse_auditor_user"):
        Settings(clickhouse_auditor_user=name).require_two_accounts()


@pytest.mark.engine
def test_the_engines_parser_takes_every_statement_and_no_personal_column_is_granted(settings: Settings) -> None:
    migrate(settings)
    server = Server()
    named = msgspec.structs.replace(settings, clickhouse_auditor_password="x")
    with clickhouse_connect.get_client(dsn=settings.clickhouse) as client:
        server.query = lambda sql, parameters=None: (  # type: ignore[method-assign]  # columns as they are
            client.query(sql, parameters) if "system.columns" in sql else SimpleNamespace(result_rows=[(1,)])
        )
        create_auditor_account(server, named)  # type: ignore[arg-type]  # records, does not connect
        for statement, _ in server.told:
            assert client.query("SELECT formatQuery({text:String})", {"text": statement}).result_rows[0][0]
            assert not any(f"`{column}`" in statement for column in ("user_id", "session_id", "error_message"))
        assert sum("`cost_usd`" in statement for statement, _ in server.told) == 3

"""The schema's migrations on a real engine."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from ledger_log import rows

from tokentrail.errors import EngineError, MigrationError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.migrations import ONE_NODE, apply_migrations, migrate, shipped_migrations

TABLES = {
    "event_log",
    "model_rates",
    "calls",
    "calls_from_events_in",
    "event_log_from_events_in",
    "events_in",
    "erased_rows",
    "erased_payloads",
    "erasures",
    "alerts",
    "alert_controls",
    "alerts_latest",
    "incidents",
    "schema_migrations",
    "calls_minute",
    "calls_hour",
    "calls_day",
    "usage_hour",
    "usage_day",
    "calls_minute_from_calls",
    "calls_hour_from_calls",
    "calls_day_from_calls",
    "usage_hour_from_calls",
    "usage_day_from_calls",
    "calls_minute_from_corrections",
    "calls_hour_from_corrections",
    "calls_day_from_corrections",
    "usage_hour_from_corrections",
    "usage_day_from_corrections",
    "rollup_rebuilds",
    "cost_corrections",
    "repricing_runs",
    "calls_corrected",
    "ledger_findings",
    "ledger_follower",
    "checkpoints",
    "mappings",
}


def tables(settings: Settings) -> set[str]:
    return {row[0] for row in rows(settings, "SHOW TABLES")}


@pytest.mark.engine
def test_migrating_makes_the_tables_once(settings: Settings) -> None:
    assert migrate(settings) == [migration.name for migration in shipped_migrations()]
    assert tables(settings) == TABLES
    assert migrate(settings) == []


@pytest.mark.engine
def test_two_at_once_do_no_harm(settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, [settings] * 2))
    assert tables(settings) == TABLES
    assert migrate(settings) == []


@pytest.mark.engine
def test_every_statement_may_be_run_twice(settings: Settings) -> None:
    migrate(settings)
    client = connect(settings)
    client.command(f"TRUNCATE TABLE {settings.clickhouse_database}.schema_migrations")
    client.close()
    assert len(migrate(settings)) == len(shipped_migrations())


@pytest.mark.engine
def test_an_edited_migration_is_refused(settings: Settings) -> None:
    migrate(settings)
    first, *others = shipped_migrations()
    edited = [msgspec.structs.replace(first, sql=first.sql + "\n-- changed"), *others]
    client = connect(settings)
    with pytest.raises(MigrationError, match=r"0001_event_log\.sql is not the file"):
        apply_migrations(client, settings.clickhouse_database, edited, ONE_NODE, settings)
    client.close()


@pytest.mark.engine
def test_a_database_of_a_newer_version_is_refused(settings: Settings) -> None:
    migrate(settings)
    client = connect(settings)
    with pytest.raises(MigrationError, match="newer Tokentrail"):
        apply_migrations(client, settings.clickhouse_database, shipped_migrations()[:-1], ONE_NODE, settings)
    client.close()


def test_an_absent_engine_is_told_in_one_sentence(settings: Settings) -> None:
    with pytest.raises(EngineError, match=r"cannot be reached .*Connection refused.*; check TOKENTRAIL_CLICKHOUSE"):
        migrate(settings)


def test_names_are_numbered_in_order() -> None:
    numbers = [migration.name.partition("_")[0] for migration in shipped_migrations()]
    assert all(len(number) == 4 and number.isdigit() for number in numbers)
    assert numbers == sorted(set(numbers))


def test_the_same_files_serve_a_cluster() -> None:
    words = {
        "database": "`d`",
        "on_cluster": "ON CLUSTER c",
        "merge_tree": "ReplicatedMergeTree",
        "replacing_merge_tree": "ReplicatedReplacingMergeTree",
        "aggregating_merge_tree": "ReplicatedAggregatingMergeTree",
    }
    statements = [statement for migration in shipped_migrations() for statement in migration.statements(words)]
    # Rows go to the other replicas by themselves.
    assert all("ON CLUSTER c" in statement or "\nINSERT INTO" in f"\n{statement}" for statement in statements)
    assert all("$" not in statement for statement in statements)

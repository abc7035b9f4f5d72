"""The database's schema: numbered .sql files, never edited once shipped, and the runner that applies them.

A file holds several statements, each ended by a semicolon at the end of a line. Every statement may be run twice
(IF NOT EXISTS and the like): that makes a migration that was cut short, or run by two at once, harmless. The words
${database}, ${on_cluster} and those of the table engines, as ${merge_tree}, are filled in, so that the same files serve
one node and, with other words, a replicated cluster.
"""

from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.errors import MigrationError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.auditor_account import create_auditor_account
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.reader_account import create_reader_account
from tokentrail.sinks.clickhouse.retention import apply_retention

ONE_NODE: Final = {
    "on_cluster": "",
    "merge_tree": "MergeTree",
    "replacing_merge_tree": "ReplacingMergeTree",
    "aggregating_merge_tree": "AggregatingMergeTree",
}
"""What the files' words mean without a cluster."""

_APPLIED: Final = """
CREATE TABLE IF NOT EXISTS ${database}.schema_migrations ${on_cluster}
(
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${merge_tree}
ORDER BY name
"""


class Migration(msgspec.Struct, frozen=True):
    """One shipped file. `name` begins with its number, so that names sort in order."""

    name: str
    sql: str

    def checksum(self) -> str:
        """SHA-256 of the file as shipped."""
        return sha256(self.sql.encode()).hexdigest()

    def statements(self, words: dict[str, str]) -> list[str]:
        """Return the statements with the words filled in."""
        filled = Template(self.sql).substitute(words)
        return [statement.strip() for statement in (filled + "\n").split(";\n") if statement.strip()]


def shipped_migrations() -> list[Migration]:
    """Return the files of this version, in order."""
    folder = files(__package__)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [Migration(name, folder.joinpath(name).read_text(encoding="utf-8")) for name in names]


def migrate(settings: Settings) -> list[str]:
    """Bring the database to this version's schema; return the names of the files applied. Blocking; may be repeated.

    Where the settings say so, old months get a time to go.

    Raises:
        EngineError: the engine cannot be reached or refuses.
        MigrationError: the database was made by a newer version, or by files that were edited since.
        SettingsError: the settings of retention name a table that there is not, or storage that does not go together.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            applied = apply_migrations(client, settings.clickhouse_database, shipped_migrations(), ONE_NODE, settings)
            apply_retention(client, settings)
            return applied
    finally:
        client.close()


def apply_migrations(
    client: Client, database: str, shipped: list[Migration], words: dict[str, str], settings: Settings
) -> list[str]:
    """Apply what is missing, in order; see `migrate`."""
    words = {**words, "database": f"`{database}`"}
    client.command(Template("CREATE DATABASE IF NOT EXISTS ${database} ${on_cluster}").substitute(words))
    client.command(Template(_APPLIED).substitute(words))
    rows = client.query(f"SELECT DISTINCT name, checksum FROM `{database}`.schema_migrations").result_rows  # noqa: S608  # the name is checked by Settings
    missing = _missing(database, shipped, {(str(name), str(checksum)) for name, checksum in rows})
    for migration in missing:
        for statement in migration.statements(words):
            client.command(statement)
        client.insert(
            "schema_migrations", [[migration.name, migration.checksum()]], ["name", "checksum"], database=database
        )
    create_reader_account(client, settings)
    create_auditor_account(client, settings)
    return [migration.name for migration in missing]


def _missing(database: str, shipped: list[Migration], applied: set[tuple[str, str]]) -> list[Migration]:
    checksums = {migration.name: migration.checksum() for migration in shipped}
    for name, checksum in sorted(applied):
        if name not in checksums:
            raise MigrationError(
                f"Database {database} has migration {name}, which this version does not know: it was made by a newer "
                f"Tokentrail. Upgrade this one, or name another database."
            )
        if checksums[name] != checksum:
            raise MigrationError(
                f"Migration {name} is not the file that database {database} was made with: shipped ones are never "
                f"edited. Restore the file and put the change into a new one."
            )
    done = {name for name, _ in applied}
    return [migration for migration in shipped if migration.name not in done]

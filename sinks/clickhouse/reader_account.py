"""The account behind `tokentrail query`: reads the ledger within limits, and nothing else."""

import logging
from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings

# What one question may cost. A reader cannot change them: readonly = 1 forbids every SET.
LIMITS: Final = (
    "readonly = 1, max_execution_time = 30, max_rows_to_read = 1000000000, max_result_rows = 1000000, "
    "max_memory_usage = 2147483648, max_ast_elements = 50000"
)


_log = logging.getLogger(__name__)


def create_reader_account(client: Client, settings: Settings) -> bool:
    """Bring the reader account to the settings where we may make accounts; return whether it is there.

    Without a `clickhouse_reader_password` none is made, and a warning says so: an account without a password would be
    open to every host that reaches the server. The embedded engine keeps no accounts: the process in front of it holds
    the reader to its limits.

    Raises:
        SettingsError: the reader is the account that writes.
    """
    settings.require_two_accounts()
    if not may_create_users(client):
        return False
    if not settings.clickhouse_reader_password:
        _log.warning(
            "No reader account was made: set clickhouse_reader_password (TOKENTRAIL_CLICKHOUSE_READER_PASSWORD) and "
            "run `tokentrail migrate` again."
        )
        return False
    user, database = quoted(settings.clickhouse_reader_user), f"`{settings.clickhouse_database}`"
    account = f"{user} IDENTIFIED WITH sha256_password BY {{password:String}} SETTINGS {LIMITS}"
    secret = {"password": settings.clickhouse_reader_password}
    client.command(f"CREATE USER IF NOT EXISTS {account}", secret)
    # The account may be an earlier one, with another password and other limits.
    client.command(f"ALTER USER {account}", secret)
    client.command(f"GRANT SELECT, SHOW ON {database}.* TO {user}")
    return True


def may_create_users(client: Client) -> bool:
    """Return whether this server keeps accounts that we may make."""
    stores = client.query("SELECT count() FROM system.user_directories WHERE type IN ('local_directory', 'replicated')")
    if not stores.result_rows[0][0]:
        return False
    granted = client.command("CHECK GRANT CREATE USER, ALTER USER, ROLE ADMIN ON *.*")
    return bool(int(str(granted)))


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"

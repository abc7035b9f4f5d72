"""`tokentrail migrate` as a user types it."""

import json

import pytest
from ledger_log import run_command

from tokentrail.settings import Settings


@pytest.mark.engine
def test_migrating_says_what_was_done(settings: Settings, environ: dict[str, str]) -> None:
    first = json.loads(run_command(environ, "migrate", "--json").stdout)
    assert first["database"] == settings.clickhouse_database
    assert first["applied"][0] == "0001_event_log.sql"
    assert "is up to date" in run_command(environ, "migrate").stdout

"""Secrets go through a service in prompts, headers, URLs, labels and errors; none is found anywhere."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import canaries
import clickhouse_connect
import pytest
from topic_log import read_topic

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import WORKERS, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.schemas import topics
from tokentrail.settings import Settings

FEW, MANY = 100, 1_000  # calls with ten secrets each
campaign = pytest.mark.parametrize("calls", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])


def be_careless(environ: dict[str, str], calls: int) -> bytes:
    """Run the careless service; returns all that it said."""
    command = [sys.executable, canaries.__file__, "7", str(calls)]
    ended = subprocess.run(command, env=environ, capture_output=True, check=True, timeout=200)
    assert ended.stdout.endswith(b"{}\n"), ended.stdout
    return ended.stdout + ended.stderr


def found_in(text: bytes) -> int:
    return text.lower().count(canaries.MARK.lower().encode())


@campaign
def test_no_secret_is_in_the_spool_or_the_log(tmp_path: Path, calls: int) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    own = {"TOKENTRAIL_SPOOL": str(tmp_path / "spool"), "TOKENTRAIL_KEY_PEPPER": "of the tests"}
    said = be_careless({**kept, **own}, calls)

    spooled = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert spooled.count(b'"llm.call.completed"') == 2 * calls
    assert b"Your key is [" in spooled
    assert (found_in(spooled), found_in(said)) == (0, 0)


@pytest.mark.broker
@pytest.mark.engine
@campaign
async def test_no_secret_is_in_a_topic_or_a_table(settings: Settings, tmp_path: Path, calls: int) -> None:
    plan = StackPlan(data=tmp_path / "stack", settings=settings, parts=WORKERS)
    async with running_stack(plan) as stack:
        environ = {**worker_environ(stack.settings), "TOKENTRAIL_SPOOL": str(tmp_path / "spool")}
        await asyncio.to_thread(be_careless, environ, calls)
        tables = await read_tables(stack, 2 * calls)
        logs = b"".join(path.read_bytes() for path in (tmp_path / "stack").rglob("*.log") if path.is_file())
        records = [record for topic in topics.TOPICS for record in await read_topic(stack.settings, topic.name)]

    written = b"".join(
        part
        for record in records
        for part in (record.key or b"", record.value or b"", *(value for _, value in record.headers))
    )
    assert written.count(b'"llm.call.completed"') >= 2 * calls
    assert (found_in(written), found_in(tables), found_in(logs)) == (0, 0, 0)


async def read_tables(stack: Stack, calls: int) -> bytes:
    """Return everything that both tables hold, once they hold so many calls."""
    settings = stack.settings
    client = await clickhouse_connect.get_async_client(dsn=settings.clickhouse, database=settings.clickhouse_database)
    async with asyncio.timeout(90):
        while (await client.query("SELECT count() FROM calls")).result_rows[0][0] < calls:  # noqa: ASYNC110 - a table has no event
            await asyncio.sleep(0.2)
    found: bytes = b"".join([
        await client.raw_query(f"SELECT * FROM {table} FORMAT JSONEachRow")  # noqa: S608 - tables of ours
        for table in ("event_log", "calls")
    ])  # fmt: skip
    await client.close()
    return found

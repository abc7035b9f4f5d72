"""Cleaning: takes a subject's values out of the tables' rows, first so that nobody reads them, then from the disk.

Rows are named by their place alone: the engine keeps the text of its mutations, and no value of a subject is in one.
Blocking.
"""

import uuid
from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tokentrail.processors.sealing import OWN_ATTRIBUTES
from tokentrail.schemas.topics import ALERT_CONTROLS, ALERTS, CALLS
from tokentrail.sinks.erasure.subject import Subject
from tokentrail.sinks.erasure.traces import QUIET

_LIGHTWEIGHT: Final = {**QUIET, "lightweight_delete_mode": "lightweight_update"}
_AT_ONCE: Final = {**QUIET, "mutations_sync": 2}
_PERSONAL_OF_CALLS: Final = (
    "user_id", "session_id", "ip_address", "user_agent", "error_message", "request_hash", "response_hash",
)  # fmt: skip


class Cleaning:
    """What one erasure, or several of the same subject of which some were cut short, does to the tables."""

    def __init__(
        self,
        client: Client,
        database: str,
        subject: Subject,
        erasure_ids: Sequence[str],
        kept_attributes: Sequence[str],
    ) -> None:
        self._client = client
        self._name = database
        self._database = f"`{database}`"
        self._subject = subject
        self._ids = "(" + ", ".join(f"'{uuid.UUID(erasure_id).hex}'" for erasure_id in erasure_ids) + ")"
        self._kept = kept_attributes

    def hide(self) -> bool:
        """Replace the values; from here on no query reads the old ones. Small parts beside the rows, no rewriting.

        False where the engine did not do so for some table: its old values are read until `rewrite` is through.
        """
        hidden = True
        for table, assignments, condition in self._changes():
            # Without lightweight updates (before ClickHouse 25.7) the mutation that follows is the first to do it.
            try:
                self._client.command(
                    f"UPDATE {self._database}.{table} SET {assignments} WHERE {condition}",  # noqa: S608  # names of ours
                    settings=_LIGHTWEIGHT,
                )
            except DatabaseError:
                hidden = False
        return hidden

    def rewrite(self) -> None:
        """Write the rows anew; the engine lets the old parts go within a minute or two."""
        for table, assignments, condition in self._changes():
            self._client.command(
                f"ALTER TABLE {self._database}.{table} UPDATE {assignments} WHERE {condition}",
                settings=_AT_ONCE,
            )

    def forget_user_in_keys(self) -> list[tuple[str, int]]:
        """Give a user's rows to nobody where `user_id` is part of a table's key; return the tables and their rows.

        A month is replaced as a whole and at once: sums stay the same to the last digit, whatever dies in between.
        The caller sees to it that nobody inserts meanwhile.
        """
        if self._subject.kind != "user":
            return []
        tables = self._client.query(
            "SELECT table FROM system.columns WHERE database = {database:String} AND name = 'user_id' "
            "AND is_in_sorting_key ORDER BY table",
            {"database": self._name},
        ).result_rows
        forgotten = [(table, self._replace_months(table, "user_id = {subject:String}")) for (table,) in tables]
        mapped = self._replace_months("mappings", "dimension = 'user_id' AND value = {subject:String}", drop=True)
        return [*forgotten, ("mappings", mapped)]

    def count_noted(self, topic: str, table: str) -> int:
        """Return how many rows of a table this erasure is about."""
        query = f"SELECT count() FROM {self._database}.{table} WHERE {self._noted(topic)}"  # noqa: S608  # names of ours
        return int(self._client.query(query).result_rows[0][0])

    def _replace_months(self, table: str, condition: str, *, drop: bool = False) -> int:
        bound = {"subject": self._subject.value}
        months = self._client.query(
            f"SELECT _partition_id, count() FROM {self._database}.{table} WHERE {condition} GROUP BY 1 ORDER BY 1",  # noqa: S608  # names of ours
            bound,
            QUIET,
        ).result_rows
        for month, _ in months:
            draft = f"{self._database}.`erasing_{uuid.uuid4().hex}`"
            columns = "*" if drop else "* REPLACE (if(user_id = {subject:String}, '', user_id) AS user_id)"
            rest = f" AND NOT ({condition})" if drop else ""
            self._client.command(f"CREATE TABLE {draft} AS {self._database}.{table}")
            try:
                self._client.command(
                    f"INSERT INTO {draft} SELECT {columns} FROM {self._database}.{table} "  # noqa: S608  # names of ours
                    f"WHERE _partition_id = {{month:String}}{rest}",
                    {**bound, "month": month},
                    settings=QUIET,
                )
                self._client.command(
                    f"ALTER TABLE {self._database}.{table} REPLACE PARTITION ID '{month}' FROM {draft}"
                )
            finally:
                self._client.command(f"DROP TABLE IF EXISTS {draft} SYNC")
        return sum(rows for _, rows in months)

    def _noted(self, topic: str) -> str:
        return (
            f"(kafka_partition, kafka_offset) IN (SELECT kafka_partition, kafka_offset "  # noqa: S608  # names of ours
            f"FROM {self._database}.erased_rows WHERE topic = '{topic}' AND erasure_id IN {self._ids})"
        )

    def _changes(self) -> list[tuple[str, str, str]]:
        """Return table, assignments and condition of each UPDATE; `calls` first: what it holds is not sealed."""
        of_calls = self._noted(CALLS.name)
        kept = ", ".join(f"'{_escaped(name)}'" for name in self._kept)
        is_kept = f"startsWith(name, '{OWN_ATTRIBUTES}')" + (f" OR name IN ({kept})" if kept else "")
        emptied = ", ".join(f"{name} = ''" for name in _PERSONAL_OF_CALLS)
        public = f"joinGet('{self._name}.erased_payloads', 'payload', kafka_partition, kafka_offset)"
        places = f"(SELECT kafka_partition, kafka_offset FROM {self._database}.erased_payloads)"  # noqa: S608  # names of ours
        is_unsealed = f"(kafka_partition, kafka_offset) IN {places}"
        of_event_log = (
            f"payload = if({is_unsealed}, {public}, payload), "
            # Apart from `erased`: what was signed of these rows is their payload as it came.
            f"seal = if({is_unsealed} OR seal = 'cleaned', 'cleaned', 'erased'), "
            "sealed = '', subject_key_id = toFixedString('', 16)"
        )
        return [
            (
                "calls",
                f"{emptied}, attributes = mapApply((name, value) -> (name, if({is_kept}, value, '')), attributes)",
                of_calls,
            ),
            ("event_log", of_event_log, f"{of_calls} AND (seal != '' OR {is_unsealed})"),
            ("cost_corrections", "user_id = ''", of_calls),
            ("alerts", "entity = '', filter = '', summary = ''", self._noted(ALERTS.name)),
            (
                "alert_controls",
                "entities = if(empty(entities), entities, ['erased']), note = '', reason = ''",
                self._noted(ALERT_CONTROLS.name),
            ),
        ]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")

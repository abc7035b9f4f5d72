"""Traces: which rows of the ledger's tables are a subject's; noted before anything is changed. Blocking."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.processors.sealing import cut_out
from tokentrail.schemas.topics import ALERT_CONTROLS, ALERTS, CALLS
from tokentrail.sinks.erasure.subject import Subject

_STEP_ROWS: Final = 5_000
_SHORTEST_WORD: Final = 5
"""A shorter value stands in other words by chance."""
# What statements of an erasure say is not to be kept by the engine.
QUIET: Final = {"log_queries": 0}


class Traces:
    """The rows of one subject in one database; `erased_rows` has their places."""

    def __init__(self, client: Client, database: str, subject: Subject, erasure_id: str) -> None:
        self._client = client
        self._database = f"`{database}`"
        self._subject = subject
        self._noted = {"erasure_id": erasure_id}

    def count(self, key_ids: Sequence[bytes]) -> dict[str, int]:
        """Return how many rows of each table there are now, by table."""
        return {
            "calls": self._count("calls", self._subject.of_calls),
            "event_log, sealed": self._count("event_log", self.sealed_with(key_ids)),
            "event_log, not sealed": self._count("event_log", self.unsealed),
            "alerts": self._count("alerts", self.of_alerts),
            "alert_controls": self._count("alert_controls", self.of_controls),
        }

    def note_alerts(self) -> None:
        """Note the alerts, and what people did about them, that name the subject or one of its sessions."""
        self._note(ALERTS.name, "alerts", self.of_alerts, "''")
        self._note(ALERT_CONTROLS.name, "alert_controls", self.of_controls, "''")

    def note_calls(self, key_ids: Sequence[bytes]) -> None:
        """Note what a column tells: rows of `calls`, and rows that were sealed under these keys."""
        self._note(CALLS.name, "event_log", self.sealed_with(key_ids), "SHA256(payload)")
        self._note(CALLS.name, "calls", self._subject.of_calls, "''")

    def note_unsealed(self, kept_attributes: Sequence[str]) -> int:
        """Note records that were archived unsealed, and put their public parts beside them; return how many.

        Every payload of the archive that is not sealed is looked through, 1 GB in a second or so.
        """
        found = 0
        condition, last = self.unsealed, (0, -1)
        while True:
            rows = self._client.query(
                f"SELECT kafka_partition, kafka_offset, payload, rejection FROM {self._database}.event_log "  # noqa: S608  # names of ours
                f"WHERE ({condition}) AND (kafka_partition, toInt64(kafka_offset)) > "
                f"({{partition:UInt32}}, {{offset:Int64}}) "
                f"ORDER BY kafka_partition, kafka_offset LIMIT {_STEP_ROWS}",
                {**self.parameters, "partition": last[0], "offset": last[1]},
                QUIET,
                column_formats={"payload": "bytes"},
            ).result_rows
            if not rows:
                return found
            found += len(rows)
            last = (rows[-1][0], rows[-1][1])
            self._put_public(
                [
                    (p, o, b"" if rejection else cut_out(payload, kept_attributes).public)
                    for p, o, payload, rejection in rows
                ]
            )

    def _put_public(self, public: Sequence[tuple[int, int, bytes]]) -> None:
        self._client.insert(f"{self._database}.erased_payloads", public, ["kafka_partition", "kafka_offset", "payload"])
        self._client.insert(
            f"{self._database}.erased_rows",
            [[self._noted["erasure_id"], CALLS.name, p, o, sha256(payload).digest()] for p, o, payload in public],
            ["erasure_id", "topic", "kafka_partition", "kafka_offset", "stored_sha256"],
        )

    def _note(self, topic: str, table: str, condition: str, stored: str) -> None:
        self._client.command(
            f"INSERT INTO {self._database}.erased_rows "  # noqa: S608  # names of ours
            f"SELECT {{erasure_id:String}}, '{topic}', kafka_partition, kafka_offset, toFixedString({stored}, 32) "
            f"FROM {self._database}.{table} WHERE {condition}",
            {**self.parameters, **self._noted},
            settings=QUIET,
        )

    def _count(self, table: str, condition: str) -> int:
        query = f"SELECT count() FROM {self._database}.{table} WHERE {condition}"  # noqa: S608  # names of ours
        return int(self._client.query(query, self.parameters, QUIET).result_rows[0][0])

    @property
    def parameters(self) -> dict[str, str]:
        """What is bound in the conditions."""
        return self._subject.parameters | {
            "subject_text": json.dumps(self._subject.value, ensure_ascii=False),
            "dimension": self._subject.dimension,
        }

    @staticmethod
    def sealed_with(key_ids: Sequence[bytes]) -> str:
        """Return the condition on event_log for rows that were sealed under these keys."""
        if not key_ids:
            return "0"
        listed = ", ".join(f"unhex('{key_id.hex()}')" for key_id in key_ids)
        return f"subject_key_id IN ({listed})"

    @property
    def unsealed(self) -> str:
        """The condition on event_log for the rest: events by their own fields, what could not be read by its text."""
        name = f"concat('\"{self._subject.dimension}\"\\\\s*:\\\\s*', regexpQuoteMeta({{subject_text:String}}))"
        return (
            f"seal = '' AND event_type IN ('llm.call.started', 'llm.call.completed') AND {self._subject.of_payloads}"
            f" OR rejection != '' AND match(payload, {name})"
        )

    @property
    def of_alerts(self) -> str:
        """The condition on alerts; a user's sessions are looked up in `calls`."""
        names = "splitByChar(char(31), entity)"
        of_subject = f"has(splitByChar('+', dimension), {{dimension:String}}) AND has({names}, {{subject:String}})"
        of_filter = "position(filter, concat({dimension:String}, '=')) > 0 AND position(filter, {subject:String}) > 0"
        if self._subject.kind != "user":
            return f"{of_subject} OR {of_filter}"
        sessions = (
            f"SELECT groupUniqArray(session_id) FROM {self._database}.calls "  # noqa: S608  # names of ours
            f"WHERE {self._subject.of_calls} AND session_id != ''"
        )
        of_sessions = f"has(splitByChar('+', dimension), 'session_id') AND hasAny({names}, ({sessions}))"
        return f"{of_subject} OR {of_filter} OR {of_sessions}"

    @property
    def of_controls(self) -> str:
        """The condition on alert_controls."""
        named = "has(entities, {subject:String})"
        if len(self._subject.value) < _SHORTEST_WORD:
            return named
        return f"{named} OR position(concat(note, reason), {{subject:String}}) > 0"

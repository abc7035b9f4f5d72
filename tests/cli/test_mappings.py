"""`tokentrail mappings` as a user types it, and what it does to costs."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from known_ledger import AT, MAPPINGS, fill_known_ledger, known_calls
from ledger_log import rows, run_command

from tokentrail.processors.mappings import SOURCES, TARGETS, MappingEntry, attribute, holding
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day
from tokentrail.sinks.clickhouse.mapping_table import read_recorded_mappings, record_mappings


@pytest.mark.engine
def test_a_late_correction_moves_costs_of_the_past(settings: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    fill_known_ledger(settings)

    def costs(*arguments: str) -> dict[str, str]:
        told = run_command(environ, "costs", "--by", "department", "--mapped", "--json", *arguments)
        return {row["department"]: row["cost_usd"] for row in json.loads(told.stdout)}

    assert costs() == {"research": "20.200000000", "marketing": "3.500000000", "platform": "3.500000000"}
    day = str(AT.date())
    assert run_command(environ, "mappings", "set", "user=cat", "department=faq", "--from", day).returncode == 0
    file = tmp_path / "m.csv"
    file.write_text("dimension,value,target,target_value\nkey,k1,department,billing\nkey,k1,department,it\n")
    assert "2 mappings recorded" in run_command(environ, "mappings", "import", str(file)).stdout
    run_command(environ, "mappings", "remove", "user=bob", "department")
    assert costs() == {"faq": "13.200000000", "research": "7.000000000", "sales": "3.500000000", "it": "3.500000000"}
    assert costs("--where", "department=it") == {"it": "3.500000000"}
    by_centre = run_command(environ, "costs", "--by", "cost_centre,team", "--mapped", "--json")
    assert {(row["cost_centre"], row["team"]) for row in json.loads(by_centre.stdout)} == {
        ("4711", "red"), ("4711", "blue"), ("4711", ""), ("", ""),
    }  # fmt: skip
    listed = run_command(environ, "mappings", "list", "--at", day).stdout
    assert "department it" in listed
    assert "billing" not in listed
    history = run_command(environ, "mappings", "list", "--history").stdout
    assert "department billing" in history
    assert "no department" in history
    assert len(json.loads(run_command(environ, "mappings", "list", "--history", "--json").stdout)) == len(MAPPINGS) + 4


@pytest.mark.engine
def test_the_engine_applies_mappings_as_the_rules_say(settings: Settings) -> None:
    fill_known_ledger(settings)
    drawn = random.Random(20261121)
    values = {"user_id": ["ann", "bob", "cat"], "service": ["web", "crm"], "api_key_id": ["k1", ""], "team": ["blue"]}
    entries = []
    for _ in range(120):
        dimension = drawn.choice(sorted(values))
        first = AT.date() + timedelta(days=drawn.randint(-4, 3))
        entries.append(
            MappingEntry(
                dimension=dimension, value=drawn.choice([value for value in values[dimension] if value]),
                target=drawn.choice(TARGETS), target_value=drawn.choice(["", "one", "two", "three"]),
                valid_from=first, valid_until=first + timedelta(days=drawn.randint(1, 5)),
            )
        )  # fmt: skip
    for at in range(0, len(entries), 30):
        record_mappings(settings, entries[at : at + 30], "tester")
    recorded = read_recorded_mappings(settings)
    fields = [f"call.{source}" if source != "team" else "call.attributes['team']" for source in SOURCES]
    day = "addDays(toDate(call.time), call.shift)"
    own = {"team": fields[3], "department": fields[-1], "cost_centre": "''"}
    told = ", ".join(mapped_on_day(target, own[target], day=day, team=fields[3]) for target in TARGETS)
    calls = "(SELECT *, arrayJoin(range(-5, 8)) AS shift FROM calls)"
    sql = f"{known_mappings(*TARGETS)} SELECT call.shift, {', '.join(fields)}, {told} FROM {calls} AS call"  # noqa: S608 - names of ours
    answers = rows(settings, sql)
    held = {shift: holding(recorded, AT.date() + timedelta(days=shift)) for shift in range(-5, 8)}
    for shift, *row in answers:
        call = dict(zip(SOURCES, row, strict=False))
        assert row[len(SOURCES) :] == [attribute(call, held[shift], target) for target in TARGETS]
    assert len(answers) == 13 * len(known_calls())
    own = {target: f"call.{target}" if target in SOURCES else "''" for target in TARGETS}
    told = ", ".join(mapped_on_day(target, own[target]) for target in TARGETS)
    columns = ", ".join(source for source in SOURCES if source != "team")
    days = f"(SELECT arrayJoin(range(-5, 8)) AS shift, day + shift AS day, {columns}, team FROM calls_day)"  # noqa: S608 - names of ours
    fields = [f"call.{source}" for source in SOURCES]
    sql = f"{known_mappings(*TARGETS)} SELECT call.shift, {', '.join(fields)}, {told} FROM {days} AS call"  # noqa: S608 - names of ours
    answers = rows(settings, sql)
    for shift, *row in answers:
        call = dict(zip(SOURCES, row, strict=False))
        assert row[len(SOURCES) :] == [attribute(call, held[shift], target) for target in TARGETS]
    assert len(answers) > 13


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("set", "user", "team=x"), "no pair"),
        (("set", "planet=x", "team=x"), "cannot be mapped"),
        (("set", "user=x", "boss=x"), "Nothing is mapped to"),
        (("set", "user=x", "team="), "mappings remove"),
        (("set", "user=x", "team=y", "--from", "soon"), "no day"),
        (("set", "user=x", "team=y", "--from", "2026-02-02", "--until", "2026-02-01"), "holds no day"),
        (("import", "/nowhere.csv"), "cannot be read"),
    ],
)
def test_mistakes_are_told_in_a_sentence(environ: dict[str, str], arguments: tuple[str, ...], told: str) -> None:
    answer = run_command(environ, "mappings", *arguments)
    assert answer.returncode != 0
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr

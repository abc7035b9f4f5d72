"""`tokentrail savings`, and `tokentrail costs --charged`, as a user types them."""

import json
from pathlib import Path

import pytest
from ledger_log import block_of, completed, run_command

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

MARKUPS = """
[[markup]]
department = "res%arch"
percent = 900
[[markup]]
department = "RES*"
model = "gpt-4?"
until = 2200-01-01
percent = 12.5
[[markup]]
department = "sales"
provider = "openai"
from = 2020-01-01
percent = -50
"""


@pytest.mark.engine
def test_savings_and_charges_are_told(settings: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    migrate(settings)
    assert "No calls with a usage" in run_command(environ, "savings", "--to", "openai/gpt-4o-mini").stdout
    calls: list[bytes | None] = [
        completed(0),
        completed(1, department="sales"),
        completed(2, department="legal"),
        completed(3, department="legal", request_model="unheard-of"),
    ]
    LedgerTables(settings, "test").insert(block_of(0, calls))

    misspelt = run_command(environ, "savings", "--to", "openai/gpt-4o-mini,nobody/unheard-of")
    assert (misspelt.returncode, misspelt.stdout) == (1, "")
    assert "No price is known for nobody/unheard-of since" in misspelt.stderr
    to = ("savings", "--to", "openai/gpt-4o-mini,openai/whisper-1")
    table = run_command(environ, *to).stdout
    assert "0.010500" in table
    assert "94.0" in table
    told = json.loads(run_command(environ, *to, "--where", "department=legal", "--json").stdout)
    assert told[0] == {
        "to_provider": "openai", "to_model": "gpt-4o-mini", "to_service_tier": "", "calls": 2, "compared_calls": 1,
        "cost_usd": "0.003500000", "would_cost_usd": "0.000210000", "unpriceable_calls": 0, "unpriced_calls": 1,
        "saved_usd": "0.003290000",
    }  # fmt: skip
    assert (told[1]["compared_calls"], told[1]["unpriceable_calls"]) == (0, 2)

    prices = tmp_path / "prices.toml"
    prices.write_text(MARKUPS)
    listed = {**environ, "TOKENTRAIL_PRICES": str(prices)}
    rows = json.loads(run_command(listed, "costs", "--by", "department", "--charged", "--json").stdout)
    assert {row["department"]: (row["cost_usd"], row["charged_usd"]) for row in rows} == {
        "research": ("0.003500000", "0.003937500"),
        "sales": ("0.003500000", "0.001750000"),
        "legal": ("0.003500000", "0.003500000"),
    }
    assert "charged USD" in run_command(listed, "costs", "--charged").stdout
    assert "charged" not in run_command(listed, "costs").stdout


def test_a_target_without_a_provider_is_told(environ: dict[str, str]) -> None:
    answer = run_command(environ, "savings", "--to", "gpt-4o-mini")
    assert (answer.returncode, "openai/gpt-4o-mini" in answer.stderr) == (2, True)
    assert "names no provider and model" in run_command(environ, "savings", "--to", ",").stderr

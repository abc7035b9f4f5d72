"""`tokentrail prices` as a user types it."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_log import block_of, completed, rows, run_command

from tokentrail.processors.price_sources import open_price_book
from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

LIST = """
version = "contract-7"
[[exchange]]
currency = "EUR"
usd = 1.0853
[[price]]
provider = "relay"
model = "fast*"
currency = "EUR"
discount_percent = 12.5
input = 0.7
output = 2.1
cache_read = 0.07
per_1000_requests = 0.3
[[price.long_context]]
above_input_tokens = 100_000
input = 1.4
[[price]]
provider = "openai"
model = "*"
discount_percent = 8
"""
USAGE = Usage(input_tokens=123_457, output_tokens=999, cache_read_tokens=7)


@pytest.fixture
def listed(tmp_path: Path, environ: dict[str, str]) -> dict[str, str]:
    path = tmp_path / "prices.toml"
    path.write_text(LIST)
    return {**environ, "TOKENTRAIL_PRICES": str(path)}


def test_prices_are_shown_as_calls_are_priced(listed: dict[str, str]) -> None:
    own = run_command(listed, "prices", "show")
    assert "fast*" in own.stdout
    assert "models of" in own.stdout
    assert "openai *: 8% off what would be the price without this." in own.stdout
    told = json.loads(
        run_command(listed, "prices", "show", "--provider", "openai", "--model", "gpt-4o", "--json").stdout
    )
    assert [price["rates"]["input"] for price in told] == ["2.3"]
    many = run_command(listed, "prices", "show", "--provider", "anthropic", "--model", "claude-sonnet-4-5*")
    assert "200,000" in many.stdout
    nothing = run_command(listed, "prices", "show", "--provider", "nobody", "--model", "x")
    assert (nothing.returncode, nothing.stdout.startswith("No price is known for nobody x")) == (1, True)
    marked = run_command(listed, "prices", "show", "--provider", "nobody", "--model", "[/x]")
    assert (marked.returncode, marked.stdout.startswith("No price is known for nobody [/x]")) == (1, True)


def test_a_price_is_shown_as_of_a_day(listed: dict[str, str]) -> None:
    arguments = ("prices", "show", "--provider", "openai", "--model", "gpt-4o", "--tier", "priority")
    assert run_command(listed, *arguments, "--at", "2026-11-20").returncode == 0
    assert run_command(listed, *arguments, "--at", "2026-05-01").returncode == 1
    assert "no day" in run_command(listed, *arguments, "--at", "x").stderr


def test_a_list_is_checked(listed: dict[str, str], tmp_path: Path) -> None:
    path = listed["TOKENTRAIL_PRICES"]
    good = run_command(listed, "prices", "check", path)
    assert (good.returncode, "version contract-7, 2 prices, 1 exchange rates" in good.stdout) == (0, True)
    hidden = tmp_path / "hidden.toml"
    hidden.write_text(LIST + '[[price]]\nprovider = "relay"\nmodel = "fast-2"\ninput = 1\noutput = 1\n')
    bad = run_command(listed, "prices", "check", str(hidden))
    assert (bad.returncode, "price 3 (relay fast-2): nothing reaches it" in bad.stdout) == (1, True)
    hidden.write_text(LIST + "input = x")
    assert "not valid TOML" in run_command(listed, "prices", "check", str(hidden)).stderr


def test_the_example_is_a_list_without_a_finding(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "example.toml"
    path.write_text(run_command(environ, "prices", "example").stdout)
    assert run_command(environ, "prices", "check", str(path)).returncode == 0


@pytest.mark.engine
def test_a_cost_is_explained_to_the_last_digit_and_what_has_no_price_is_listed(
    settings: Settings, environ: dict[str, str], listed: dict[str, str]
) -> None:
    migrate(settings)
    assert run_command(environ, "prices", "missing").stdout == "No call since 30d is unpriced.\n"
    nobody = run_command(environ, "prices", "explain", "0193a6a0-1111-7000-8000-000000000000")
    assert (nobody.returncode, "no completed call" in nobody.stderr) == (2, True)
    own = Settings(prices=Path(listed["TOKENTRAIL_PRICES"]))
    calls: list[bytes | None] = [
        completed(0, provider="relay", request_model="fast-1", usage=USAGE),
        completed(1, usage=USAGE),
        completed(2, request_model="unheard-of", usage=USAGE),
        completed(3, request_model="unheard-of", usage=None, status="RATE_LIMITED"),
        completed(4, usage=None, department="sales"),
        completed(5, usage=Usage(input_tokens=1, output_tokens=1, cache_read_tokens=2), department="sales"),
        completed(6, provider="nobody", usage=USAGE),
    ]
    LedgerTables(settings, "test").insert(block_of(0, calls, prices=open_price_book(own)))
    held = dict(rows(settings, "SELECT call_id, cost_usd FROM calls"))

    (relay,) = json.loads(run_command(environ, "prices", "explain", " call-0\n", "--json").stdout)
    assert relay["agrees"] is True
    assert sum(Decimal(line["amount_usd"]) for line in relay["explanation"]["lines"]) == held["call-0"]
    assert relay["rates"]["listing"]["currency"] == "EUR"
    assert relay["rates"]["above_input_tokens"] == 100_000
    table = run_command(environ, "prices", "explain", "call-1").stdout
    for told in ("8%", "listed by", "genai-prices", f"{held['call-1']:f}", "the same"):
        assert told in table

    missing = json.loads(run_command(environ, "prices", "missing", "--json").stdout)
    assert (missing["unpriced_calls"], missing["failed_without_tokens"]) == (4, 1)
    assert [(one["provider"], one["model"], one["reason"], one["calls"]) for one in missing["missing"]] == [
        ("nobody", "gpt-4o", "no_price", 1),
        ("openai", "gpt-4o", "input_exceeded", 1),
        ("openai", "gpt-4o", "no_usage", 1),
        ("openai", "unheard-of", "failed", 1),
        ("openai", "unheard-of", "no_price", 1),
    ]
    assert [missing["missing"][-1][f"{side}_tokens"] for side in ("input", "output")] == [123_457, 999]
    listed_calls = run_command(environ, "prices", "missing").stdout
    for words in ("the provider told no usage", "parts of the input exceed its total", "1 failed without tokens"):
        assert words in listed_calls

    # What a command counts as unpriced is what the command it names lists.
    costs = run_command(environ, "costs", "--where", "department=sales", "--where", "provider=openai").stdout
    assert costs.endswith(
        "2 unpriced calls are in no sum: `tokentrail prices missing --since 24h --where department=sales "
        "--where provider=openai` says why.\n"
    )
    narrow = ("--since", "24h", "--where", "department=sales", "--provider", "openai", "--provider", "azure")
    assert json.loads(run_command(environ, "prices", "missing", *narrow, "--json").stdout)["unpriced_calls"] == 2
    assert held["call-2"] is None
    unknown = run_command(environ, "prices", "explain", "call-2")
    assert (unknown.returncode, "No price is known" in unknown.stdout) == (0, True)

    # A correction by hand: the last one holds, and a cost that its rates do not make is told.
    client = connect(settings)
    client.command(
        f"INSERT INTO {settings.clickhouse_database}.cost_corrections (kafka_partition, kafka_offset, revision, reason,"  # noqa: S608  # a name of the test's own
        " old_cost_usd, new_input_cost, new_output_cost, new_cost_usd, new_rate_id)"
        f" SELECT kafka_partition, kafka_offset, 1, 'contract', cost_usd, input_cost, output_cost, 7, rate_id"
        f" FROM {settings.clickhouse_database}.calls WHERE call_id = 'call-1'"
    )
    client.close()
    corrected = run_command(environ, "prices", "explain", "call-1")
    assert (corrected.returncode, "NOT what the rates make" in corrected.stdout) == (1, True)
    assert "contract" in corrected.stdout

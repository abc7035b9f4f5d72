"""Invoices as CSV: the exports that are known, and columns that a user names."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tokentrail.processors.invoice_columns import InvoiceError, read_columns
from tokentrail.processors.invoices import NO_MODEL, Invoice, read_invoice
from tokentrail.processors.reconciliation import ALL_MODELS, Statement

OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens
1761523800,1761523860,2025-10-27T00:10:00+00:00,2025-10-27T00:11:00+00:00,p,3,,k1,gpt-4o-2024-08-06,,default,\
4212,1673,1280,2932
1761609600,1761696000,2025-10-28T00:00:00+00:00,2025-10-29T00:00:00+00:00,,,,,,,,,,,
"""
OPENAI_COSTS = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id
1,2,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,0.895874,usd,"gpt-4o-2024-08-06, input",,org
1,2,2025-10-05T00:00:00,2025-10-06T00:00:00,0.1,usd,"gpt-4o-2024-08-06, output",,org
1,2,2025-10-05T00:00:00,2025-10-06T00:00:00,0.03,usd,,,org
1,2,2025-10-06T00:00:00+00:00,2025-10-07T00:00:00+00:00,,,,,
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
usage_output_tokens,web_search_count,inference_geo,speed
2026-08-05,claude-sonnet-4-5-20250929,app,Default,standard,≤ 200k,46981,15969,31,7,16932,0,global,
"""
ANTHROPIC_COST = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-08-04,Claude Haiku 4.5,Default,key,message,≤ 200k,input_no_cache,0.05,0.05,token
2026-08-04,,Default,key,web_search,,,0.01,0.01,web_search
"""
MAP = """
date = "Day"
date_format = "%d.%m.%Y"
model = "What"
model_pattern = '^([^(]+)'
input_tokens = ["Prompt", "Cached"]
output_tokens = "Completion"
cost = "Amount"
usd = 1.1
decimal = ","
[models]
"GPT 4 omni" = "gpt-4o"
"""


CONVERTED = 'date = "d"\ncost = "c"\ncurrency = "y"\nusd = 1.0853'


def read(tmp_path: Path, text: str, columns: str | None = None, provider: str | None = None) -> Invoice:
    path = tmp_path / "invoice.csv"
    path.write_text(text, encoding="utf-8")
    if columns is None:
        return read_invoice(path, provider)
    (tmp_path / "map.toml").write_text(columns)
    return read_invoice(path, provider, read_columns(tmp_path / "map.toml"))


def test_an_openai_usage_export_is_read_and_empty_buckets_say_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeff" + OPENAI_USAGE)
    assert found.export
    assert (found.export.name, found.export.provider) == ("OpenAI usage", "openai")
    assert found.statements == (
        Statement(
            day=date(2025, 10, 27), model="gpt-4o-2024-08-06", requests=3, input_tokens=4212, output_tokens=1673,
            cache_read_tokens=1280,
        ),
    )  # fmt: skip


def test_an_openai_cost_export_names_models_in_its_line_items(tmp_path: Path) -> None:
    found = read(tmp_path, OPENAI_COSTS)
    assert [(one.model, one.cost_usd) for one in found.statements] == [
        ("gpt-4o-2024-08-06", Decimal("0.895874")),
        ("gpt-4o-2024-08-06", Decimal("0.1")),
        (NO_MODEL, Decimal("0.03")),
    ]
    ungrouped = read(
        tmp_path, OPENAI_COSTS.replace('"gpt-4o-2024-08-06, input"', "").replace(OPENAI_COSTS.splitlines()[2], "")
    )
    assert not ungrouped.tells_models
    assert {one.model for one in ungrouped.statements} == {ALL_MODELS}


def test_anthropics_input_is_what_was_read_and_written_and_the_rest(tmp_path: Path) -> None:
    found = read(tmp_path, ANTHROPIC_USAGE, provider="anthropic")
    (one,) = found.statements
    assert (one.input_tokens, one.output_tokens) == (46_981 + 15_969 + 31 + 7, 16_932)
    assert (one.cache_write_tokens, one.cache_read_tokens, one.cost_usd) == (16_000, 7, None)
    costs = read(tmp_path, ANTHROPIC_COST)
    assert [(one.model, one.cost_usd) for one in costs.statements] == [
        ("Claude Haiku 4.5", Decimal("0.05")), (NO_MODEL, Decimal("0.01")),
    ]  # fmt: skip


def test_columns_are_read_as_the_user_names_them(tmp_path: Path) -> None:
    text = "Day;What;Prompt;Cached;Completion;Amount\n31.10.2026;GPT 4 omni(EU);1.000;24;;1.234,50\n;;;;;\n"
    (one,) = read(tmp_path, text, MAP.replace("'^([^(]+)'", "'^([^(]+)'")).statements
    assert one == Statement(day=date(2026, 10, 31), model="gpt-4o", input_tokens=1024, cost_usd=Decimal("1357.95"))


def test_digits_are_grouped_by_the_sign_that_is_not_before_the_fraction(tmp_path: Path) -> None:
    text = 'd,c\n2026-11-01,"1,234,567.5"\n2026-11-01,"$-1,50,000"\n2026-11-01,1e-05\n'
    found = read(tmp_path, text, 'date = "d"\ncost = "c"').statements
    assert [one.cost_usd for one in found] == [Decimal("1234567.5"), Decimal(-150_000), Decimal("0.00001")]


def test_a_row_without_what_the_pattern_looks_for_names_no_model(tmp_path: Path) -> None:
    columns = 'date = "d"\ncost = "c"\nmodel = "m"\nmodel_pattern = "^x(y)?"'
    found = read(tmp_path, "d,m,c\n2026-11-01,x,1\n2026-11-01,xy,2\n", columns).statements
    assert [one.model for one in found] == [NO_MODEL, "y"]


def test_a_moment_with_a_zone_is_taken_to_utc(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "d,c\n2026-11-01T01:00:00+02:00,1\n", 'date = "d"\ncost = "c"').statements
    assert one.day == date(2026, 10, 31)


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("a,b\n1,2\n", None, "columns of no export that is known (a, b)"),
        ("", None, "no export that is known"),
        (OPENAI_COSTS.replace("usd", "eur"), None, "line 2: the amount is in EUR"),
        (ANTHROPIC_COST.replace("0.05", "x"), None, "line 2, column cost_usd: 'x' is no number"),
        (ANTHROPIC_USAGE.replace("46981", "4.5"), None, "are no whole number"),
        (ANTHROPIC_COST.replace("2026-08-04", "4 Aug"), None, "line 2, column usage_date_utc: '4 Aug' is no day"),
        ("d,c\n2026-01-01,\n", 'date = "d"\ncost = "c"', "no row with a number"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncost = "Amount"', "has no column Amount; it has c, d."),
        ("", 'date = "d"\ncost = "c"', "has no column c, d; it has none."),
        ("d,c\n2026-01-01,1\n", 'date = "d"', "neither tokens nor cost"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncost = "c"\nmodel_pattern = "("', "field model_pattern"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncoffee = "c"', "coffee"),
        ("d,c\n2026-01-01,1\n", "date = ", "not valid TOML"),
        ('d,c\n2026-01-01,"1,5"\n', 'date = "d"\ncost = "c"', "line 2, column c: '1,5' is no number"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncost = "c"\ndelimiter = ";;"', "field delimiter: ';;' is none"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncost = "c"\ndecimal = ""', "field decimal: '' is none"),
        ("d,c\n2026-01-01,1\n", 'date = "d"\ncost = "c"\nusd = nan', "field usd: NaN is no rate"),
        ("d,c,y\n2026-01-01,1,USD\n", CONVERTED, "line 2: the amount is in USD already"),
        ("d,c,y\n2026-01-01,1,EUR\n2026-01-01,1,GBP\n", CONVERTED, "line 3: the amount is in GBP, those above"),
        ("d,c\n0001-01-01T00:00+09:00,1\n", 'date = "d"\ncost = "c"', "column d: '0001-01-01T00:00+09:00' is no day"),
        (f"d,c\n2026-01-01,{'1' * 140_000}\n", 'date = "d"\ncost = "c"', "line 1, is no CSV: field larger"),
    ],
)
def test_a_fault_names_file_line_and_column(tmp_path: Path, text: str, columns: str | None, told: str) -> None:
    with pytest.raises(InvoiceError) as caught:
        read(tmp_path, text, columns)
    assert told in str(caught.value)


def test_an_export_of_another_provider_is_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(InvoiceError, match="no export that is known"):
        read(tmp_path, OPENAI_USAGE, provider="anthropic")

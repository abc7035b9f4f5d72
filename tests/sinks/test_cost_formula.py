"""The one text of what a call costs."""

from tokentrail.processors.pricing import Rates
from tokentrail.schemas.events import Usage
from tokentrail.sinks.clickhouse.cost_formula import RATE_TYPES, cost_formula, rates_tuple, usage_tuple
from tokentrail.sinks.clickhouse.migrations import ONE_NODE, shipped_migrations


def test_the_formula_is_the_newest_views_own_text_to_the_letter() -> None:
    formula = cost_formula()
    creating = [
        statement
        for migration in shipped_migrations()
        for statement in migration.statements({**ONE_NODE, "database": "db"})
        if "CREATE MATERIALIZED VIEW IF NOT EXISTS db.calls_from_" in statement
    ]
    assert len(creating) >= 2
    assert f"AS\nWITH\n{formula.steps}\nSELECT\n" in creating[-1]
    assert f"\n    {formula.cost} AS cost_usd,\n" in creating[-1]
    assert formula.cost.startswith("if(unpriced, NULL, ")
    assert formula.cost.count("(") == formula.cost.count(")")


def test_every_rate_and_every_count_of_tokens_that_the_formula_reads_is_in_its_tuples() -> None:
    text = "".join(cost_formula())
    assert {name for name in (*Rates.__struct_fields__, "rate_id") if f"rates.{name}" in text} == {
        *RATE_TYPES,
        "rate_id",
    }
    tokens = usage_tuple("call")
    assert all(f"call.{name}" in tokens for name in Usage.__struct_fields__ if f"usage.{name}" in text)
    rates = rates_tuple("7", lambda name, kind: f"<{name}:{kind}>")
    assert rates.startswith("CAST((7, <input:Nullable(Decimal(18, 9))>, ")
    assert rates.endswith("cached_audio_apart UInt8)')")

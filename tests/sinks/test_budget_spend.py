"""What a budget's calls cost by day: the exact statement."""

from datetime import date
from decimal import Decimal

from tokentrail.schemas.budgets import SpendBudget
from tokentrail.sinks.clickhouse.budget_spend import BudgetSpendQuery
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day

BUDGET = SpendBudget(name="b", where={"department": "o'x", "model": "gpt-4o"}, usd_per_month=Decimal(1))
DAYS = (date(2026, 10, 1), date(2026, 11, 21))
PARAMETERS = {"since": "2026-10-01", "until": "2026-11-21"}


def test_a_budget_becomes_one_statement_with_bound_parameters() -> None:
    expected = (
        "SELECT call.day AS day, sum(call.cost_usd) AS cost_usd, sum(call.unpriced_calls) AS unpriced_calls\n"
        "FROM calls_day AS call\n"
        "WHERE call.day >= {since:Date} AND call.day <= {until:Date} AND call.department = {where_department:String} "
        "AND call.model = {where_model:String}\n"
        "GROUP BY day\nORDER BY day"
    )
    told = BudgetSpendQuery(BUDGET, *DAYS).to_sql()
    assert told == (expected, {**PARAMETERS, "where_department": "o'x", "where_model": "gpt-4o"})


def test_a_mapped_budget_takes_what_the_mappings_say() -> None:
    budget = SpendBudget(
        name="b", where={"cost_centre": "4711", "provider": "openai"}, usd_per_month=Decimal(1), mapped=True
    )
    sql, parameters = BudgetSpendQuery(budget, *DAYS).to_sql()
    assert sql == (
        f"{known_mappings('cost_centre')}\n"
        "SELECT call.day AS day, sum(call.cost_usd) AS cost_usd, sum(call.unpriced_calls) AS unpriced_calls\n"
        "FROM calls_day AS call\n"
        "WHERE call.day >= {since:Date} AND call.day <= {until:Date} AND "
        f"{mapped_on_day('cost_centre', chr(39) * 2)} = {{where_cost_centre:String}} AND "
        "call.provider = {where_provider:String}\n"
        "GROUP BY day\nORDER BY day"
    )
    assert parameters == {**PARAMETERS, "where_cost_centre": "4711", "where_provider": "openai"}

"""What the calls of a budget cost, day by day: one statement with bound parameters."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from tokentrail.processors.budget_status import BudgetStatus, budget_status
from tokentrail.processors.forecast import HISTORY_DAYS
from tokentrail.processors.mappings import TARGETS
from tokentrail.schemas.budgets import SpendBudget
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day


class BudgetSpendQuery(msgspec.Struct, frozen=True):
    """The days `since` <= day <= `until` of the calls that fit a budget, from the rollup `calls_day`."""

    budget: SpendBudget
    since: date
    until: date

    def to_sql(self) -> tuple[str, dict[str, str]]:
        """Return the statement and its parameters; its columns are day, cost in USD, and calls without a price."""
        parameters = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        conditions = ["call.day >= {since:Date}", "call.day <= {until:Date}"]
        targets = tuple(name for name in TARGETS if self.budget.mapped and name in self.budget.where)
        for name, value in self.budget.where.items():
            parameters[f"where_{name}"] = value
            own = "''" if name == "cost_centre" else f"call.{name}"
            column = mapped_on_day(name, own) if name in targets else f"call.{name}"
            conditions.append(f"{column} = {{where_{name}:String}}")
        known = f"{known_mappings(*targets)}\n" if targets else ""
        sql = (
            f"{known}"
            "SELECT call.day AS day, sum(call.cost_usd) AS cost_usd, sum(call.unpriced_calls) AS unpriced_calls\n"
            f"FROM calls_day AS call\nWHERE {' AND '.join(conditions)}\nGROUP BY day\nORDER BY day"
        )
        return sql, parameters


def read_budgets(settings: Settings, budgets: Sequence[SpendBudget], now: datetime) -> list[BudgetStatus]:
    """Say where budgets stand at a moment, in their order. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    today = now.astimezone(UTC).date()
    since = min(today - timedelta(days=HISTORY_DAYS), today.replace(day=1))
    client = connect(settings, as_reader=True)
    found = []
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            for budget in budgets:
                sql, parameters = BudgetSpendQuery(budget, since, today).to_sql()
                rows = client.query(sql, parameters).result_rows
                daily = {day: Decimal(usd) for day, usd, _ in rows}
                unpriced = sum(count for day, _, count in rows if day >= today.replace(day=1))
                found.append(budget_status(budget, daily, unpriced, now))
    finally:
        client.close()
    return found

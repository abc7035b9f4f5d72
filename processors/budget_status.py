"""Where a budget stands: spent, left, forecast, and what of it is to be told. No I/O."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from tokentrail.processors.budget_rules import is_watchable
from tokentrail.processors.forecast import Forecast, forecast_month
from tokentrail.schemas.budgets import SpendBudget


class BudgetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One budget in the month of a moment; money in US dollars. `spent_usd` leaves out `unpriced_calls`."""

    name: str
    where: dict[str, str]
    month: str
    limit_usd: Decimal
    spent_usd: Decimal
    remaining_usd: Decimal
    """Below 0 where more was spent."""
    used: Decimal
    """Share of the limit, to four digits."""
    forecast: Forecast
    reached: tuple[Decimal, ...]
    """The thresholds that are reached, the lowest first."""
    burning: bool
    """The forecast is above the limit, and the budget wants that told."""
    unpriced_calls: int
    recipients: tuple[str, ...]
    watched: bool
    """Whether detection watches it live; if not, only `tokentrail budgets check` tells."""

    @property
    def state(self) -> str:
        """Say how it stands in a word or two."""
        if self.spent_usd > self.limit_usd:
            return "over"
        if self.burning:
            return "will be over"
        return f"{self.reached[-1]:.0%} reached" if self.reached else "ok"


def budget_status(
    budget: SpendBudget, daily: Mapping[date, Decimal], unpriced_calls: int, now: datetime
) -> BudgetStatus:
    """Say where a budget stands; `daily` is the spend of its calls by UTC day, of the last 56 days at least."""
    month = f"{now.astimezone(UTC):%Y-%m}"
    limit = budget.limit_of(month)
    forecast = forecast_month(daily, now)
    expected = forecast.expected_usd
    return BudgetStatus(
        name=budget.name,
        where={str(name): value for name, value in budget.where.items()},
        month=month,
        limit_usd=limit,
        spent_usd=forecast.spent_usd,
        remaining_usd=limit - forecast.spent_usd,
        used=(forecast.spent_usd / limit).quantize(Decimal("0.0001")),
        forecast=forecast,
        reached=tuple(sorted(each for each in budget.thresholds if forecast.spent_usd >= each * limit)),
        burning=budget.burn_rate and expected is not None and expected > limit,
        unpriced_calls=unpriced_calls,
        recipients=tuple(budget.recipients),
        watched=is_watchable(budget),
    )

"""What a budget file (TOML) may say: what may be spent, and how shared cost is split."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SpendDimension = Literal[
    "department", "team", "cost_centre", "feature", "service", "environment", "user_id", "api_key_id", "provider",
    "model", "request_source",
]  # fmt: skip
BudgetName = Annotated[str, Meta(min_length=1, max_length=80)]
Month = Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Recipient = Annotated[str, Meta(min_length=3, max_length=200)]


class SpendBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the calls with these values may cost in a month (UTC)."""

    name: BudgetName
    where: Annotated[dict[SpendDimension, str], Meta(min_length=1)]
    """All of them must fit."""
    usd_per_month: Decimal
    """Above 0, as are the limits of months and the thresholds."""
    months: dict[Month, Decimal] = {}
    """Limits of single months, in place of `usd_per_month`."""
    mapped: bool = False
    """Department and team as the mappings say; `cost_centre` is known only so."""
    recipients: list[Recipient] = []
    """Who is to be told."""
    thresholds: Annotated[list[Decimal], Meta(min_length=1, max_length=10)] = msgspec.field(
        default_factory=lambda: [Decimal("0.8"), Decimal(1)]
    )
    """Shares of the limit at which it is told."""
    burn_rate: bool = True
    """Tell as well when the month's forecast is above the limit."""

    def limit_of(self, month: str) -> Decimal:
        """Return what may be spent in a month, YYYY-MM."""
        return self.months.get(month, self.usd_per_month)


class CostSplit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the cost of one value of a dimension is handed on to others: by fixed shares, or in proportion."""

    name: BudgetName
    of: Annotated[dict[SpendDimension, str], Meta(min_length=1, max_length=1)]
    shares: dict[str, Decimal] = {}
    """Weights; they need not add up to 100."""
    in_proportion_to: Literal["cost", "calls"] | None = None
    """Of what the others have of their own."""
    among: list[str] = []
    """With `in_proportion_to`: only these; all others without it."""


class BudgetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A budget file: `[[budget]]` and `[[split]]` tables."""

    budget: list[SpendBudget] = []
    split: list[CostSplit] = []

"""The schedule: how many incidents of each kind, and that no two disturb the same thing at once."""

from collections.abc import Callable, Collection
from typing import Final

import numpy as np

from tokentrail.processors.simulation.company import Company, SourceTable
from tokentrail.processors.simulation.plans import Plan, UnsuitableError
from tokentrail.processors.simulation.site import DAY_S, WARM_UP_DAYS, Site
from tokentrail.processors.simulation.trouble_of_departments import (
    plan_budget_burn,
    plan_department_surge,
    plan_launch_day,
    plan_long_chat,
    plan_new_customer,
    plan_night_batches,
    plan_slow_drift,
)
from tokentrail.processors.simulation.trouble_of_keys import plan_credential_stuffing, plan_key_leak, plan_wrong_key
from tokentrail.processors.simulation.trouble_of_people import (
    plan_agent_loop,
    plan_context_leak,
    plan_duplicate_flood,
    plan_prompt_stuffing,
    plan_token_spike,
)
from tokentrail.processors.simulation.trouble_of_producers import plan_clock_skew, plan_lost_calls
from tokentrail.processors.simulation.trouble_of_providers import (
    plan_brown_out,
    plan_provider_outage,
    plan_rate_limit_blip,
    plan_retry_storm,
)

Planner = Callable[[Site], Plan]

INCIDENTS: Final[dict[str, Planner]] = {
    # Those that need the most room first: what comes later must fit between them.
    "slow_drift": plan_slow_drift,
    "provider_outage": plan_provider_outage,
    "brown_out": plan_brown_out,
    "department_surge": plan_department_surge,
    "clock_skew": plan_clock_skew,
    "lost_calls": plan_lost_calls,
    "key_leak": plan_key_leak,
    "budget_burn": plan_budget_burn,
    "context_leak": plan_context_leak,
    "agent_loop": plan_agent_loop,
    "retry_storm": plan_retry_storm,
    "prompt_stuffing": plan_prompt_stuffing,
    "token_spike": plan_token_spike,
    "credential_stuffing": plan_credential_stuffing,
    "duplicate_flood": plan_duplicate_flood,
}
"""Kinds of incidents."""
LOOK_ALIKES: Final = ("launch_day", "new_customer", "night_batch", "wrong_key", "rate_limit_blip", "long_chat")
"""Kinds of harmless ones."""
_DRAWN_LOOK_ALIKES: Final[dict[str, tuple[Planner, int]]] = {
    "launch_day": (plan_launch_day, 2),
    "long_chat": (plan_long_chat, 8),
    "wrong_key": (plan_wrong_key, 12),
    "rate_limit_blip": (plan_rate_limit_blip, 12),
}
"""With how many there are in a month."""
_MONTH_DAYS: Final = 28
_INCIDENTS_A_MONTH: Final = (2, 3)
"""Of each kind."""
_NEW_CUSTOMERS_A_MONTH: Final = (1, 2)
_MARGIN_S: Final = 3 * 3600.0
"""Between two plans that claim the same."""
_ATTEMPTS: Final = 400


class Schedule:
    """Draws plans for `days`. `kinds` are those to plan, None: all; each that is named comes at least once."""

    def __init__(self, rng: np.random.Generator, days: float, kinds: Collection[str] | None) -> None:
        unknown = set(kinds or ()) - {*INCIDENTS, *LOOK_ALIKES}
        if unknown:
            raise ValueError(f"No such kinds: {', '.join(sorted(unknown))}; there are {', '.join(all_kinds())}.")
        self._rng = rng
        self._days = days
        self._kinds = kinds
        self._taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
        self._made = 0

    def customer_moments(self) -> list[float]:
        """Draw when new customers begin."""
        if not self._wanted("new_customer"):
            return []
        first = min(WARM_UP_DAYS, self._days / 3) * DAY_S
        last = max(self._days * 0.8 * DAY_S, first + 1)
        return sorted(
            float(self._rng.uniform(first, last)) for _ in range(self._count("new_customer", *_NEW_CUSTOMERS_A_MONTH))
        )

    def plan(self, company: Company, table: SourceTable, customers: list[int]) -> list[Plan]:
        """Return all plans, in order of their start."""
        plans = [plan_new_customer(self._site(company, table), customer) for customer in customers]
        for plan in plans:
            self._take(plan)
        for kind, planner in INCIDENTS.items():
            plans += self._draw(planner, self._count(kind, *_INCIDENTS_A_MONTH), company, table)
        for kind, (planner, count) in _DRAWN_LOOK_ALIKES.items():
            plans += self._draw(planner, self._count(kind, count, count), company, table)
        if self._wanted("night_batch"):
            for department in company.departments:
                if department.batch_hour is not None and not department.from_s:
                    plans += plan_night_batches(self._site(company, table), department)
        return sorted(plans, key=lambda plan: plan.start_s)

    def _draw(self, planner: Planner, count: int, company: Company, table: SourceTable) -> list[Plan]:
        """Draw plans of one kind until there are enough, or no room is found."""
        plans: list[Plan] = []
        for _ in range(_ATTEMPTS):
            if len(plans) == count:
                break
            try:
                plan = planner(self._site(company, table))
            except UnsuitableError:
                continue
            if self._free(plan):
                self._take(plan)
                plans.append(plan)
        return plans

    def _site(self, company: Company, table: SourceTable) -> Site:
        self._made += 1
        return Site(company, table, self._days, self._made, self._rng)

    def _wanted(self, kind: str) -> bool:
        return self._kinds is None or kind in self._kinds

    def _count(self, kind: str, low: int, high: int) -> int:
        """Draw how many of a kind: as many a month as said; of a shorter time its part."""
        if not self._wanted(kind):
            return 0
        exact = float(self._rng.integers(low, high + 1)) * self._days / _MONTH_DAYS
        count = int(exact) + int(self._rng.random() < exact % 1)
        return max(count, 0 if self._kinds is None else 1)

    def _free(self, plan: Plan) -> bool:
        begin, end = plan.start_s - _MARGIN_S, plan.end_s + _MARGIN_S
        return not any(
            begin < until and since < end for claim in plan.claims for since, until in self._taken.get(claim, ())
        )

    def _take(self, plan: Plan) -> None:
        for claim in plan.claims:
            self._taken.setdefault(claim, []).append((plan.start_s, plan.end_s))


def all_kinds() -> tuple[str, ...]:
    """Return the names of all kinds: incidents, then look-alikes."""
    return (*INCIDENTS, *LOOK_ALIKES)

"""What departments are charged for calls, as an expression of SQL: the cost and the mark-up that fits, exact.

It is applied when it is asked for, and never stored: `cost_usd` stays what the provider is paid.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from tokentrail.processors.price_file import Markup

# A day of the engine's type Date.
_FIRST_DAY: Final = date(1970, 1, 1)
_LAST_DAY: Final = date(2149, 6, 6)
_HUNDRED: Final = Decimal(100)


def charged_sql(
    markups: Sequence[Markup], department: str, day: str = "toDate(call.time)"
) -> tuple[str, dict[str, Any]]:
    """Return the sum of what calls are charged, and its parameters; the first mark-up that fits a call is applied.

    `department` and `day` are the expressions that say whose call it was, and of which UTC day. Besides, it needs
    `cost_usd`, `provider` and `model` of a table with the alias `call`: of calls, or of a rollup that keeps them apart.
    A call without a cost is charged nothing: it is not known.
    """
    cost = "toDecimal256(call.cost_usd, 9)"
    if not markups:
        return f"sum({cost})", {}
    branches: list[str] = []
    parameters: dict[str, Any] = {}
    for at, markup in enumerate(markups):
        conditions = []
        for column, name in ((department, "department"), ("call.provider", "provider"), ("call.model", "model")):
            pattern = getattr(markup, name)
            if pattern != "*":
                conditions.append(f"{column} ILIKE {{markup_{at}_{name}:String}}")
                parameters[f"markup_{at}_{name}"] = _like(pattern)
        if markup.since > _FIRST_DAY:
            conditions.append(f"{day} >= {{markup_{at}_since:Date}}")
            parameters[f"markup_{at}_since"] = markup.since
        if markup.until <= _LAST_DAY:
            conditions.append(f"{day} < {{markup_{at}_until:Date}}")
            parameters[f"markup_{at}_until"] = markup.until
        branches.append(f"{' AND '.join(conditions) or 'true'}, {{markup_{at}_factor:Decimal(18, 8)}}")
        parameters[f"markup_{at}_factor"] = 1 + markup.percent / _HUNDRED
    return f"sum({cost} * multiIf({', '.join(branches)}, toDecimal64(1, 8)))", parameters


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")

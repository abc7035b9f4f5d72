"""The SQL of what a call costs: the text of the view that fills `calls`, for statements that price calls otherwise.

It stands in a shipped migration, and nowhere else: what is shipped is never edited, and whatever a later one says anew
is said here as well.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

from tokentrail.errors import LedgerError
from tokentrail.schemas.events import Usage
from tokentrail.sinks.clickhouse.migrations import shipped_migrations

_VIEW: Final = re.compile(
    r"CREATE MATERIALIZED VIEW IF NOT EXISTS \$\{database\}\.calls_from_\w+ .*?\nWITH\n(?P<steps>.*?)\nSELECT\n"
    r".*?\n *(?P<cost>if\(unpriced, NULL, [^\n]*\)) AS cost_usd,\n",
    re.DOTALL,
)
_USAGE_TYPE: Final = f"Tuple({', '.join(f'{name} Nullable(UInt32)' for name in Usage.__struct_fields__)})"
RATE_TYPES: Final = {
    **dict.fromkeys(
        (
            "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio",
            "reasoning", "request",
        ),
        "Nullable(Decimal(18, 9))",
    ),
    "cached_audio_apart": "UInt8",
}  # fmt: skip
"""What the formula reads of `rates` besides `rate_id`, and the types of it."""
_RATES_TYPE: Final = f"Tuple(rate_id UInt64, {', '.join(f'{name} {kind}' for name, kind in RATE_TYPES.items())})"


class CostFormula(NamedTuple):
    """`steps` belong behind WITH; they define, among others, what `cost` is made of.

    They read `usage`, a named tuple of tokens, and `rates`, whose `rate_id` 0 stands for no price: a named tuple or a
    table's alias. `unpriced`, `ambiguous`, `input_rest` and `output_rest` say why there is no cost.
    """

    steps: str
    cost: str
    """In USD; NULL where it is not known."""


@cache
def cost_formula() -> CostFormula:
    """Return the formula by which this version's ledger prices.

    Raises:
        LedgerError: no shipped migration has it.
    """
    for migration in reversed(shipped_migrations()):
        found = _VIEW.search(migration.sql)
        if found:
            return CostFormula(found["steps"], found["cost"])
    raise LedgerError("No migration says what a call costs: this installation lacks files. Install Tokentrail again.")


def usage_tuple(table: str) -> str:
    """Return the expression of `usage` over a table's columns."""
    names = ", ".join(f"{table}.{name}" for name in Usage.__struct_fields__)
    return f"CAST(({names}), '{_USAGE_TYPE}')"


def rates_tuple(rate_id: str, expression: Callable[[str, str], str]) -> str:
    """Return the expression of `rates`; `expression` says where an amount comes from, by its name and type."""
    values = ", ".join([rate_id, *(expression(name, kind) for name, kind in RATE_TYPES.items())])
    return f"CAST(({values}), '{_RATES_TYPE}')"

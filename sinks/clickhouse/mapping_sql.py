"""Mappings at query time: the joins, and the expressions for what a call belongs to on its day."""

from typing import Final

from tokentrail.processors.mappings import SOURCES, TARGETS

_OWN: Final = ("department", "team")
"""What a call says itself where nothing is mapped."""
_MEASURES: Final = ("calls", "input_tokens", "output_tokens", "priced_calls", "unpriced_calls", "cost_usd")
_KEPT: Final = (
    "if(call.{source} IN (SELECT value FROM mappings WHERE dimension = '{source}'), toString(call.{source}), '') "
    "AS {source}"
)
_JOIN: Final = """\
LEFT ANY JOIN
(
    SELECT
        value,
        {entries}
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM {mappings}
        WHERE dimension = '{source}'
    )
    GROUP BY value
) AS mapped_{source} ON mapped_{source}.value = {column}"""


def mapping_joins(team: str, mappings: str = "mappings", targets: tuple[str, ...] = TARGETS) -> str:
    """Return the joins for a table whose alias is `call`; `team` is the expression of a call's own team."""
    entries = ",\n        ".join(
        f"arrayReverseSort(groupArrayIf(entry, target = '{target}')) AS {target}" for target in targets
    )
    return "\n".join(
        _JOIN.format(
            source=source, column=team if source == "team" else f"call.{source}", mappings=mappings, entries=entries
        )
        for source in SOURCES
    )


def mapped_days(conditions: str, targets: tuple[str, ...] = TARGETS) -> str:
    """Return the days of `calls_day` that fulfil conditions, as rows `call` beside the mappings of their values.

    What no mapping names is put together first, so that a million rows of users become a few for the joins.
    `conditions` are about `call`, before any mapping; `mapped` with `call.day` tells the rest.
    """
    kept = [f"call.{source} AS {source}" if source in _OWN else _KEPT.format(source=source) for source in SOURCES]
    sums = [f"sum(call.{measure}) AS {measure}" for measure in _MEASURES]
    columns = ",\n        ".join(["call.day AS day", "call.status AS status", *kept, *sums])
    groups = ", ".join(("day", "status", *SOURCES))
    return (
        f"(\n    SELECT\n        {columns}\n    FROM calls_day AS call\n    WHERE {conditions}\n    GROUP BY {groups}\n"
        f") AS call\n{mapping_joins('call.team', targets=targets)}"
    )


def mapped(target: str, own: str, day: str) -> str:
    """Return the expression of what a call belongs to on `day`; `own` is what it says itself."""
    if target not in TARGETS:
        raise ValueError(target)
    found = ",\n        ".join(
        f"nullIf(arrayFirst(entry -> {day} >= entry.3 AND {day} < entry.4, mapped_{source}.{target}).5, '')"
        for source in SOURCES
    )
    return f"coalesce(\n        {found},\n        toString({own})\n    )"

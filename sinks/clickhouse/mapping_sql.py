"""Mappings at query time: the joins, and the expressions for what a call belongs to on its day."""

from typing import Final

from tokentrail.processors.mappings import SOURCES, TARGETS

_JOIN: Final = """\
LEFT ANY JOIN
(
    SELECT
        value,
        arrayReverseSort(groupArrayIf(entry, target = 'department')) AS department,
        arrayReverseSort(groupArrayIf(entry, target = 'team')) AS team,
        arrayReverseSort(groupArrayIf(entry, target = 'cost_centre')) AS cost_centre
    FROM
    (
        SELECT value, target, (recorded_at, position, valid_from, valid_until, target_value) AS entry
        FROM {mappings}
        WHERE dimension = '{source}'
    )
    GROUP BY value
) AS mapped_{source} ON mapped_{source}.value = {column}"""


def mapping_joins(team: str, mappings: str = "mappings") -> str:
    """Return the joins for a table whose alias is `call`; `team` is the expression of a call's own team."""
    return "\n".join(
        _JOIN.format(source=source, column=team if source == "team" else f"call.{source}", mappings=mappings)
        for source in SOURCES
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

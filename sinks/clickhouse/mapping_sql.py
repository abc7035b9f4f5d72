"""Mappings at query time: what a call belongs to on its day, as SQL.

The mappings are constants that the statement reads first: every row is looked up in them by hash, and none is joined.
"""

from typing import Final

from tokentrail.processors.mappings import SOURCES

# What holds changes only on the turns: days on which entries begin or end. Between two of them lies a period; the first
# one is before every turn. `held` is what holds in each period, by the same rule as `holding` of processors.mappings.
_KNOWN: Final = """\
(
    SELECT arraySort(groupUniqArrayArray(arrayFilter(
        day -> day NOT IN (toDate('1970-01-01'), toDate('2149-06-06')), [valid_from, valid_until]
    )))
    FROM {mappings}
    WHERE target = '{target}'
) AS {target}_turns,
if(empty({target}_turns), [toUInt16(0)], range(toUInt16({target}_turns[1]), toUInt16({target}_turns[-1]) + 1))
    AS {target}_days,
arrayMap(day -> toUInt64(arrayCount(turn -> toUInt16(turn) <= day, {target}_turns)) + 1, {target}_days)
    AS {target}_periods,
(
    SELECT (
        groupArray(dimension),
        groupArray(arrayConcat([''], its_values)),
        groupArray(arrayConcat([toUInt64(0)], its_ids)),
        groupArray(arrayConcat([toUInt64(0)], its_held_at)),
        groupArray(arrayConcat([''], its_held))
    )
    FROM
    (
        SELECT
            dimension,
            groupArray(value) AS its_values,
            groupArray(id) AS its_ids,
            groupArrayArray(arrayMap((name, period) -> id * 65536 + period, held, arrayEnumerate(held))) AS its_held_at,
            groupArrayArray(held) AS its_held
        FROM
        (
            SELECT
                dimension,
                value,
                row_number() OVER () AS id,
                arrayReverseSort(groupArray((recorded_at, position, valid_from, valid_until, target_value))) AS entries,
                arrayMap(
                    turn -> arrayFirst(entry -> turn >= entry.3 AND turn < entry.4, entries).5,
                    arrayConcat([toDate('1970-01-01')], {target}_turns)
                ) AS held
            FROM {mappings}
            WHERE target = '{target}'
            GROUP BY dimension, value
        )
        GROUP BY dimension
    )
) AS {target}_known,
{places}"""
# Of a source that is not mapped at all, nothing is looked up and no column read.
_FOUND: Final = """\
if({place} = 0, NULL, nullIf(transform(
            transform({value}, {target}_known.2[{place}], {target}_known.3[{place}], toUInt64(0)) * 65536
                + transform(
                    least(toUInt16({day}), {target}_days[-1]), {target}_days, {target}_periods, toUInt64(1)
                ),
            {target}_known.4[{place}], {target}_known.5[{place}], ''
        ), ''))"""


def known_mappings(*targets: str, mappings: str = "mappings") -> str:
    """Return what `mapped_on_day` needs: the WITH of its statement."""
    return "WITH\n" + ",\n".join(
        _KNOWN.format(target=target, mappings=mappings, places=_places(target)) for target in targets
    )


def mapped_on_day(target: str, own: str, *, day: str = "call.day", team: str = "call.team") -> str:
    """Return the expression of what a row belongs to on `day`; its alias is `call`.

    `own` is the expression of what the calls say themselves. `day` and `team` are other than a rollup's over calls.
    """
    found = ",\n        ".join(
        _FOUND.format(
            target=target,
            value=team if source == "team" else f"call.{source}",
            day=day,
            place=f"{target}_of_{source}",
        )
        for source in SOURCES
    )
    return f"coalesce(\n        {found},\n        toString({own})\n    )"


def _places(target: str) -> str:
    places = (f"indexOf({target}_known.1, '{source}') AS {target}_of_{source}" for source in SOURCES)
    return ",\n".join(places)

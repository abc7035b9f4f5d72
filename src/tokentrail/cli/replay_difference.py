"""`tokentrail replay --against`: what other rules change about the alerts, and what either side costs in noise."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tokentrail.cli.alert_text import readable
from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import err, out, print_json, print_table
from tokentrail.cli.replaying import Told, replay_stretch
from tokentrail.errors import SourceError
from tokentrail.processors.alert_difference import (
    Change,
    Episode,
    Noise,
    NoiseRow,
    Rate,
    Watched,
    collect_episodes,
    compare,
    count_kinds,
    fired_within,
    measure_noise,
)

if TYPE_CHECKING:
    from tokentrail.cli.log_sources import Stretch
    from tokentrail.cli.replaying import Effort
    from tokentrail.schemas.rules import Rule
    from tokentrail.settings import Settings

LIVE: Final = "live"
_COLUMNS: Final = ("change", "at (UTC)", "shift", "severity", "rule", "what")


class _Side(msgspec.Struct, frozen=True):
    """The alerts of one side, and what its rules looked at."""

    episodes: list[Episode]
    watched: Watched


def tell_difference(  # noqa: PLR0913 - the options of a command
    settings: "Settings", stretch: "Stretch", rules: Path | None, against: str, effort: "Effort", *, as_json: bool
) -> None:
    """Replay a stretch under `rules`, compare with the live alerts or with another replay, and print the difference.

    Raises:
        TokentrailError: log, alerts or rules cannot be read.
    """
    from tokentrail.processors.budget_rules import load_active_rules
    from tokentrail.processors.rules import load_rules

    active = load_active_rules(settings.rules, settings.budgets)
    new_rules = load_rules(rules) if rules else active
    old_rules = active if against == LIVE else load_rules(Path(against))
    told = Told()
    # The warm-up's alerts too: one that is still open at the beginning is matched, and not new.
    everything = msgspec.structs.replace(stretch, begin=None)
    after = collect_episodes(replay_stretch(settings, new_rules, everything, effort, told))
    begin, end = _bounds(stretch, told)
    if against == LIVE:
        before, entities = _live_episodes(settings, begin), told.entities
    else:
        told_before = Told()
        before = collect_episodes(replay_stretch(settings, old_rules, everything, effort, told_before))
        entities = told_before.entities
    old = _Side(before, _watched(old_rules, entities))
    new = _Side(after, _watched(new_rules, told.entities))
    changes = compare(before, after, begin, end)
    noise = measure_noise(
        fired_within(before, begin, end), fired_within(after, begin, end), end - begin, (old.watched, new.watched)
    )
    if as_json:
        print_json(_as_document(changes, noise, begin, end, against))
    else:
        _print(changes, noise, begin, end, against)
    err.print(f"{told.counts.records:,} records, {told.counts.late:,} late.", soft_wrap=True)


def _bounds(stretch: "Stretch", told: Told) -> tuple[datetime, datetime]:
    begin, end = stretch.begin, stretch.until
    if told.span_s is None:
        raise SourceError("There are no records in this stretch of the log: choose another, or check the source.")
    first_s, last_s = told.span_s
    return begin or datetime.fromtimestamp(first_s, UTC), end or datetime.fromtimestamp(last_s + 1, UTC)


def _live_episodes(settings: "Settings", begin: datetime) -> list[Episode]:
    from tokentrail.processors.alert_log import read_alerts

    # Who fired before and was told of again later is known by its `started_at`; a day back finds the rest.
    since = parse_moment("1d", now=begin)
    records = asyncio.run(read_alerts(settings, max(0, int(since.timestamp() * 1000))))
    return collect_episodes(record.alert for record in records)


def _watched(rules: "list[Rule]", entities: dict[str, int]) -> Watched:
    from tokentrail.processors.views import views_of

    views = {rule.name: frozenset(view.name for view in views_of(rule)) for rule in rules}
    return Watched(views=views, entities=entities)


def _print(changes: list[Change], noise: Noise, begin: datetime, end: datetime, against: str) -> None:
    what = "the live alerts" if against == LIVE else f"the alerts of {against}"
    out.print(f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, beside {what}:", soft_wrap=True, markup=False)
    out.print(", ".join(f"{count} {kind}" for kind, count in count_kinds(changes).items()))
    listed = [change for change in changes if change.kind != "unchanged"]
    if listed:
        print_table("Changes", _COLUMNS, [_change_row(change) for change in listed])
    rows = [noise.total, *noise.by_severity, *noise.by_rule]
    columns = ("", "alerts before", "after", "a day before", "after ", "an entity-week before", " after")
    print_table("Noise", columns, [_noise_row(row) for row in rows], right=columns[1:])


def _change_row(change: Change) -> tuple[str, ...]:
    episode = change.episode
    shift = f"{timedelta(seconds=round(abs(change.shift_s)))}" if change.shift_s else ""
    return (
        change.kind,
        f"{episode.begin:%m-%d %H:%M:%S}",
        shift,
        episode.severity,
        episode.rule,
        readable(episode.summary),
    )


def _noise_row(row: NoiseRow) -> tuple[str, ...]:
    cells = [row.name, str(row.before.alerts), str(row.after.alerts)]
    cells += [f"{rate.per_day:.1f}" for rate in (row.before, row.after)]
    cells += [_weekly(rate) for rate in (row.before, row.after)]
    return tuple(cells)


def _weekly(rate: Rate) -> str:
    return "" if rate.per_entity_week is None else f"{rate.per_entity_week:.4g}"


def _as_document(
    changes: Iterable[Change], noise: Noise, begin: datetime, end: datetime, against: str
) -> dict[str, Any]:
    listed = list(changes)
    return {
        "from": begin,
        "to": end,
        "against": against,
        "counts": count_kinds(listed),
        "changes": [msgspec.to_builtins(change) for change in listed],
        "noise": msgspec.to_builtins(noise),
    }

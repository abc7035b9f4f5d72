"""Alert difference: two ways to watch one stretch of the log, compared alert by alert, and what each costs. Pure.

An alert is matched with the alert of the other side that has the same rule, dimension and entity and overlaps it in
time; each is matched once, the earliest first. So what the other side tells = what this one tells - gone + new.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from tokentrail.schemas.alerts import Alert, AlertState, Severity

Kind = Literal["new", "gone", "earlier", "later", "unchanged"]
KINDS: Final[tuple[Kind, ...]] = ("new", "gone", "earlier", "later", "unchanged")
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One alert from its first state change to its last."""

    alert_id: str
    rule: str
    severity: Severity
    dimension: str
    entity: str
    begin: datetime
    """When it fired."""
    end: datetime | None
    """When it was resolved; None: it was open at the end."""
    value: float
    """The highest that was told."""
    summary: str
    """Of the first state change."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert."""

    kind: Kind
    before: Episode | None
    after: Episode | None
    shift_s: float = 0.0
    """How much later it fires than before; negative: earlier."""

    @property
    def episode(self) -> Episode:
        """The alert, as it is now if there is one."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - a change has one of the two
        return found


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How much noise: alerts that fired, a day and a week of one entity; None where no entity was counted."""

    alerts: int
    per_day: float
    per_entity_week: float | None


class NoiseRow(msgspec.Struct, frozen=True, kw_only=True):
    """Noise before and after, of one rule, one severity or all."""

    name: str
    before: Rate
    after: Rate


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """What two sets of rules cost those who are alerted."""

    total: NoiseRow
    by_rule: list[NoiseRow]
    by_severity: list[NoiseRow]


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What one side looked at: the views of each rule, and how many entities each view had."""

    views: Mapping[str, frozenset[str]]
    entities: Mapping[str, int]

    def count(self, rules: Iterable[str]) -> int | None:
        """Return how many entities some rules watched; None if that is not known of one of their views."""
        views = {view for rule in rules for view in self.views.get(rule, ())}
        if not views or not views <= self.entities.keys():
            return None
        return sum(self.entities[view] for view in views)


def collect_episodes(alerts: Iterable[Alert]) -> list[Episode]:
    """Return the alerts behind some state changes, in any order, sorted by when they fired."""
    told: dict[str, list[Alert]] = {}
    for alert in alerts:
        told.setdefault(alert.alert_id, []).append(alert)
    episodes = [_fold(sorted(states, key=lambda alert: alert.revision)) for states in told.values()]
    return sorted(episodes, key=_order)


def compare(
    before: Iterable[Episode], after: Iterable[Episode], begin: datetime | None = None, end: datetime | None = None
) -> list[Change]:
    """Return what became of each alert that fired from `begin` on and before `end` on either side, by when it fired."""
    changes: list[Change] = []
    theirs, ours = _by_entity(before), _by_entity(after)
    for key in theirs.keys() | ours.keys():
        changes.extend(_match(theirs.get(key, []), ours.get(key, [])))
    kept = [change for change in changes if _fired_within(change, begin, end)]
    return sorted(kept, key=lambda change: _order(change.episode))


def fired_within(episodes: Iterable[Episode], begin: datetime, end: datetime) -> list[Episode]:
    """Return the alerts that fired from `begin` on and before `end`."""
    return [episode for episode in episodes if begin <= episode.begin < end]


def count_kinds(changes: Iterable[Change]) -> dict[Kind, int]:
    """Return how many alerts there are of each kind."""
    counts = dict.fromkeys(KINDS, 0)
    for change in changes:
        counts[change.kind] += 1
    return counts


def measure_noise(
    before: Sequence[Episode], after: Sequence[Episode], length: timedelta, watched: tuple[Watched, Watched]
) -> Noise:
    """Return alerts a day and a week of one entity, over a stretch of `length`.

    Both sides hold only alerts that fired in it; `watched` says what each looked at.
    """
    days, weeks = max(length / _DAY, 1e-9), max(length / _WEEK, 1e-9)

    def rate(episodes: list[Episode], side: Watched, rules: Iterable[str]) -> Rate:
        entities = side.count(rules)
        weekly = len(episodes) / (entities * weeks) if entities else None
        return Rate(alerts=len(episodes), per_day=len(episodes) / days, per_entity_week=weekly)

    def row(name: str, rules: tuple[Iterable[str], Iterable[str]], wanted: set[str] | None) -> NoiseRow:
        sides = (before, after)
        old, new = (
            rate([e for e in episodes if wanted is None or e.rule in wanted or e.severity in wanted], side, names)
            for episodes, side, names in zip(sides, watched, rules, strict=True)
        )
        return NoiseRow(name=name, before=old, after=new)

    told = [*before, *after]
    everything = (watched[0].views.keys(), watched[1].views.keys())
    # A rule's severity is one; what a severity costs is held against the entities of the rules that have it.
    of_severity = {
        severity: tuple({e.rule for e in episodes if e.severity == severity} for episodes in (before, after))
        for severity in Severity
    }
    return Noise(
        total=row("all", everything, None),
        by_rule=[row(rule, ([rule], [rule]), {rule}) for rule in sorted({e.rule for e in told})],
        by_severity=[
            row(severity.value, (rules[0], rules[1]), {severity.value})
            for severity, rules in of_severity.items()
            if rules[0] or rules[1]
        ],
    )


def _fold(states: list[Alert]) -> Episode:
    first, last = states[0], states[-1]
    return Episode(
        alert_id=first.alert_id,
        rule=first.rule,
        severity=first.severity,
        dimension=first.dimension,
        entity=first.entity,
        begin=first.started_at,
        end=last.occurred_at if last.state is AlertState.RESOLVED else None,
        value=max(state.value for state in states),
        summary=first.summary,
    )


def _order(episode: Episode) -> tuple[datetime, str, str, str, str]:
    return (episode.begin, episode.rule, episode.dimension, episode.entity, episode.alert_id)


def _by_entity(episodes: Iterable[Episode]) -> dict[tuple[str, str, str], list[Episode]]:
    found: dict[tuple[str, str, str], list[Episode]] = {}
    for episode in sorted(episodes, key=_order):
        found.setdefault((episode.rule, episode.dimension, episode.entity), []).append(episode)
    return found


def _match(before: list[Episode], after: list[Episode]) -> list[Change]:
    """Pair the alerts of one rule and entity, both sorted; one entity's alerts of one rule do not overlap."""
    changes: list[Change] = []
    old, new = 0, 0
    while old < len(before) and new < len(after):
        theirs, ours = before[old], after[new]
        if _is_over(theirs, ours.begin):
            changes.append(Change(kind="gone", before=theirs, after=None))
            old += 1
        elif _is_over(ours, theirs.begin):
            changes.append(Change(kind="new", before=None, after=ours))
            new += 1
        else:
            changes.append(_pair(theirs, ours))
            old, new = old + 1, new + 1
    changes.extend(Change(kind="gone", before=theirs, after=None) for theirs in before[old:])
    changes.extend(Change(kind="new", before=None, after=ours) for ours in after[new:])
    return changes


def _is_over(episode: Episode, moment: datetime) -> bool:
    return episode.end is not None and episode.end < moment


def _pair(before: Episode, after: Episode) -> Change:
    shift_s = (after.begin - before.begin).total_seconds()
    kind: Kind = "unchanged" if shift_s == 0 else "later" if shift_s > 0 else "earlier"
    return Change(kind=kind, before=before, after=after, shift_s=shift_s)


def _fired_within(change: Change, begin: datetime | None, end: datetime | None) -> bool:
    return any(
        episode is not None and (begin is None or begin <= episode.begin) and (end is None or episode.begin < end)
        for episode in (change.before, change.after)
    )

"""What is odd about a price list that is without fault: entries that nothing reaches, entries that overlap. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from tokentrail.processors.name_pattern import NamePattern
from tokentrail.processors.price_file import USD, Markup, PriceEntry, PriceFile


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `place` is the entry it is about, `others` those that go before it; counted from 1 in the file."""

    kind: Literal["unreachable", "overlap", "unused"]
    table: Literal["price", "markup", "exchange"]
    place: int
    name: str
    others: tuple[int, ...] = ()

    def __str__(self) -> str:
        others = " and ".join(str(other) for other in self.others)
        said = {
            "unreachable": f"nothing reaches it: entry {others} goes first, whatever the call",
            "overlap": f"entry {others} goes first where both fit",
            "unused": "no price is in this currency",
        }
        return f"{self.table} {self.place} ({self.name}): {said[self.kind]}"


class _Reach(msgspec.Struct, frozen=True):
    """What calls an entry fits."""

    names: tuple[NamePattern, ...]
    service_tier: str | None
    since: date
    until: date

    def covers_names(self, other: "_Reach") -> bool:
        tier = self.service_tier in (None, other.service_tier)
        return tier and all(one.covers(two) for one, two in zip(self.names, other.names, strict=True))

    def meets(self, other: "_Reach") -> bool:
        tiers = {self.service_tier, other.service_tier}
        days = max(self.since, other.since) < min(self.until, other.until)
        names = all(one.meets(two) for one, two in zip(self.names, other.names, strict=True))
        return days and names and (None in tiers or len(tiers) == 1)


def find_oddities(file: PriceFile) -> list[Oddity]:
    """Return what is odd, in the file's order: first prices, then mark-ups and exchange rates.

    A discount without rates is taken off the entries below it: it does not keep an entry with rates from being reached.
    """
    prices = [_reach(entry, entry.provider, entry.model) for entry in file.prices]
    markups = [_reach(markup, markup.department, markup.provider, markup.model) for markup in file.markups]
    found: list[Oddity] = []
    for at, entry in enumerate(file.prices):
        before = [one for one in range(at) if entry.only_discounts or not file.prices[one].only_discounts]
        found += _judge("price", f"{entry.provider} {entry.model}", at, before, prices)
    for at, markup in enumerate(file.markups):
        found += _judge("markup", markup.department, at, range(at), markups)
    used = {entry.currency for entry in file.prices}
    for at, exchange in enumerate(file.exchanges):
        if exchange.currency not in used - {USD}:
            found.append(_oddity("unused", "exchange", at, exchange.currency))
    return found


def _reach(entry: PriceEntry | Markup, *patterns: str) -> _Reach:
    tier = entry.service_tier if isinstance(entry, PriceEntry) else None
    return _Reach(tuple(NamePattern(pattern) for pattern in patterns), tier, entry.since, entry.until)


def _judge(
    table: Literal["price", "markup"], name: str, at: int, before: Sequence[int], reaches: Sequence[_Reach]
) -> list[Oddity]:
    own = reaches[at]
    covering = [one for one in before if reaches[one].covers_names(own)]
    hiding = _hiding(own, covering, reaches)
    if hiding:
        return [_oddity("unreachable", table, at, name, hiding)]
    return [_oddity("overlap", table, at, name, [one]) for one in before if reaches[one].meets(own)]


def _hiding(own: _Reach, covering: Sequence[int], reaches: Sequence[_Reach]) -> list[int]:
    """Return which of the covering entries together hold on every day of this one; none if there is a day left."""
    open_from, used = own.since, []
    for one in sorted(covering, key=lambda one: reaches[one].since):
        if reaches[one].since <= open_from < reaches[one].until:
            used.append(one)
            open_from = reaches[one].until
            if open_from >= own.until:
                return sorted(used)
    return []


def _oddity(
    kind: Literal["unreachable", "overlap", "unused"],
    table: Literal["price", "markup", "exchange"],
    at: int,
    name: str,
    others: Sequence[int] = (),
) -> Oddity:
    return Oddity(kind=kind, table=table, place=at + 1, name=name, others=tuple(one + 1 for one in others))

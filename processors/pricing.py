"""What tokens cost: the rates in force for a model at a moment, chosen once and remembered. Pure; Decimal only.

The arithmetic is the ledger's, in its view `calls_from_events_in`.

Only tokens and the request itself are priced: what a provider bills beyond them (searches, images, seconds of audio) is
not in an event's usage. What is not known is None, never 0 and never a guess.
"""

from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import msgspec

from tokentrail.schemas.events import CallCompleted

MAX_REMEMBERED: Final = 20_000
"""Answers kept before they are thrown away: model names come from outside, memory must not."""

_LATER_FIELDS: Final = frozenset(("rate_id", "above_input_tokens", "listing"))


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that rates were made of: rate = listed rate x `exchange_rate` x (1 - `discount_percent` / 100)."""

    price_source: str
    price_version: str
    currency: str = "USD"
    exchange_rate: Decimal = Decimal(1)
    """USD for one unit of the currency."""
    discount_percent: Decimal = Decimal(0)
    rates: dict[str, Decimal] = {}
    """By the names of the parts, as listed: units of the currency per million tokens, per million requests."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens. A part that is None is not priced apart: it costs what the total around it costs."""

    price_source: str
    price_version: str
    provider: str
    model: str
    service_tier: str = ""
    currency: str = "USD"
    input: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output: Decimal | None = None
    output_audio: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal = Decimal(0)
    """USD per million requests."""
    cached_audio_apart: bool = False
    """Cached audio has a price of its own; a usage with both cache reads and audio cannot be priced."""
    above_input_tokens: int = 0
    """These are the rates of a long context: of calls with more input than this."""
    listing: Listing | None = None
    """What the rates were converted or discounted from; None where they are as listed, in USD."""

    rate_id: int = 0
    """Names these rates by their content, whatever is passed: 64 bits, never 0; the same rates, the same id."""

    def __post_init__(self) -> None:
        named = [_plain(getattr(self, name)) for name in self.__struct_fields__ if name not in _LATER_FIELDS]
        later = [self.above_input_tokens, _plain(self.listing)]
        # A ledger holds ids from before the later fields: where they say nothing, the id is what it was.
        content = msgspec.json.encode(named + later if any(later) else named, order="sorted")
        msgspec.structs.force_setattr(self, "rate_id", int.from_bytes(sha256(content).digest()[:8], "big") | 1)


def _plain(value: object) -> object:
    """Write an amount in one way, however it came: what the ledger gives back has other zeros at its end."""
    if isinstance(value, Listing):
        return [_plain(part) for part in msgspec.structs.astuple(value)]
    if isinstance(value, dict):
        return {name: _plain(amount) for name, amount in value.items()}
    if not isinstance(value, Decimal):
        return value
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class LongContext(NamedTuple):
    """Rates of one tier: they apply to every token of a call with more than `above_input_tokens` of input."""

    above_input_tokens: int
    rates: Rates


class Tariff(msgspec.Struct, frozen=True):
    """Rates during a stretch of a day: the ordinary ones, and those of long contexts, smallest first."""

    rates: Rates
    long_context: tuple[LongContext, ...] = ()
    from_second_of_day: int = 0

    def for_input(self, input_tokens: int) -> Rates:
        """Choose the tier; the last one that the call's input exceeds prices all of it."""
        chosen = self.rates
        for tier in self.long_context:
            if input_tokens <= tier.above_input_tokens:
                break
            chosen = tier.rates
        return chosen


DayTariffs = tuple[Tariff, ...]
"""One UTC day: in order of `from_second_of_day`, the first at 0; several where prices change by the hour."""


class PriceSource(Protocol):
    """Somebody who knows prices."""

    def tariffs(self, provider: str, model: str, service_tier: str, day: date) -> DayTariffs | None:
        """Return the tariffs of a UTC day; None where this source knows no price, none at all where nobody may.

        An empty answer ends the search: the source sells the model, and what it costs is not known.
        """


class PriceBook:
    """Price sources in order of precedence, behind a bounded memory. Not thread-safe."""

    def __init__(self, *sources: PriceSource) -> None:
        self._sources = sources
        self._remembered: dict[tuple[str | None, str | None, str | None, date], DayTariffs | None] = {}

    def rates_for(self, call: CallCompleted, at: datetime) -> Rates | None:
        """Return the rates of a call made `at` a moment in UTC; about 0.5 µs where the day's answer is remembered.

        Priced is the model that answered; the model asked for where the provider does not say.
        """
        key = (call.provider, call.response_model or call.request_model, call.service_tier, at.date())
        try:
            tariffs = self._remembered[key]
        except KeyError:
            tariffs = self._look_up(*key)
        if not tariffs:
            return None
        tariff = tariffs[0] if len(tariffs) == 1 else _tariff_at(tariffs, at)
        if not tariff.long_context:
            return tariff.rates
        return tariff.for_input(call.usage.input_tokens or 0) if call.usage else tariff.rates

    def tariffs_on(self, provider: str, model: str, service_tier: str, day: date) -> DayTariffs | None:
        """Return the tariffs of a UTC day, of the first source that knows them; None where none does."""
        return self._look_up(provider, model, service_tier, day)

    def _look_up(
        self, provider: str | None, model: str | None, service_tier: str | None, day: date
    ) -> DayTariffs | None:
        found = None
        if provider and model:
            for source in self._sources:
                found = source.tariffs(provider, model, service_tier or "", day)
                if found is not None:
                    break
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[provider, model, service_tier, day] = found
        return found


def _tariff_at(tariffs: DayTariffs, at: datetime) -> Tariff:
    second = at.hour * 3600 + at.minute * 60 + at.second
    return next(tariff for tariff in reversed(tariffs) if tariff.from_second_of_day <= second)

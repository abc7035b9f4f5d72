"""The user's own price list (TOML): a relay's prices, a negotiated contract. It goes before the public prices.

    version = "2026-11"                 # optional; without it the file's hash is the price version

    [[price]]
    provider = "holysheep"              # as the event names it; * and ? are wildcards, case does not matter
    model = "gpt-4o*"
    from = 2026-01-01                   # optional, the first UTC day
    until = 2027-01-01                  # optional, the first UTC day after
    input = 1.10                        # USD per million tokens, exact as written
    output = 4.40
    cache_read = 0.11                   # optional; likewise cache_write_5m, cache_write_1h, input_audio, output_audio,
                                        # reasoning: a part without a rate of its own costs what its total costs

The first entry that fits a call prices it; `service_tier` (default: any) narrows an entry to one tier.
"""

import tomllib
from datetime import date
from decimal import Decimal
from fnmatch import translate
from hashlib import sha256
from pathlib import Path
from re import IGNORECASE, Pattern
from re import compile as compile_pattern
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tokentrail.errors import PriceListError
from tokentrail.processors.pricing import DayTariffs, Rates, Tariff

PRICE_SOURCE: Final = "price-list"
_MAX_RATE: Final = Decimal(100_000)
"""USD per million tokens; keeps the largest possible call inside Decimal(18, 9)."""
_MAX_DIGITS: Final = 9
"""Digits behind the point that the ledger keeps of a rate."""
_RATES: Final = (
    "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio", "reasoning",
)  # fmt: skip

_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    provider: _Name
    model: _Name
    service_tier: _Name | None = None
    since: date = date.min
    until: date = date.max
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    reasoning: Decimal | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[str, Meta(max_length=100)] = ""
    price: list[dict[str, Any]] = []


class _Offer:
    """An entry, ready to be asked."""

    def __init__(self, entry: _Entry, price_version: str) -> None:
        self._entry = entry
        self._provider = _pattern(entry.provider)
        self._model = _pattern(entry.model)
        rates = {name: getattr(entry, name) for name in _RATES}
        self.tariffs: DayTariffs = (
            Tariff(
                Rates(
                    price_source=PRICE_SOURCE,
                    price_version=price_version,
                    provider=entry.provider,
                    model=entry.model,
                    service_tier=entry.service_tier or "",
                    **rates,
                )
            ),
        )

    def fits(self, provider: str, model: str, service_tier: str, day: date) -> bool:
        entry = self._entry
        return (
            entry.since <= day < entry.until
            and entry.service_tier in (None, service_tier)
            and self._provider.match(provider) is not None
            and self._model.match(model) is not None
        )


class PriceList:
    """The entries of one price file, in the file's order."""

    def __init__(self, offers: list[_Offer]) -> None:
        self._offers = offers

    def tariffs(self, provider: str, model: str, service_tier: str, day: date) -> DayTariffs | None:
        """Return the rates of the first entry that fits; None where none does."""
        return next((offer.tariffs for offer in self._offers if offer.fits(provider, model, service_tier, day)), None)


def load_price_list(path: Path) -> PriceList:
    """Read a price file.

    Raises:
        PriceListError: names the file, and the entry and field that is wrong.
    """
    try:
        content = path.read_bytes()
        tables = tomllib.loads(content.decode(), parse_float=Decimal)
        file = msgspec.convert(tables, _File)
    except OSError as error:
        raise PriceListError(f"The price list {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceListError(f"The price list {path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise PriceListError(f"The price list {path} cannot be used: {error}.") from error
    price_version = file.version or sha256(content).hexdigest()[:12]
    return PriceList([_Offer(_entry(path, at, table), price_version) for at, table in enumerate(file.price, start=1)])


def _entry(path: Path, position: int, table: dict[str, Any]) -> _Entry:
    where = f"The price list {path}, entry {position} ({table.get('provider', '?')} {table.get('model', '?')})"
    try:
        entry = msgspec.convert(table, _Entry)
    except msgspec.ValidationError as error:
        raise PriceListError(f"{where}: {error}.") from error
    for name in _RATES:
        fault = _fault(getattr(entry, name))
        if fault:
            raise PriceListError(f"{where}, field {name}: {fault}.")
    if entry.since >= entry.until:
        raise PriceListError(f"{where}, field until: {entry.until} is not after from = {entry.since}.")
    return entry


def _fault(rate: Decimal | None) -> str:
    if rate is None:
        return ""
    if not rate.is_finite() or not 0 <= rate <= _MAX_RATE:
        return f"{rate} is no price; give USD per million tokens, 0 to {_MAX_RATE}"
    if rate != rate.quantize(Decimal(1).scaleb(-_MAX_DIGITS)):
        return f"{rate} has more than {_MAX_DIGITS} digits behind the point"
    return ""


def _pattern(glob: str) -> Pattern[str]:
    return compile_pattern(translate(glob), IGNORECASE)

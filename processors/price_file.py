"""The shape of a price file, and its faults: what may stand in it, entry by entry. Pure but for reading the file.

    version = "2026-11"                 # optional; without it the file's hash is the price version

    [[price]]
    provider = "holysheep"              # as the event names it; * and ? are wildcards, case does not matter
    model = "gpt-4o*"
    service_tier = "batch"              # optional: only calls of this tier; any without it
    from = 2026-01-01                   # optional, the first UTC day
    until = 2027-01-01                  # optional, the first UTC day after
    currency = "EUR"                    # optional, USD without it
    discount_percent = 15               # optional, off these rates
    input = 1.10                        # per million tokens, exact as written
    output = 4.40
    cache_read = 0.11                   # optional; likewise cache_write_5m, cache_write_1h, input_audio, output_audio,
                                        # reasoning: a part without a rate of its own costs what its total costs
    per_1000_requests = 0.5             # optional

    [[price.long_context]]              # optional: calls with more input cost this, every token of them;
    above_input_tokens = 200_000        # a rate that is not here stays the entry's
    input = 2.20
    output = 6.60

    [[price]]                           # without rates: so much off what would price the call without this entry,
    provider = "openai"                 # the entries below and then the public prices
    model = "*"
    discount_percent = 8
    of = "azure/gpt-4o"                 # optional: off the price of this provider, or provider/model, instead

    [[exchange]]                        # what one unit of a currency is in USD, from its day to the next entry's
    currency = "EUR"
    from = 2026-01-01                   # optional
    usd = 1.0853

    [[markup]]                          # what departments are charged above the cost; see charge_sql.py
    department = "Sales*"
    percent = 12.5

The first entry that fits a call prices it.
"""

import tomllib
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from tokentrail.errors import PriceListError

MAX_RATE: Final = Decimal(100_000)
"""USD per million tokens; keeps the largest possible call inside Decimal(18, 9)."""
RATE_DIGITS: Final = 9
"""Digits behind the point that the ledger keeps of a rate."""
TOKEN_RATES: Final = (
    "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio", "reasoning",
)  # fmt: skip
"""The parts of a usage that can have a rate of their own, by the names of `Rates`."""
USD: Final = "USD"
_MAX_LISTED: Final = Decimal(100_000_000)
_MAX_LISTED_REQUESTS: Final = Decimal(999_999)
"""For 1000: the ledger keeps what a million cost, with nine digits before the point."""
_REQUEST_DIGITS: Final = 6
_PERCENT_DIGITS: Final = 6

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class _Rated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    reasoning: Decimal | None = None
    per_1000_requests: Decimal | None = None

    def rates(self) -> dict[str, Decimal]:
        """Return the rates that are written, by the names of `Rates`: per million tokens, per million requests."""
        written = {name: getattr(self, name) for name in TOKEN_RATES}
        if self.per_1000_requests is not None:
            written["request"] = self.per_1000_requests * 1000
        return {name: rate for name, rate in written.items() if rate is not None}


class ContextStep(_Rated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of calls with more than so much input."""

    above_input_tokens: Annotated[int, Meta(ge=1)]


class PriceEntry(_Rated, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """One `[[price]]`: rates of its own, or a discount off other prices. In force on `since` <= day < `until`."""

    provider: Name
    model: Name
    service_tier: Name | None = None
    since: date = date.min
    until: date = date.max
    currency: Currency = USD
    discount_percent: Decimal = Decimal(0)
    of: Name | None = None
    long_context: tuple[ContextStep, ...] = ()

    @property
    def only_discounts(self) -> bool:
        """Whether it has no rates of its own."""
        return not self.rates()


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """What one unit of a currency is in USD, from a day on."""

    currency: Currency
    usd: Decimal
    since: date = date.min


class Markup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """What a department is charged above the cost of its calls, or below it: `percent` of the cost."""

    percent: Decimal
    department: Name = "*"
    provider: Name = "*"
    model: Name = "*"
    since: date = date.min
    until: date = date.max


class PriceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole price file without a fault."""

    version: str
    prices: tuple[PriceEntry, ...]
    exchanges: tuple[Exchange, ...]
    markups: tuple[Markup, ...]

    def usd_for(self, currency: str, day: date) -> Decimal | None:
        """Return what one unit of the currency is in USD on a day; None where the file does not say."""
        if currency == USD:
            return Decimal(1)
        known = [one for one in self.exchanges if one.currency == currency and one.since <= day]
        return max(known, key=lambda one: one.since).usd if known else None


class _Tables(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[str, Meta(max_length=100)] = ""
    price: list[dict[str, Any]] = []
    exchange: list[dict[str, Any]] = []
    markup: list[dict[str, Any]] = []


def read_price_file(path: Path) -> PriceFile:
    """Read a price file.

    Raises:
        PriceListError: names the file, and the entry and field that is wrong.
    """
    try:
        content = path.read_bytes()
        tables = msgspec.convert(tomllib.loads(content.decode(), parse_float=Decimal), _Tables)
    except OSError as error:
        raise PriceListError(f"The price list {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceListError(f"The price list {path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise PriceListError(f"The price list {path} cannot be used: {error}.") from error
    exchanges = [_exchange(_place(path, "exchange", *one, "currency"), one[1]) for one in enumerate(tables.exchange, 1)]
    markups = [_markup(_place(path, "markup", *one, "department"), one[1]) for one in enumerate(tables.markup, 1)]
    file = PriceFile(
        version=tables.version or sha256(content).hexdigest()[:12],
        prices=tuple(
            _price(_place(path, "entry", *one, "provider", "model"), one[1]) for one in enumerate(tables.price, 1)
        ),
        exchanges=tuple(exchanges),
        markups=tuple(markups),
    )
    for position, entry in enumerate(file.prices, 1):
        _check_currency(file, entry, _place(path, "entry", position, tables.price[position - 1], "provider", "model"))
    return file


def _place(path: Path, kind: str, position: int, table: dict[str, Any], *names: str) -> str:
    return f"The price list {path}, {kind} {position} ({' '.join(str(table.get(name, '?')) for name in names)})"


_Table = TypeVar("_Table")


def _convert(where: str, table: dict[str, Any], shape: type[_Table]) -> _Table:
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as error:
        raise PriceListError(f"{where}: {error}.") from error


def _price(where: str, table: dict[str, Any]) -> PriceEntry:
    entry = _convert(where, table, PriceEntry)
    _check_days(where, entry.since, entry.until)
    _refuse(where, "discount_percent", _percent_fault(entry.discount_percent, Decimal(0), Decimal(100)))
    _check_rates(where, entry, "")
    if entry.only_discounts:
        _check_discount(where, entry)
        return entry
    for name in ("input", "output"):
        _refuse(where, name, "" if getattr(entry, name) is not None else "is missing, and other rates are there")
    _refuse(where, "of", "belongs to an entry without rates of its own" if entry.of else "")
    above = 0
    for position, step in enumerate(entry.long_context, 1):
        name = f"long_context {position}"
        _check_rates(where, step, f"{name}.")
        _refuse(where, f"{name}.above_input_tokens", "" if step.above_input_tokens > above else "steps must go up")
        _refuse(where, name, "" if step.rates() else "has no rates")
        above = step.above_input_tokens
    return entry


def _check_discount(where: str, entry: PriceEntry) -> None:
    _refuse(where, "input", "" if entry.discount_percent else "is missing; give rates, or a discount_percent alone")
    _refuse(where, "currency", "belongs to rates of its own" if entry.currency != USD else "")
    _refuse(where, "long_context", "belongs to rates of its own" if entry.long_context else "")
    if entry.of and any(sign in entry.of for sign in "*?"):
        _refuse(where, "of", f"{entry.of} names one provider, or one provider/model, without wildcards")


def _check_rates(where: str, rated: _Rated, prefix: str) -> None:
    for name in (*TOKEN_RATES, "per_1000_requests"):
        rate = getattr(rated, name)
        if rate is not None:
            of_tokens = (_MAX_LISTED, RATE_DIGITS)
            limits = of_tokens if name in TOKEN_RATES else (_MAX_LISTED_REQUESTS, _REQUEST_DIGITS)
            _refuse(where, f"{prefix}{name}", _rate_fault(rate, *limits))


def _check_currency(file: PriceFile, entry: PriceEntry, where: str) -> None:
    moments = [one.since for one in file.exchanges if one.currency == entry.currency]
    if entry.currency != USD and file.usd_for(entry.currency, entry.since) is None:
        first = f"the first begins on {min(moments)}; give the price a `from`" if moments else "add one"
        _refuse(where, "currency", f"no [[exchange]] says what {entry.currency} is in USD on its first day; {first}")
    rates = [usd for day in (entry.since, *moments) if (usd := file.usd_for(entry.currency, day)) is not None]
    for rated in (entry, *entry.long_context):
        for name, rate in rated.rates().items():
            most, written = (MAX_RATE, rate) if name in TOKEN_RATES else (MAX_RATE * 1000, rate / 1000)
            dear = rate * max(rates, default=Decimal(1)) > most
            fault = f"{written} {entry.currency} is no price; 0 to {MAX_RATE} USD can be" if dear else ""
            _refuse(where, name if name in TOKEN_RATES else "per_1000_requests", fault)


def _exchange(where: str, table: dict[str, Any]) -> Exchange:
    exchange = _convert(where, table, Exchange)
    usd = exchange.usd
    usable = usd.is_finite() and 0 < usd <= MAX_RATE and usd == round(usd, RATE_DIGITS)
    _refuse(where, "usd", "" if usable else f"{usd} is no rate; give USD for one unit, {RATE_DIGITS} digits at most")
    _refuse(where, "currency", "is what others are converted to" if exchange.currency == USD else "")
    return exchange


def _markup(where: str, table: dict[str, Any]) -> Markup:
    markup = _convert(where, table, Markup)
    _check_days(where, markup.since, markup.until)
    _refuse(where, "percent", _percent_fault(markup.percent, Decimal(-100), Decimal(10_000)))
    return markup


def _check_days(where: str, since: date, until: date) -> None:
    _refuse(where, "until", "" if since < until else f"{until} is not after from = {since}")


def _refuse(where: str, field: str, fault: str) -> None:
    if fault:
        raise PriceListError(f"{where}, field {field}: {fault}.")


def _rate_fault(rate: Decimal, most: Decimal, digits: int) -> str:
    if not rate.is_finite() or not 0 <= rate <= most:
        return f"{rate} is no price; give what a million tokens cost, or 1000 requests"
    return "" if rate == round(rate, digits) else f"{rate} has more than {digits} digits behind the point"


def _percent_fault(percent: Decimal, least: Decimal, most: Decimal) -> str:
    if not percent.is_finite() or not least <= percent <= most:
        return f"{percent} is out of range; give {least} to {most}"
    return "" if percent == round(percent, _PERCENT_DIGITS) else f"{percent} has more than {_PERCENT_DIGITS} digits"

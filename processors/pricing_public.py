"""Public prices from genai-prices' bundled snapshot; never the network."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Final, cast

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices, TimeOfDateConstraint

from tokentrail.processors.pricing import DayTariffs, LongContext, Rates, Tariff

# Providers that carry another name in OpenTelemetry's GenAI conventions than in genai-prices.
_PROVIDER_IDS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
_ORDINARY_TIERS: Final = frozenset(("", "auto", "default", "standard"))
_BATCH: Final = "batch"
# Models that bill output which our usage cannot tell from text, at many times the price of text.
_UNTOLD_OUTPUT: Final = ("output_image_mtok", "output_video_mtok")
_DAY_SECONDS: Final = 86_400
_RATE_DIGITS: Final = 9


class PublicPrices:
    """The snapshot that the installed genai-prices carries; its version is the price version."""

    NAME: Final = "genai-prices"
    """The price source of its rates."""

    def __init__(self) -> None:
        self._providers = {provider.id: provider for provider in get_snapshot().providers}
        self._all = list(self._providers.values())
        self._version = version("genai-prices")

    def tariffs(self, provider: str, model: str, service_tier: str, day: date) -> DayTariffs | None:
        """Return the tariffs of a UTC day; None for a provider, model or service tier that is not listed by name."""
        # Not genai-prices' own search: it takes any name that contains "openai" for OpenAI.
        seller = self._providers.get(_PROVIDER_IDS.get(provider.lower(), provider.lower()))
        if seller is None:
            return None
        found = seller.find_model(model, all_providers=self._all)
        if found is None:
            return None
        tariffs = [
            self._tariff(seller, found, service_tier.lower(), day, second) for second in sorted({*_changes(found)})
        ]
        known = tuple(tariff for tariff in tariffs if tariff is not None)
        return known if len(known) == len(tariffs) else None

    def models(self) -> Iterator[tuple[str, str]]:
        """Yield every listed provider and model, under the names of the snapshot."""
        for seller in self._all:
            for model in seller.models:
                yield seller.id, model.id

    def _tariff(self, seller: Provider, model: ModelInfo, service_tier: str, day: date, second: int) -> Tariff | None:
        at = datetime.combine(day, time(), UTC) + timedelta(seconds=second)
        context: dict[str, str] = {}
        if service_tier not in _ORDINARY_TIERS:
            context = {"processing": _BATCH} if service_tier == _BATCH else {"service_tier": service_tier}
            if not any(model is own for own in seller.models) or not _has_variant(model, context, at):
                return None
        price = model.get_prices(at, context)
        if any(getattr(price, key) is not None for key in _UNTOLD_OUTPUT):
            return None
        tiered = [value for value in vars(price).values() if isinstance(value, TieredPrices)]
        starts = sorted({tier.start for value in tiered for tier in value.tiers})
        blank = Rates(
            price_source=self.NAME,
            price_version=self._version,
            provider=seller.id,
            model=model.id,
            service_tier=service_tier,
        )
        longer = tuple(LongContext(start, _rates(price, start, blank)) for start in starts)
        return Tariff(rates=_rates(price, -1, blank), long_context=longer, from_second_of_day=second)


def _has_variant(model: ModelInfo, context: dict[str, str], at: datetime) -> bool:
    # genai-prices silently answers an unknown context with the standard price.
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _changes(model: ModelInfo) -> Iterator[int]:
    """Yield the seconds of a UTC day at which a price may change; 0 among them."""
    yield 0
    conditions = () if isinstance(model.prices, ModelPrice) else model.prices
    for constraint in (entry.constraint for entry in (*conditions, *(model.price_variants or ()))):
        if isinstance(constraint, TimeOfDateConstraint):
            for moment in (constraint.start_time, constraint.end_time):
                offset = moment.utcoffset() or timedelta()
                local = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
                yield int((local - offset).total_seconds()) % _DAY_SECONDS


def _rates(price: ModelPrice, above_input_tokens: int, blank: Rates) -> Rates:
    """Fill in the rates of calls with just more than `above_input_tokens` of input."""

    def rate(*keys: str) -> Decimal | None:
        value = next((found for key in keys if (found := getattr(price, key)) is not None), None)
        if isinstance(value, TieredPrices):
            value = next((tier.price for tier in reversed(value.tiers) if above_input_tokens >= tier.start), value.base)
        # The snapshot carries a few rates like 0.18000000000000002.
        return None if value is None else round(cast("Decimal", value), _RATE_DIGITS)

    return msgspec.structs.replace(
        blank,
        above_input_tokens=max(0, above_input_tokens),
        input=rate("input_mtok"),
        cache_read=rate("cache_read_mtok"),
        cache_write_5m=rate("cache_write_5m_mtok", "cache_write_mtok"),
        cache_write_1h=rate("cache_write_1h_mtok", "cache_write_mtok"),
        input_audio=rate("input_audio_mtok"),
        output=rate("output_mtok"),
        output_audio=rate("output_audio_mtok"),
        reasoning=rate("output_reasoning_mtok"),
        request=(rate("requests_kcount") or Decimal(0)) * 1000,
        cached_audio_apart=price.cache_audio_read_mtok is not None,
    )

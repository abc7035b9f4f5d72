"""What genai-prices itself says that a call costs."""

from datetime import datetime
from decimal import Decimal

from genai_prices import Usage as PublicUsage
from genai_prices import calc_price

from tokentrail.schemas.events import Usage


def public_cost(provider: str, model: str, usage: Usage, at: datetime) -> Decimal:
    known = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": (usage.cache_write_5m_tokens or 0) + (usage.cache_write_1h_tokens or 0),
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "output_reasoning_tokens": usage.reasoning_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
    }
    given_usage = PublicUsage(**{name: count for name, count in known.items() if count})
    return calc_price(given_usage, model, provider_id=provider, genai_request_timestamp=at).total_price

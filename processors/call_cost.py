"""What a call costs, in whole nano-USD, for tallies. Pure."""

from typing import Final

from tokentrail.processors.nano_rates import NanoRates, cost_of_usage, scale_rates
from tokentrail.processors.pricing import PriceBook, Rates
from tokentrail.schemas.events import CallCompleted

_MAX_REMEMBERED: Final = 10_000


class CostMeter:
    """Prices calls. Not thread-safe; the memory is bounded."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._ready: dict[int, NanoRates] = {}

    def cost_nano_usd(self, call: CallCompleted) -> int:
        """Return what a call costs; 0 where the price or the usage is not known: `tokentrail costs` lists those."""
        usage = call.usage
        if usage is None:
            return 0
        rates = self._prices.rates_for(call, call.occurred_at)
        if rates is None:
            return 0
        cost = cost_of_usage(usage, self._ready.get(rates.rate_id) or self._remember(rates))
        return 0 if cost is None else cost[2]

    def _remember(self, rates: Rates) -> NanoRates:
        if len(self._ready) >= _MAX_REMEMBERED:
            self._ready.clear()
        ready = self._ready[rates.rate_id] = scale_rates(rates)
        return ready

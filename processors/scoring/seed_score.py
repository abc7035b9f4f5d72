"""One seed's score: a simulation, run through detection, and what its alerts were worth. Pure, and minutes of CPU."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.processors.replay import Replay
from tokentrail.processors.scoring.matching import Finding, Noise, match_alerts
from tokentrail.processors.sieve.event_sifting import sift_events
from tokentrail.processors.simulation.simulation import Simulation
from tokentrail.processors.slicing import EventBatch
from tokentrail.schemas.rules import Rule

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday; any would do."""
LATENESS_MS: Final = 1000
_FLEETING: Final = frozenset(("session_id", "request_hash"))


class SeedScore(msgspec.Struct, frozen=True, kw_only=True):
    """What detection did with one simulation."""

    seed: int
    days: float
    tenants: int
    calls: int
    entity_weeks: float
    """Entities that were watched, times weeks, without those that live for minutes: sessions and single requests."""
    true_alerts: int
    findings: list[Finding]
    noise: list[Noise]


def score_seed(
    seed: int,
    rules: Sequence[Rule],
    *,
    days: float = 28,
    calls_per_day: float = 8_000,
    progressed: Callable[[float], None] | None = None,
) -> SeedScore:
    """Simulate, detect, and hold every alert to the labels. `progressed` is told how many days are done."""
    simulation = Simulation(seed, start=START, days=days, calls_per_day=calls_per_day)
    end = START + timedelta(days=days)
    cost = CostMeter(PriceBook(PublicPrices()))
    through = int(end.timestamp()) - 1
    # Made up twice, which takes less than to judge those whom no rule can fire for.
    survivors = sift_events(rules, range(simulation.partitions), LATENESS_MS, cost, simulation.batches(), through)
    replay = Replay(rules, range(simulation.partitions), LATENESS_MS, cost, survivors)

    def batches() -> Iterator[EventBatch]:
        for batch in simulation.batches():
            if progressed is not None and batch.timestamps_ms:
                progressed((batch.timestamps_ms[-1] / 1000 - START.timestamp()) / 86_400)
            yield batch

    alerts = list(replay.run(batches(), end))
    lasting = sum(
        replay.entities[view] if left.entities is None else left.entities
        for view, left in survivors.items()
        if not _FLEETING.intersection(view.split("+"))
    )
    matches = match_alerts(alerts, simulation.incidents)
    return SeedScore(
        seed=seed,
        days=days,
        tenants=simulation.tenants,
        calls=replay.counts().calls,
        entity_weeks=lasting * days / 7,
        true_alerts=matches.true_alerts,
        findings=matches.findings,
        noise=matches.noise,
    )

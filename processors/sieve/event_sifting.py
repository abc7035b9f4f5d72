"""Sifting of a log that is at hand as decoded events, in one process and in memory. Pure."""

from collections.abc import Iterable, Sequence

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.sieve.admission import Survivors
from tokentrail.processors.sieve.bounds import plan_sieve
from tokentrail.processors.sieve.finding import find_survivors
from tokentrail.processors.sieve.sifter import Sifter, join_facts
from tokentrail.processors.sieve.tally import Table, join_tables
from tokentrail.processors.slicing import EventBatch
from tokentrail.schemas.rules import Rule


def sift_events(  # noqa: PLR0913, PLR0917 - as a replay
    rules: Sequence[Rule],
    partitions: Iterable[int],
    allowed_lateness_ms: int,
    cost: CostMeter | None,
    batches: Iterable[EventBatch],
    through: int,
) -> Survivors:
    """Return for which entities which rules may fire in a log that is replayed up to a second.

    Takes memory of some 50 bytes for each entity and 15 seconds in which it made calls.
    """
    sieves = plan_sieve(rules)
    tables: list[list[Table]] = [[] for _ in sieves]
    sifter = Sifter(sieves, partitions, allowed_lateness_ms, cost, lambda view, table: tables[view].append(table))
    for batch in batches:
        sifter.add_events(batch)
    facts = join_facts([sifter.finish()], through)
    return {
        sieve.plan.view.name: find_survivors(sieve, [join_tables(sieve, found)], facts)
        for sieve, found in zip(sieves, tables, strict=True)
    }

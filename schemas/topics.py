"""The topics: names, and the configuration each is created with."""

from typing import Final

import msgspec

_MIB: Final = 1_048_576
_DAY_MS: Final = 86_400_000


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic. `name` goes behind the configured prefix."""

    name: str
    partitions: int | None
    """None: as many as the setting `partitions` says."""
    config: dict[str, str]
    purpose: str


CALLS: Final = Topic(
    name="llm.calls",
    partitions=None,
    config={
        # The broker's clock says when a record came: a producer's own clock may be ten years off, and would
        # otherwise decide about retention and be refused by message.timestamp.after.max.ms.
        "message.timestamp.type": "LogAppendTime",
        # Above the reader's own limit, so that an oversized record is named in the dead letters and not lost.
        "max.message.bytes": str(4 * _MIB),
        "retention.ms": str(7 * _DAY_MS),
    },
    purpose="every call, started and completed; keyed by producer",
)
SLICES: Final = Topic(
    name="llm.slices",
    partitions=None,
    config={"retention.ms": str(_DAY_MS), "max.message.bytes": str(4 * _MIB)},
    purpose="one-second tallies, routed by entity",
)
ALERTS: Final = Topic(
    name="llm.alerts",
    partitions=None,
    config={"message.timestamp.type": "LogAppendTime", "retention.ms": str(30 * _DAY_MS)},
    purpose="state changes of alerts; keyed by alert",
)
ALERT_CONTROLS: Final = Topic(
    name="llm.alert-controls",
    # One: whoever reads it has all of it, in one order, and one writer of the ledger holds all alerts with it.
    partitions=1,
    config={"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"},
    purpose="acknowledgements and silences; keyed by control",
)
DEAD_LETTERS: Final = Topic(
    name="llm.dead-letters",
    partitions=1,
    config={"cleanup.policy": "compact,delete", "retention.ms": str(30 * _DAY_MS)},
    purpose="records that could not be read, with reason; keyed by topic:partition:offset",
)
HEALTH: Final = Topic(
    name="llm.health",
    partitions=1,
    config={"cleanup.policy": "compact", "retention.ms": str(30 * _DAY_MS)},
    purpose="states of provider endpoints",
)
WATCH_STATE: Final = Topic(
    name="llm.watch-state",
    partitions=None,
    config={"cleanup.policy": "compact", "max.message.bytes": str(4 * _MIB)},
    purpose="what watch remembers of each entity: the changelog of its Faust table",
)
TOPICS: Final = (CALLS, SLICES, ALERTS, ALERT_CONTROLS, DEAD_LETTERS, HEALTH, WATCH_STATE)

"""Models that calls were made to and no price is known for."""

from datetime import UTC, datetime

import msgspec

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

_SQL = """
    SELECT
        call.provider AS provider,
        call.model AS model,
        call.service_tier AS service_tier,
        count() AS calls,
        sum(ifNull(call.input_tokens, 0)) AS input_tokens,
        sum(ifNull(call.output_tokens, 0)) AS output_tokens,
        min(call.time) AS first_seen,
        max(call.time) AS last_seen
    FROM calls_corrected AS call
    WHERE call.rate_id = 0
        AND (call.status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0)
        AND call.time >= {since:DateTime64(6, 'UTC')}
        AND call.appended_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 5 MINUTE
    GROUP BY provider, model, service_tier
    ORDER BY calls DESC, provider, model, service_tier
"""


class MissingPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's model in a service tier, and what its calls used."""

    provider: str
    model: str
    service_tier: str
    calls: int
    input_tokens: int
    output_tokens: int
    first_seen: datetime
    last_seen: datetime


def read_missing_prices(settings: Settings, since: datetime) -> list[MissingPrice]:
    """Return models without a price, the most called first; calls that were re-priced since count as they are now.

    Raises:
        EngineError: the engine cannot be reached or refuses. Blocking.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            rows = list(client.query(_SQL, {"since": since}).named_results())
    finally:
        client.close()
    # The client gives moments in UTC without saying so.
    moments = ("first_seen", "last_seen")
    return [MissingPrice(**{**row, **{name: row[name].replace(tzinfo=UTC) for name in moments}}) for row in rows]

"""Calls that fill every dimension and measure of a rollup."""

from datetime import UTC, datetime, timedelta

from ledger_log import completed

from tokentrail.schemas.events import Usage


def varied(number: int) -> bytes:
    """Calls that differ in every dimension, some late, some unpriced, some without usage."""
    return completed(
        number,
        occurred_at=datetime.now(UTC) - timedelta(minutes=37 * (number % 7), days=number % 3),
        department=f"department-{number % 3}",
        service=f"service-{number % 2}",
        environment=("production", "staging")[number % 2],
        request_model=("gpt-4o", "gpt-unheard", "gpt-4o-mini")[number % 3],
        status=("SUCCESS", "RATE_LIMITED", "SUCCESS", "ABORTED")[number % 4],
        feature=f"feature-{number % 4}",
        user_id=f"user-{number % 5}",
        api_key_id=f"key-{number % 2}",
        request_source=f"source-{number % 2}",
        attributes={"team": f"team-{number % 3}"},
        latency_ms=None if number % 5 == 0 else 10.0 * number,
        time_to_first_token_ms=None if number % 2 else 3.0 * number,
        usage=None
        if number % 4 == 1
        else Usage(
            input_tokens=2000 + number, output_tokens=100 + number, cache_read_tokens=number, reasoning_tokens=7,
            cache_write_5m_tokens=3, cache_write_1h_tokens=5,
        ),
    )  # fmt: skip

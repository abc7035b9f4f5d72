"""What a batch of payloads says, beside what each of them says."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.sinks.clickhouse.ledger_block import storable
from tokentrail.sinks.integrity.log_events import microseconds

MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  # the zone is added


@given(st.lists(MOMENTS, max_size=8))
def test_moments_are_what_the_column_holds_to_the_microsecond(moments: list[datetime]) -> None:
    column = pa.array([storable(moment) for moment in moments], pa.timestamp("us", "UTC"))
    assert microseconds(moments).tolist() == column.cast(pa.int64()).to_pylist()


def test_the_last_microsecond_of_a_second_stays_in_it() -> None:
    moment = datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert int(microseconds([moment])[0]) == (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)

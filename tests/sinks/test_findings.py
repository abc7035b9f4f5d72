"""What the writer notices follows from the log alone, wherever reading it is cut or begun again."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise

import msgspec
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.producer_links import GAP_SETTLES_S, LOST_AFTER_S
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted
from tokentrail.sinks.integrity.findings import ChainFollower, Finding, Kind, load_follower, save_follower
from tokentrail.sinks.integrity.log_rows import LogRows, read_rows

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Log:
    """A partition that is written event by event."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []
        self.second = 0
        self.late_s = 0
        self._chains: dict[str, tuple[int, str]] = {}

    def call(self, number: int, *, ended: bool = True, skip: int = 0, prev_hash: str | None = None) -> bytes:
        seq, previous = self._chains.get("p", (0, GENESIS_HASH))
        seq += 1 + skip
        values = {
            "schema_version": "1.0",
            "event_id": f"event-{number}-{ended}",
            "producer_id": "p",
            "producer_seq": seq,
            "prev_hash": prev_hash or previous,
            "occurred_at": START + timedelta(seconds=self.second - self.late_s),
            "call_id": f"call-{number}",
        }
        event = CallCompleted(**values, status="SUCCESS") if ended else CallStarted(**values)  # type: ignore[arg-type] # as listed
        payload = msgspec.json.encode(event)
        self._chains["p"] = (seq, sha256(payload).hexdigest())
        self.append(payload)
        return payload

    def append(self, payload: bytes) -> None:
        moment = START + timedelta(seconds=self.second)
        self.rows.append(
            {
                "kafka_offset": len(self.rows),
                "appended_at": moment,
                "occurred_at": moment - timedelta(seconds=self.late_s),
                "rate_id": 0,
                "payload": payload,
                "payload_sha256": sha256(payload).digest(),
                "seal": "",
            }
        )

    def read(self, begin: int, end: int) -> LogRows:
        return read_rows(0, pa.Table.from_pylist(self.rows[begin:end]))

    def findings(self, *cuts: int) -> list[Finding]:
        follower, found = ChainFollower(0), []
        bounds = sorted({0, len(self.rows), *(cut for cut in cuts if cut < len(self.rows))})
        for begin, end in pairwise(bounds):
            found += follower.add(self.read(begin, end))
            again = load_follower(save_follower(follower))
            assert again is not None
            follower = again
        return found


def eventful() -> Log:
    log = Log()
    log.call(0)
    log.call(1, ended=False)
    repeated = log.call(2)
    log.call(3, skip=2)
    log.append(repeated)
    log.call(4, prev_hash="f" * 64)
    log.second += GAP_SETTLES_S + 1
    log.call(5)
    log.second += LOST_AFTER_S
    log.call(6)
    return log


def test_gaps_breaks_duplicates_and_lost_calls_are_found() -> None:
    found = {(one.kind, one.kafka_offset): one for one in eventful().findings()}
    assert found.keys() == {
        (Kind.GAP, 3), (Kind.DUPLICATE_EVENT, 4), (Kind.CHAIN_BREAK, 5), (Kind.LOST_CALL, 1),
    }  # fmt: skip
    gap = found[Kind.GAP, 3]
    assert (gap.first_seq, gap.last_seq) == (4, 5)
    assert found[Kind.LOST_CALL, 1].call_id == "call-1"


@given(st.lists(st.integers(0, 10), max_size=4))
def test_the_same_log_gives_the_same_findings_wherever_it_is_cut(cuts: list[int]) -> None:
    log = eventful()
    assert {one.finding_id for one in log.findings(*cuts)} == {one.finding_id for one in log.findings()}
    assert len(log.findings(*cuts)) == 4


def test_a_stretch_that_is_read_again_changes_nothing() -> None:
    log, follower = eventful(), ChainFollower(0)
    found = follower.add(log.read(0, len(log.rows)))
    assert (len(found), follower.add(log.read(2, len(log.rows)))) == (4, [])


def test_a_sound_log_gives_none() -> None:
    log = Log()
    for number in range(20):
        log.call(number, ended=False)
        log.call(number)
        log.second += 100
    assert log.findings() == []


def test_calls_that_were_spooled_for_long_are_lost_only_if_no_end_comes_behind_them() -> None:
    log = Log()
    log.call(1, ended=False)
    log.call(1)
    log.late_s = 10 * LOST_AFTER_S
    for number in (2, 3):
        log.call(number, ended=False)
        log.second += 1
        log.call(number)
    log.call(4, ended=False)
    log.late_s = 0
    log.second += LOST_AFTER_S + 1
    log.call(5)
    assert [(one.kind, one.call_id) for one in log.findings()] == [(Kind.LOST_CALL, "call-4")]


def test_a_state_of_another_version_is_no_state() -> None:
    assert load_follower(b"something") is None

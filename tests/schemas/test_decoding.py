import msgspec
import pytest
from call_log import START, make_call
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.schemas.decoding import MAX_EVENT_BYTES, Reason, Rejected, decode_event, decode_events
from tokentrail.schemas.events import CallCompleted

VALID = msgspec.json.decode(make_call(1, START).payload)


def _changed(**fields: object) -> bytes:
    return msgspec.json.encode({**VALID, **fields})


RECORDS = (
    make_call(1, START).payload, make_call(2, START).payload, b"", b"not json", _changed(producer_seq=0),
    _changed(schema_version="2.0"), _changed(schema_version="1.9"), b" " * (MAX_EVENT_BYTES + 1),
    b'{"type":"watermark","schema_version":"1.0","watermark":"2026-03-02T12:00:00Z"}',
)  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b"not json", Reason.INVALID_JSON),
        (b'{"type":"llm.call.completed",', Reason.INVALID_JSON),
        (b'\xff\xfe{"a":1}', Reason.INVALID_JSON),
        (b"[" * 100_000, Reason.INVALID_EVENT),
        (b"[]", Reason.INVALID_EVENT),
        (_changed(producer_seq="seven"), Reason.INVALID_EVENT),
        (_changed(producer_seq=0), Reason.INVALID_EVENT),
        (_changed(usage={"input_tokens": -1}), Reason.INVALID_EVENT),
        (_changed(latency_ms=1e300), Reason.INVALID_EVENT),
        (_changed(occurred_at="2026-03-02T12:00:00"), Reason.INVALID_EVENT),
        (_changed(user_id="x" * 501), Reason.INVALID_EVENT),
        (_changed(type="llm.call.cancelled"), Reason.UNKNOWN_TYPE),
        (_changed(schema_version="2.0"), Reason.UNSUPPORTED_VERSION),
        (_changed(schema_version="2.0", producer_seq={"wide": 7}), Reason.UNSUPPORTED_VERSION),
        (b" " * (MAX_EVENT_BYTES + 1), Reason.OVERSIZED),
    ],
)  # fmt: skip
def test_a_bad_record_is_refused_with_its_reason(payload: bytes | None, reason: Reason) -> None:
    decoded = decode_event(payload)
    assert isinstance(decoded, Rejected)
    assert decoded.reason is reason
    assert decoded.detail


def test_a_newer_minor_version_with_unknown_fields_is_read() -> None:
    decoded = decode_event(_changed(schema_version="1.9", hue="blue", status="NEVER_HEARD_OF"))
    assert isinstance(decoded, CallCompleted)
    assert decoded.status == "NEVER_HEARD_OF"


def test_a_rejection_never_quotes_the_record() -> None:
    decoded = decode_event(_changed(user_id=["sk-secret-value"]))
    assert isinstance(decoded, Rejected)
    assert "sk-secret" not in decoded.detail


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    assert decode_event(payload) is not None


@given(st.lists(st.sampled_from(RECORDS), max_size=12))
def test_a_batch_is_decoded_as_its_records_one_by_one(payloads: list[bytes]) -> None:
    assert decode_events(payloads) == [decode_event(payload) for payload in payloads]

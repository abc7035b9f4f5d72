"""Vetting: nothing leaves that a consumer would refuse, or that holds a credential; what repeats is looked at once.

An event is the parts of its call and its outcome, encoded. Most of a part is what it was in the call before. These
fields come first in it (see `calls`); once they have passed they are remembered.
"""

import re
from typing import Any, Final

import msgspec

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.redaction.metadata import holds_secret as looks_secret
from tokentrail.producers.scrubbing import needles
from tokentrail.schemas.events import CallCompleted, CallStarted, Status

_FIRST_OF_ONE_CALL: Final = b',"call_id":"'
_FIRST_OF_ONE_OUTCOME: Final = b',"status":"'
"""With the quotes and the comma these stand in no text: there a quote has a backslash before it."""
_MOST_REMEMBERED: Final = 2_000
"""Some 1 MB; more would be what never comes again, as the user ids of a large site."""
_MACHINE_IDS: Final = re.compile(
    rb'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"'
    rb'(?:,"logical_call_id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")?'
    rb'(?:,"trace_id":"[0-9a-f]{32}")?(?:,"span_id":"[0-9a-f]{16}")?\}'
)
"""UUIDs, and the ids of W3C Trace Context: there is no credential that looks like them."""
_PLAIN_ID: Final = re.compile(
    r"(?:req|resp|msg)_[0-9A-Za-z]{4,64}|[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|hmac1:[0-9a-f]{8}:[0-9a-f]{32}"
)
"""How providers name requests, and our own fingerprints. No vendor's key begins inside a word."""
_COUNT: Final = 918_273_645
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
_STATUSES: Final = frozenset(Status)
_MOST_LEVELS: Final = 8


def _part_decoder(part: type[msgspec.Struct], event: type[msgspec.Struct], *without: str) -> Any:
    """Return what decodes an encoded part, or some of its fields, as the event's readers do."""
    names = frozenset(part.__struct_fields__) - {*without}
    fields = [(field.name, field.type, None) for field in msgspec.structs.fields(event) if field.name in names]
    return msgspec.json.Decoder(msgspec.defstruct(part.__name__, fields, gc=False)).decode


_decode_call: Final = _part_decoder(Call, CallStarted)
_decode_outcome: Final = _part_decoder(Outcome, CallCompleted, "provider_usage")


class Vetting:
    """For one thread at a time. Does not raise for anything that was encoded."""

    def __init__(self) -> None:
        self._passed: set[object] = set()

    def passes(self, call: bytes, outcome: Outcome | None, ended: bytes, secrets: tuple[str, ...]) -> bool:
        """Return whether the encoded call, and the outcome with its encoding, may leave as they are.

        `secrets` are the call's own keys. About 5 µs for what repeats; else 10 µs a kilobyte.
        """
        for needle in needles(secrets):
            if needle in call or needle in ended:
                return False
        return self._call_passes(call) and (outcome is None or self._outcome_passes(outcome, ended))

    def _call_passes(self, call: bytes) -> bool:
        steady, mark, ids = call.partition(_FIRST_OF_ONE_CALL)
        if not mark:
            return _fits(_decode_call, call) and not looks_secret(call)
        if steady not in self._passed and not self._remember(steady, steady + b"}", _decode_call):
            return False
        if _MACHINE_IDS.fullmatch(ids):
            return True
        ids = b'{"call_id":"' + ids
        return _fits(_decode_call, ids) and not looks_secret(ids)

    def _outcome_passes(self, outcome: Outcome, ended: bytes) -> bool:
        steady, mark, measured = ended.partition(_FIRST_OF_ONE_OUTCOME)
        if not mark:
            return _fits(_decode_outcome, ended) and _has_usage_object(outcome) and not looks_secret(ended)
        if steady not in self._passed and not self._remember(steady, steady + b"}", _decode_outcome):
            return False
        measured = b'{"status":"' + measured
        if not _fits(_decode_outcome, measured) or not _has_usage_object(outcome):
            return False
        return self._says_little(outcome) or not looks_secret(measured)

    def _says_little(self, outcome: Outcome) -> bool:
        """Return whether all that an outcome has of its own is numbers, ids and known names."""
        if any((outcome.error_message, outcome.prompt_preview, outcome.response_preview, outcome.attributes)):
            return False
        for said in (outcome.provider_request_id, outcome.request_hash, outcome.response_hash):
            if said is not None and not _PLAIN_ID.fullmatch(said):
                return False
        usage = outcome.provider_usage
        return (
            not outcome.redactions
            and outcome.status in _STATUSES
            and (usage is None or self._only_counts(usage, _MOST_LEVELS))
        )

    def _only_counts(self, usage: dict[str, Any], levels: int) -> bool:
        for value in usage.values():
            kind = type(value)
            if kind not in _NUMBERS and (kind is not dict or not levels or not self._only_counts(value, levels - 1)):
                return False
        names = tuple(usage)
        if names in self._passed:
            return True
        return self._remember(names, msgspec.json.encode(dict.fromkeys(names, _COUNT)), msgspec.json.decode)

    def _remember(self, what: object, encoded: bytes, decode: Any) -> bool:
        if not _fits(decode, encoded) or looks_secret(encoded):
            return False
        if len(self._passed) >= _MOST_REMEMBERED:
            self._passed.clear()
        self._passed.add(what)
        return True


def _has_usage_object(outcome: Outcome) -> bool:
    return outcome.provider_usage is None or isinstance(outcome.provider_usage, dict)


def _fits(decode: Any, encoded: bytes) -> bool:
    try:
        decode(encoded)
    except (ValueError, RecursionError):  # msgspec's errors and Unicode's are ValueErrors
        return False
    return True

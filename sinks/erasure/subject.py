"""Subjects: whose data is erased or handed out, and how the ledger's tables name them. No I/O."""

from typing import Final

import msgspec

from tokentrail.errors import ErasureError

_COLUMNS: Final = ("user_id", "session_id", "ip_address")
_KINDS: Final = {"user": 0, "session": 1, "ip": 2}


class Subject(msgspec.Struct, frozen=True):
    """A user; or a session, or an address, as far as its calls name no user.

    `value` is bound to the parameter `subject` of every condition.
    """

    kind: str
    value: str

    @property
    def name(self) -> str:
        """As `sealing.subject_of` has it."""
        return f"{self.kind}:{self.value}"

    @property
    def dimension(self) -> str:
        """The column that has the value; alerts name it as their dimension."""
        return _COLUMNS[_KINDS[self.kind]]

    @property
    def of_calls(self) -> str:
        """The condition on tables that have its columns."""
        return self._condition("{column}")

    @property
    def of_payloads(self) -> str:
        """The condition on payloads that are not sealed."""
        return "position(payload, {subject_json:String}) > 0 AND " + self._condition(
            "JSONExtractString(payload, '{column}')"
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What is bound in the conditions."""
        # As far as every encoder writes it the same: the last plain letters. The condition behind it is exact.
        plain = "".join(
            sign if sign.isascii() and sign.isprintable() and sign not in '"\\/' else " " for sign in self.value
        )
        return {"subject": self.value, "subject_json": max(plain.split(" "), key=len)}

    def _condition(self, form: str) -> str:
        rank = _KINDS[self.kind]
        absent = [form.replace("{column}", name) + " = ''" for name in _COLUMNS[:rank]]
        return " AND ".join([form.replace("{column}", _COLUMNS[rank]) + " = {subject:String}", *absent])


def read_subject(text: str) -> Subject:
    """Read `user:…`, `session:…` or `ip:…`.

    Raises:
        ErasureError: it is none of them.
    """
    kind, colon, value = text.partition(":")
    if not colon or not value or kind not in _KINDS:
        raise ErasureError(f"{text!r} names no subject: write user:ID, session:ID or ip:ADDRESS.")
    return Subject(kind, value)

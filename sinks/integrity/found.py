"""What a verification has to say: findings, which are wrong, and notes, which are not. No I/O."""

from enum import StrEnum

import msgspec


class What(StrEnum):
    """The kind of a finding."""

    EDITED = "edited"
    DELETED = "deleted"
    ADDED = "added"
    REORDERED = "reordered"
    CUT_OFF = "cut off"
    ROLLED_BACK = "rolled back"
    SIGNED_ANEW = "signed anew"
    CHAIN_BROKEN = "chain broken"
    GAP = "gap"
    REPEATED = "repeated"
    UNSIGNED = "unsigned"
    NOT_CHECKED = "not checked"


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. A note does not make the verification fail."""

    what: What
    where: str
    """The table or the copy that it was found in."""
    detail: str
    partition: int | None = None
    offset: int | None = None
    last_offset: int | None = None
    """Of a stretch of several records."""
    note: bool = False

    @property
    def line(self) -> str:
        """One line of text."""
        place = "" if self.partition is None else f" partition {self.partition}"
        if self.offset is not None:
            place += f" offset {self.offset}"
            if self.last_offset is not None and self.last_offset != self.offset:
                place += f"-{self.last_offset}"
        return f"{self.what.value}: {self.where}{place}: {self.detail}"

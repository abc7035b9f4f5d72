"""Follows event_log behind its writers: records findings, and signs what the log gained.

It reads each record once, soon after it was written, and keeps its leaf: what is changed in the table later on does not
get into a checkpoint. One process at a time does this work. Blocking.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Final

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.integrity_tables import IntegrityTables
from tokentrail.sinks.integrity.checkpoint import Checkpoint, SignedCheckpoint, encode_line
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.checkpoint_maker import CheckpointMaker
from tokentrail.sinks.integrity.findings import ChainFollower
from tokentrail.sinks.integrity.log_rows import LogRows
from tokentrail.sinks.integrity.signing_keys import PublicKey, SigningKey, load_signing_key
from tokentrail.sinks.integrity.verification import check_rates

SAVE_S: Final = 30.0
"""How often the followers' state is kept: so much of the log is read again after a crash."""
IDLE_CHECKPOINT: Final = timedelta(hours=1)
"""A log that gains nothing is signed this often."""

_log = logging.getLogger(__name__)


def load_key(settings: Settings) -> SigningKey | None:
    """Return the key of the setting `checkpoint_key`, None without one.

    Raises:
        SettingsError: it cannot be used.
    """
    if settings.checkpoint_key is None:
        return None
    return load_signing_key(settings.checkpoint_key, settings.checkpoint_key_password)


class LogFollower:
    """`recover`, then `step` again and again; `checkpoint` where a key is given.

    Every method raises EngineError where the engine cannot be reached or refuses; `recover` is next then. `publish`
    gets each new checkpoint as a line. Without `findings` it only signs.
    """

    def __init__(
        self,
        settings: Settings,
        key: SigningKey | None,
        publish: Callable[[bytes], None] = lambda _line: None,
        *,
        findings: bool = True,
    ) -> None:
        self._settings = settings
        self._key = key
        self._publish = publish
        self._findings = findings
        self._tables = IntegrityTables(settings)
        self._file = CheckpointFile(settings.checkpoints)
        self._followers: dict[int, ChainFollower] = {}
        self._known: dict[int, set[str]] = {}
        """Findings that are written already, of the stretch that is read again."""
        self._rates: dict[int, bytes] = {}
        self._maker: CheckpointMaker | None = None
        self._last: SignedCheckpoint | None = None
        self._saved_at_s = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self._tables.close()

    def recover(self) -> None:
        """Find out how far the work was done."""
        self._followers = self._tables.followers()
        for partition in {*range(self._settings.partitions), *self._tables.partitions()}:
            self._followers.setdefault(partition, ChainFollower(partition))
        self._known = {
            one.partition: self._tables.finding_ids(one.partition, one.next_offset) for one in self._followers.values()
        }
        self._rates.clear()
        if self._key is not None:
            with self._file.locked():
                self._begin_behind(self._newest())

    def step(self) -> int:
        """Read the next rows, if there are any, record what they show, and return how many they were."""
        offsets = {partition: one.next_offset for partition, one in self._followers.items()}
        if self._maker is not None:
            signed = {partition: self._maker.next_offset(partition) for partition in offsets}
            offsets = {partition: min(at, signed[partition]) for partition, at in offsets.items()}
            offsets = offsets if self._findings else signed
        found, count = [], 0
        for rows in self._tables.new_rows(offsets):
            count += len(rows)
            if self._findings:
                known = self._known[rows.partition]
                found += [one for one in self._followers[rows.partition].add(rows) if one.finding_id not in known]
            self._sign_later(rows)
        if found:
            self._tables.insert_findings(found)
        if self._findings and count and time.monotonic() - self._saved_at_s > SAVE_S:
            self.save()
        return count

    def save(self) -> None:
        """Keep how far the chains were followed."""
        self._tables.save_followers(list(self._followers.values()))
        self._saved_at_s = time.monotonic()
        self._known = {partition: set() for partition in self._known}

    def checkpoint(self, now: datetime | None = None, read_for_s: float = inf) -> SignedCheckpoint | None:
        """Sign what came since the last checkpoint; None without a key, or where nothing came within an hour.

        What came before this was called is signed; of a log that is long behind, as much as can be read in
        `read_for_s` or a little longer.

        When this returns, the disk and the table have it. Another process on this machine may do the same: they wait
        for each other, and each goes on behind the other's.

        Raises:
            SettingsError: the file cannot be written.
        """
        maker = self._maker
        if maker is None or self._key is None:
            return None
        with self._file.locked():
            newest = self._newest()
            if newest is not None and (self._last is None or newest.sha256 != self._last.sha256):
                maker = self._begin_behind(newest)
            self._catch_up(maker, time.monotonic() + read_for_s)
            made_at = now or datetime.now(UTC)
            content = self._last.read() if self._last else None
            if content is not None and not maker.records and made_at - content.made_at < IDLE_CHECKPOINT:
                return None
            signed = maker.make(self._key, made_at, self._followers)
            self._file.append(signed)
            self._tables.insert_checkpoint(signed)
            self._last = signed
        self._publish(encode_line(signed))
        return signed

    def _catch_up(self, maker: CheckpointMaker, until_s: float) -> None:
        # Up to where the log ends now: behind a busy writer there is always more.
        ends = {partition: self._tables.end(partition)[0] for partition in self._followers}
        while any(maker.next_offset(partition) <= end for partition, end in ends.items()):
            if not self.step() or time.monotonic() > until_s:
                return

    def _begin_behind(self, last: SignedCheckpoint | None) -> CheckpointMaker:
        self._last = last
        self._maker = CheckpointMaker(self._settings.topic("llm.calls"), last, self._rates)
        return self._maker

    def _newest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint of table and file; what only the file has is written into the table again.

        The file may hold those of an earlier key. What stands in the table alone must be signed with ours.
        """
        by_number: dict[int, SignedCheckpoint] = {}
        for signed in self._file.read():
            content = signed.read()
            if content is not None and self._may_be_ours(signed, content):
                by_number.setdefault(content.number, signed)
        held = self._tables.last_checkpoint()
        content = held.read() if held else None
        in_table = content.number if content else 0
        for number in sorted(by_number):
            if number > in_table:
                self._tables.insert_checkpoint(by_number[number])
        if held and content and content.key_id == self._public.key_id and self._may_be_ours(held, content):
            by_number.setdefault(content.number, held)
        return by_number[max(by_number)] if by_number else None

    @property
    def _public(self) -> PublicKey:
        assert self._key is not None  # noqa: S101  # asked for with a key only
        return self._key.public

    def _may_be_ours(self, signed: SignedCheckpoint, content: Checkpoint) -> bool:
        return content.key_id != self._public.key_id or self._public.verifies(signed.signature, signed.signed)

    def _sign_later(self, rows: LogRows) -> None:
        maker = self._maker
        if maker is None:
            return
        begin = maker.next_offset(rows.partition)
        fresh = sum(offset >= begin for offset in rows.offsets)
        if not fresh:
            return
        part = rows.slice(len(rows) - fresh, len(rows)) if fresh < len(rows) else rows
        if not self._rates.keys() >= set(part.rate_ids) - {0}:
            self._rates.update(check_rates(self._tables.rates()).contents)
        maker.add(part)

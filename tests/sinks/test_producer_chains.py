"""A batch of events has the same findings, and leaves the same behind, as its events one by one."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.schemas.events import GENESIS_HASH
from tokentrail.sinks.integrity.log_rows import Link
from tokentrail.sinks.integrity.producer_chains import ProducerChains
from tokentrail.sinks.integrity.producer_events import by_producer
from tokentrail.sinks.integrity.range_tally import Heads

STEP = st.tuples(st.sampled_from("ab"), st.sampled_from((0, 1, 1, 1, 1, 1, 2)), st.integers(0, 9))


def _log(steps: list[tuple[str, int, int]]) -> tuple[list[Link | None], list[bytes]]:
    links: list[Link | None] = []
    digests = []
    last = dict.fromkeys("ab", (0, GENESIS_HASH))
    for at, (name, step, luck) in enumerate(steps):
        seq, before = last[name]
        digest = sha256(str(at).encode()).digest()
        link = Link(name, max(1, seq + step), "0" * 63 + "1" if luck == 0 else before) if luck != 1 else None
        if link is not None:
            last[name] = (link.producer_seq, digest.hex())
        links.append(link)
        digests.append(digest)
    return links, digests


@given(st.lists(STEP, max_size=40), st.integers(1, 15))
def test_batches_are_followed_as_event_by_event(steps: list[tuple[str, int, int]], size: int) -> None:
    links, digests = _log(steps)
    single, batched = ProducerChains(0), ProducerChains(0)
    one_by_one = [
        wrong
        for at, link in enumerate(links)
        if link is not None and (wrong := single.add(at, link, digests[at].hex())) is not None
    ]
    together, heads = [], Heads()
    for begin in range(0, len(links), size):
        part, hashes = links[begin : begin + size], digests[begin : begin + size]
        together += batched.extend(range(begin, begin + len(part)), part, hashes, by_producer(part))
        heads.extend(by_producer(part), hashes)
    assert together == one_by_one
    assert (batched.heads, batched.beginnings) == (single.heads, single.beginnings)

    latest: dict[str, tuple[int, bytes]] = {}
    for link, digest in zip(links, digests, strict=True):
        if link is not None and link.producer_seq >= latest.get(link.producer_id, (0, b""))[0]:
            latest[link.producer_id] = (link.producer_seq, digest)
    whole = b"".join(
        len(name).to_bytes(4, "big") + name.encode() + seq.to_bytes(8, "big") + digest
        for name, (seq, digest) in sorted(latest.items())
    )
    assert heads.digest() == sha256(whole).digest()

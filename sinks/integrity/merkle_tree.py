"""A Merkle tree over leaves that come one after the other, as RFC 9162 (section 2.1) builds it. Pure.

One deviation: a leaf is what `leaf` makes of a record, without a prefix of its own. Its input is 84 bytes long and that
of a node 65, which tells the two apart as the prefix of RFC 9162 does, for one hash less per record.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

_NODE: Final = b"\x01"


class MerkleTree:
    """Takes in leaves and keeps one hash per level: memory does not grow with the number of leaves."""

    __slots__ = ("_pending", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pending: list[bytes | None] = []
        """By level: the last node, where it has no sibling yet."""

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaves, in order; about 1 µs each."""
        self.size += len(leaves)
        nodes = list(leaves)
        level = 0
        while nodes:
            if level == len(self._pending):
                self._pending.append(None)
            waiting = self._pending[level]
            if waiting is not None:
                nodes.insert(0, waiting)
            self._pending[level] = nodes.pop() if len(nodes) % 2 else None
            nodes = [sha256(_NODE + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
            level += 1

    def root(self) -> bytes:
        """Return the hash over all leaves so far; that of nothing is SHA-256 of no bytes."""
        above: bytes | None = None
        for node in self._pending:
            if node is not None:
                above = node if above is None else sha256(_NODE + node + above).digest()
        return sha256(b"").digest() if above is None else above


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that prove a leaf, from the bottom up: RFC 9162, section 2.1.3.1."""
    path: list[bytes] = []
    nodes = list(leaves)
    while len(nodes) > 1:
        sibling = index ^ 1
        if sibling < len(nodes):
            path.append(nodes[sibling])
        odd = [nodes[-1]] if len(nodes) % 2 else []
        pairs = zip(nodes[::2], nodes[1::2], strict=False)
        nodes = [sha256(_NODE + left + right).digest() for left, right in pairs] + odd
        index //= 2
    return path


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to, None where it does not fit a tree of this size: section 2.1.3.2."""
    if not 0 <= index < size:
        return None
    node, last = leaf, size - 1
    for sibling in path:
        if last == 0:
            return None
        if index % 2 or index == last:
            node = sha256(_NODE + sibling + node).digest()
            while not index % 2 and index:
                index //= 2
                last //= 2
        else:
            node = sha256(_NODE + node + sibling).digest()
        index //= 2
        last //= 2
    return node if last == 0 else None

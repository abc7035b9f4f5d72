"""The tree is that of RFC 9162, and its paths prove single records."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.sinks.integrity.leaf import LEAF_INPUT_BYTES, leaf_hash
from tokentrail.sinks.integrity.merkle_tree import MerkleTree, inclusion_path, root_of_path

SIZES = st.integers(1, 130)


def leaves(count: int) -> list[bytes]:
    return [sha256(bytes([at])).digest() for at in range(count)]


def by_definition(nodes: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word by word."""
    if len(nodes) == 1:
        return nodes[0]
    cut = 1
    while 2 * cut < len(nodes):
        cut *= 2
    return sha256(b"\x01" + by_definition(nodes[:cut]) + by_definition(nodes[cut:])).digest()


@given(SIZES, st.lists(st.integers(0, 40), max_size=12))
def test_the_root_is_that_of_the_definition_however_leaves_come(count: int, cuts: list[int]) -> None:
    tree, rest = MerkleTree(), leaves(count)
    for cut in cuts:
        tree.extend(rest[:cut])
        rest = rest[cut:]
    tree.extend(rest)
    assert (tree.size, tree.root()) == (count, by_definition(leaves(count)))


@given(SIZES, st.data())
def test_a_path_proves_its_leaf_and_no_other(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    nodes = leaves(count)
    path = inclusion_path(nodes, index)
    root = by_definition(nodes)
    assert root_of_path(nodes[index], index, count, path) == root
    assert root_of_path(sha256(b"another").digest(), index, count, path) != root
    other = data.draw(st.integers(0, count - 1))
    if other != index:
        assert root_of_path(nodes[index], other, count, path) != root


def test_nothing_has_the_hash_of_nothing() -> None:
    assert MerkleTree().root() == sha256(b"").digest()


def test_a_leaf_is_made_of_place_time_and_both_hashes() -> None:
    original, stored = b"o" * 32, b"s" * 32
    packed = bytes.fromhex("00000003000000000000000700000000000003e8") + original + stored
    assert len(packed) == LEAF_INPUT_BYTES
    assert leaf_hash(3, 7, 1000, original, stored) == sha256(packed).digest()

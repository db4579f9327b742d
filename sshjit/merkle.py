"""The Merkle tree of RFC 6962, section 2.1 (hash: SHA-256): one short head that stands for a whole list of leaves.

``Frontier`` grows a tree leaf by leaf and keeps only what the next head and the tiles of C2SP tlog-tiles need. Proofs
are made from the leaves' hashes and checked from nothing but themselves (RFC 9162, sections 2.1.3.2 and 2.1.4.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from sshjit.errors import Invalid

TILE = 256
"""Leaves under one hash of a tile (C2SP tlog-tiles)."""
_TILE_HEIGHT = 8

EMPTY = hashlib.sha256(b"").digest()
"""The head of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees that make up a tree, largest first: at most one for each bit of its size.

    ``tiles`` holds, 32 bytes each, the heads over every 256 leaves that are complete: with them any proof is made from
    a few hundred leaves, however large the tree is.
    """

    __slots__ = ("_roots", "size", "tiles")

    def __init__(self) -> None:
        self.size = 0
        self.tiles = bytearray()
        self._roots: list[bytes] = []

    @classmethod
    def of(cls, tiles: bytes, leaves: Iterable[bytes]) -> Frontier:
        """The frontier of the tree whose complete tiles have these heads, and ``leaves`` after them."""
        tree = cls()
        heads = [tiles[at : at + 32] for at in range(0, len(tiles), 32)]
        for number, root in enumerate(heads):
            tree._merge(root, number)
        tree.size, tree.tiles = len(heads) * TILE, bytearray(tiles)
        for leaf in leaves:
            tree.append(leaf)
        return tree

    def append(self, leaf: bytes) -> None:
        """Adds one leaf, by its hash."""
        root, carried, height = leaf, self.size, 0
        while carried & 1:
            root = node_hash(self._roots.pop(), root)
            carried >>= 1
            height += 1
            if height == _TILE_HEIGHT:
                self.tiles += root
        self._roots.append(root)
        self.size += 1

    def head(self, more: Sequence[bytes] = ()) -> bytes:
        """The tree's head now, or with ``more`` after it: roots of smaller perfect subtrees, largest first."""
        if not (roots := [*self._roots, *more]):
            return EMPTY
        head = roots.pop()
        for root in reversed(roots):
            head = node_hash(root, head)
        return head

    def copy(self) -> Frontier:
        """An independent frontier of the same tree."""
        twin = Frontier()
        twin.size, twin.tiles, twin._roots = self.size, self.tiles.copy(), self._roots.copy()
        return twin

    def _merge(self, root: bytes, number: int) -> None:
        """Adds a perfect subtree, the ``number``-th of its size."""
        while number & 1:
            root = node_hash(self._roots.pop(), root)
            number >>= 1
        self._roots.append(root)


def roots(leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The roots of the perfect subtrees that make up the tree over leaf hashes, largest first.

    Level by level, which takes a third of the time of a ``Frontier`` that grows.
    """
    heads: list[bytes] = []
    level, sha256 = list(leaves), hashlib.sha256
    while level:
        if len(level) & 1:
            heads.append(level.pop())
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return tuple(reversed(heads))


def head(leaves: Sequence[bytes]) -> bytes:
    """The head over leaf hashes, by the definition."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    split = left_size(len(leaves))
    return node_hash(head(leaves[:split]), head(leaves[split:]))


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The path from leaf ``index`` to the head of the tree over ``leaves``."""
    if not 0 <= index < len(leaves):
        raise Invalid("bad_proof", f"there is no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = left_size(len(leaves))
    if index < split:
        return (*inclusion_proof(index, leaves[:split]), head(leaves[split:]))
    return (*inclusion_proof(index - split, leaves[split:]), head(leaves[:split]))


def consistency_proof(old: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """That the tree over the first ``old`` leaves, one or more, is a beginning of the tree over all of them."""
    if not 0 < old <= len(leaves):
        raise Invalid("bad_proof", f"a tree of {len(leaves)} leaves has no proof about its first {old}")
    return consistency(old, leaves, whole=True)


def consistency(old: int, leaves: Sequence[bytes], *, whole: bool) -> tuple[bytes, ...]:
    """A part of such a proof, within a subtree; ``whole``: the older tree begins with its first leaf."""
    if old == len(leaves):
        return () if whole else (head(leaves),)
    split = left_size(len(leaves))
    if old <= split:
        return (*consistency(old, leaves[:split], whole=whole), head(leaves[split:]))
    return (*consistency(old - split, leaves[split:], whole=False), head(leaves[:split]))


def left_size(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows that the leaf hash stands at ``index`` of ``size`` under the head ``root``."""
    if not 0 <= index < size:
        return False
    node, position, last = leaf, index, size - 1
    for step in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(step, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, step)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree (``old``, ``old_root``) is a beginning of (``new``, ``new_root``)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0 < new:
        return not proof and old_root == EMPTY
    if not 0 < old < new or not proof:
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, step)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root

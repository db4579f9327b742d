"""The tree over the stored facts, recomputed: one half of ``log verify``, which a process of its own may do.

Facts and leaf hashes are all that is looked at here; what the entries mean is the other half's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from sshjit import merkle
from sshjit_ca.schema import entries
from sshjit_ca.store import Store

MAX_SAID = 20
_FETCHED = 2000


@dataclass(frozen=True, slots=True)
class Walked:
    """What was found: the tree's size and head, its heads at the sizes that were asked for, and what is wrong."""

    size: int
    head: bytes
    heads: dict[int, bytes]
    problems: tuple[str, ...]


def walk(store: Store, sizes: Iterable[int], end: int) -> Walked:
    """Hashes every fact before ``end`` and grows the tree; ``sizes`` are those whose heads are wanted as well."""
    wanted, heads, problems = set(sizes), dict[int, bytes](), list[str]()
    tree, sha256 = merkle.Frontier(), hashlib.sha256
    if 0 in wanted:
        heads[0] = tree.head()
    query = sa.select(entries.c.number, entries.c.fact, entries.c.leaf).where(entries.c.number < end)
    with store.engine.connect().execution_options(yield_per=_FETCHED) as connection:
        for number, fact, kept in connection.execute(query.order_by(entries.c.number)):
            if number != tree.size and len(problems) < MAX_SAID:
                problems.append(f"entry {tree.size} is missing: the next one is {number}")
            leaf = sha256(b"\x00" + fact).digest()
            if leaf != kept and len(problems) < MAX_SAID:
                problems.append(f"entry {number}: the fact was changed")
            tree.append(leaf)
            if tree.size in wanted:
                heads[tree.size] = tree.head()
    return Walked(tree.size, tree.head(), heads, tuple(problems))


def walk_at(address: str, sizes: tuple[int, ...], end: int) -> Walked:
    """The same, for another process: opens the database itself."""
    store = Store(address, read_only=True)
    try:
        return walk(store, sizes, end)
    finally:
        store.close()

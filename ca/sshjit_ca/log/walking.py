"""What is stored, byte by byte: one half of ``log verify``, which a process of its own may do.

Facts are hashed and the tree over them grown again; facts and details are in their one spelling and belong together.
What they say, one after the other, is the other half's (``refolding.py``).
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from types import NoneType

import sqlalchemy as sa

from sshjit import entries as entries_of
from sshjit import merkle
from sshjit.entries import Entry
from sshjit.errors import SshJitError
from sshjit_ca.log import quick
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.store import Store

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
    of = entries.c
    query = sa.select(of.number, of.time, of.kind, of.fact, of.leaf, of.detail, of.salt).where(of.number < end)
    with store.engine.connect().execution_options(yield_per=_FETCHED) as connection:
        rows = connection.execute(query.order_by(of.number)).partitions()
        for number, time, kind, fact, kept, detail, salt in chain.from_iterable(rows):
            if number != tree.size and len(problems) < MAX_SAID:
                problems.append(f"entry {tree.size} is missing: the next one is {number}")
            try:
                leaf = sha256(b"\x00" + fact).digest()
                if detail is None or salt is None or not quick.sound(number, time, kind, fact, detail, salt):
                    _strictly(Entry(number, time, kind, fact, detail, salt), problems)
            except (TypeError, AttributeError):  # SQLite takes anything into any column
                leaf = merkle.EMPTY
            if leaf != kept and len(problems) < MAX_SAID:
                problems.append(f"entry {number}: the fact was changed")
            if type(detail) not in (bytes, NoneType) or type(salt) not in (bytes, NoneType):
                problems.append(f"entry {number}: its detail is not stored as it was written")
            tree.append(leaf)
            if tree.size in wanted:
                heads[tree.size] = tree.head()
    if broken := store.sound():
        problems.append(f"the database file is damaged: {broken}")
    return Walked(tree.size, tree.head(), heads, tuple(problems))


def _strictly(entry: Entry, problems: list[str]) -> None:
    """The verdict on an entry that is not, at a quick look, as it should be. Many are: whose detail was erased."""
    try:
        entries_of.read(entry)
    except SshJitError as error:
        if len(problems) < MAX_SAID:
            problems.append(error.message)


def walk_at(address: str, sizes: tuple[int, ...], end: int) -> Walked:
    """The same, for another process: opens the database itself."""
    gc.disable()
    store = Store(address, read_only=True)
    try:
        return walk(store, sizes, end)
    finally:
        store.close()

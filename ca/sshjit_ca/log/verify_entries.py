"""What is stored, byte by byte: the half of ``log verify`` that several processes may share.

Facts are hashed and the tree over them grown again; facts and details are in their one spelling and belong together.
Every stretch of entries is looked at by itself and comes back as the roots of its subtrees, so that it makes no
difference who looked at it. What the entries say, one after the other, is the other half's (``verify_state.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit import entries as entries_of
from sshjit import merkle
from sshjit.entries import Entry
from sshjit.errors import SshJitError
from sshjit_ca.log import fast_reader
from sshjit_ca.storage import scan
from sshjit_ca.storage.database import reason
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.store import Store

MAX_SAID = 20
STRETCH_BITS = 14
STRETCH = 2**STRETCH_BITS
"""Entries that are looked at together: a power of two, so that a whole stretch is one subtree."""
_OF = entries.c
_COLUMNS = (_OF.number, _OF.time, _OF.kind, _OF.fact, _OF.leaf, _OF.detail, _OF.salt)


@dataclass(frozen=True, slots=True)
class Newer:
    """An entry whose parts belong together and of which something is not known here; ``problem`` says what."""

    index: int
    problem: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was found from the entry ``first`` on.

    ``size`` entries stand there without a gap, ``roots`` are over those, and ``heads`` the roots at sizes of the whole
    log that were asked for.
    """

    first: int
    size: int
    roots: tuple[bytes, ...]
    heads: dict[int, tuple[bytes, ...]]
    problems: tuple[str, ...]
    newer: Newer | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """What was found: the log's size, the head over it up to the first gap, heads at other sizes, what is wrong.

    ``newer`` is the first entry that a newer version wrote, if one did.
    """

    size: int
    head: bytes
    heads: dict[int, bytes]
    problems: tuple[str, ...]
    newer: Newer | None = None


class _Looking:
    """A stretch while it is being looked at."""

    def __init__(self, first: int) -> None:
        self.first = self.next = first
        self.leaves: list[bytes] = []
        self.whole = True
        self.newer: Newer | None = None
        self.problems: list[str] = []

    def say(self, problem: str) -> None:
        if len(self.problems) < MAX_SAID:
            self.problems.append(problem)

    def unreadable(self, number: int, error: SshJitError) -> None:
        """This entry cannot be read: its parts do not belong together, or a newer version wrote it."""
        if error.code == "newer_log":
            self.newer = self.newer or Newer(number, error.message)
            return
        said = error.message
        self.say(said if said.startswith("entry ") else f"entry {number}: {said}")

    def reach(self, number: int) -> bool:
        """The next entry that there is has this number; whether it is one."""
        if type(number) is not int:
            self.say(f"entry {number}: it is not a number")
            return False
        if number > self.next:
            self.say(missing(self.next, number))
            self.whole = False
        self.next = number
        return True

    def look(self, connection: sa.Connection, end: int) -> None:
        sha256, sound, append = hashlib.sha256, fast_reader.sound, self.leaves.append
        for number, time, kind, fact, kept, detail, salt in scan.scan(connection, _COLUMNS, self.first, end):
            if number != self.next and not self.reach(number):
                continue
            self.next += 1
            try:
                leaf = sha256(b"\x00" + fact).digest()
                if not sound(number, time, kind, fact, detail, salt):
                    _read(Entry(number, time, kind, fact, detail, salt))
            except SshJitError as error:
                self.unreadable(number, error)
            except (TypeError, AttributeError):  # SQLite takes anything into any column
                leaf = merkle.EMPTY
            if leaf != kept:
                self.say(f"entry {number}: the fact was changed")
            if not (type(detail) in _BYTES and type(salt) in _BYTES):
                self.say(f"entry {number}: its details were changed")
            if self.whole:
                append(leaf)
        self.reach(end)


_BYTES = (bytes, NoneType)


def _read(entry: Entry) -> None:
    """Reads an entry strictly, or what is left of it. Raises as ``sshjit.entries.read``."""
    if entries_of.read(entry) is None:
        entries_of.read_erased(entry)


def missing(first: int, end: int) -> str:
    """What is said of entries that are not there."""
    return f"entry {first} is missing" if first + 1 == end else f"entries {first} to {end - 1} are missing"


@dataclass(frozen=True, slots=True)
class Numbering:
    """Which entries there are: how many, where they end, and the stretches in which any stand."""

    size: int
    end: int
    stretches: tuple[tuple[int, int], ...]
    problems: tuple[str, ...] = ()


NO_ENTRIES = Numbering(0, 0, ())


def numbering(connection: sa.Connection) -> Numbering:
    """Looks at the numbers alone. That they are 0, 1, 2 and so on is only likely after it, ``walk`` makes it sure."""
    number = entries.c.number
    counted = sa.select(sa.func.count(), sa.func.min(number), sa.func.max(number)).select_from(entries)
    size, least, most = connection.execute(counted).one()
    if size == 0:
        return NO_ENTRIES
    if (least, most) == (0, size - 1):
        return Numbering(size, size, tuple((first, min(first + STRETCH, size)) for first in range(0, size, STRETCH)))
    return _out_of_order(connection, size)


def _out_of_order(connection: sa.Connection, size: int) -> Numbering:
    """The numbering of a log with gaps, or whose numbers are none: SQLite takes anything into any column."""
    problems, number = [], entries.c.number
    proper = sa.func.typeof(number) == "integer" if connection.dialect.name == "sqlite" else sa.true()
    odd = connection.execute(sa.select(number).where(~(proper & (number >= 0))).limit(MAX_SAID)).scalars()
    problems += [f"entry {index!r}: no entry has such a number" for index in odd]
    place = number.bitwise_rshift(STRETCH_BITS)
    places = connection.execute(sa.select(place).where(proper, number >= 0).distinct().order_by(place)).scalars().all()
    end = (connection.execute(sa.select(sa.func.max(number)).where(proper)).scalar() or -1) + 1
    stretches = [(index * STRETCH, min((index + 1) * STRETCH, end)) for index in places]
    return Numbering(size, end, tuple(stretches), tuple(problems))


def walk(connection: sa.Connection, first: int, end: int, sizes: Sequence[int]) -> Stretch:
    """Looks at the entries from ``first`` to before ``end``, one stretch at most.

    ``sizes`` are those whose heads are wanted; those that end elsewhere are passed over.
    """
    looking = _Looking(first)
    try:
        looking.look(connection, end)
    except SshJitError as error:
        looking.say(f"from entry {looking.next} on {error.message}")
    leaves = looking.leaves
    reached = [size for size in sizes if first < size <= first + len(leaves)]
    heads = {size: merkle.roots(leaves[: size - first]) for size in reached}
    return Stretch(first, len(leaves), merkle.roots(leaves), heads, tuple(looking.problems), looking.newer)


def walk_at(address: str, first: int, end: int, sizes: Sequence[int]) -> Stretch:
    """As ``walk``, for another process: what it finds is all that it says."""
    try:
        with scan.moment(_opened(address)) as connection:
            return walk(connection, first, end, sizes)
    except SshJitError as error:
        return Stretch(first, 0, (), {}, (error.message,))


def damage(store: Store) -> str:
    """What the database finds wrong with its own file; empty if nothing."""
    try:
        return store.sound()
    except SQLAlchemyError as error:
        return reason(error)


def damage_at(address: str) -> str:
    """The same, for another process."""
    return damage(_opened(address))


@cache
def _opened(address: str) -> Store:
    return Store(address, read_only=True)


def put_together(numbers: Numbering, stretches: Iterable[Stretch], damaged: str) -> Walked:
    """All stretches of a log, in order, as one tree; ``damaged`` is what ``damage`` said."""
    tree = merkle.Frontier()  # its leaves are the roots of whole stretches
    rest: tuple[bytes, ...] = ()
    heads, problems, reached, following = {0: tree.head()}, list(numbers.problems), 0, 0
    newer: Newer | None = None
    for stretch in stretches:
        newer = newer or stretch.newer
        if stretch.first != following:
            problems.append(missing(following, stretch.first))
        problems += stretch.problems
        following = stretch.first + STRETCH
        if stretch.first != reached:
            continue
        heads |= {at: tree.head(roots) for at, roots in stretch.heads.items()}
        reached += stretch.size
        if stretch.size == STRETCH:
            tree.append(stretch.roots[0])
        else:
            rest = stretch.roots
    said = problems[:MAX_SAID] + ([f"the database file is damaged: {damaged}"] if damaged else [])
    return Walked(numbers.size, tree.head(rest), heads, tuple(said), newer)

"""Pages of the log: which entries a reader asked for, found without reading much more than those.

Kind and person go by the index, times by bisection (they go back only where an operator confirmed the clock), hosts by
looking at details. One page never looks at more than ``SCANNED`` entries, however few fit, so that no question holds
the CA up; it says where to go on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from sshjit import tiles
from sshjit.errors import Invalid
from sshjit.merkle import TILE, Frontier
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.store import Row, Store

SCANNED = 2000
MAX_PAGE = 1000
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted; ``None`` is everything. ``subjects`` are ids; ``fits`` looks at what the index cannot say."""

    subjects: frozenset[str] | None = None
    kind: str | None = None
    since: int | None = None
    until: int | None = None
    fits: Callable[[Row], bool] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order that was asked for. ``next`` goes on from here; ``None`` when there is nothing more."""

    rows: tuple[Row, ...]
    next: int | None


def page_limit(asked: int) -> int:
    """How many rows a page has.

    Raises:
        Invalid: ``bad_limit``.

    """
    if not 1 <= asked <= MAX_PAGE:
        raise Invalid("bad_limit", f"a page has 1 to {MAX_PAGE} rows")
    return asked


def newest_first(store: Store, wanted: Filter, before: int | None, limit: int) -> Page:
    """Up to ``limit`` rows below the index ``before``, or from the newest on."""
    end = min(end_at(store, wanted.until), _size(store) if before is None else before)
    first = first_at(store, wanted.since) if wanted.since is not None else 0
    query = _query(wanted).where(entries.c.number < end, entries.c.number >= first)
    found = store.select(query, newest_first=True, limit=_most(wanted, limit))
    return _page(found, wanted, limit)


def oldest_first(store: Store, wanted: Filter, after: int, limit: int) -> Page:
    """Up to ``limit`` rows above the index ``after``."""
    first = max(after + 1, first_at(store, wanted.since) if wanted.since is not None else 0)
    query = _query(wanted).where(entries.c.number >= first, entries.c.number < end_at(store, wanted.until))
    found = store.select(query, newest_first=False, limit=_most(wanted, limit))
    return _page(found, wanted, limit)


def leaves(store: Store, first: int, end: int) -> list[bytes]:
    """The leaf hashes from ``first`` to before ``end``."""
    query = sa.select(entries.c.leaf).where(entries.c.number >= first, entries.c.number < end)
    with store.reading() as connection:
        return [bytes(row.leaf) for row in connection.execute(query.order_by(entries.c.number))]


def facts(store: Store, first: int, end: int) -> list[bytes]:
    """The facts from ``first`` to before ``end``."""
    query = sa.select(entries.c.fact).where(entries.c.number >= first, entries.c.number < end)
    with store.reading() as connection:
        return [bytes(row.fact) for row in connection.execute(query.order_by(entries.c.number))]


def inclusion(index: int, size: int, tree: Frontier, store: Store) -> tuple[bytes, ...]:
    """The path from an entry to the head over ``size`` entries; ``tree`` is over as many, or more."""
    first, last = index - index % TILE, size - size % TILE
    own, end = leaves(store, first, min(first + TILE, size)), leaves(store, last, size)
    return tiles.inclusion_proof(index, size, bytes(tree.tiles), own, end)


def _most(wanted: Filter, limit: int) -> int:
    return limit if wanted.fits is None else SCANNED


def _page(candidates: list[Row], wanted: Filter, limit: int) -> Page:
    rows = []
    for row in candidates:
        if wanted.fits is None or wanted.fits(row):
            rows.append(row)
        if len(rows) == limit:
            return Page(tuple(rows), row.entry.index)
    full = len(candidates) == _most(wanted, limit)
    return Page(tuple(rows), candidates[-1].entry.index if full else None)


def _query(wanted: Filter) -> sa.Select[tuple[object, ...]]:
    query = sa.select(entries)
    if wanted.subjects is not None:
        query = query.where(entries.c.subject.in_(sorted(wanted.subjects)))
    if wanted.kind is not None:
        query = query.where(entries.c.kind == wanted.kind)
    if wanted.since is not None:
        query = query.where(entries.c.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(entries.c.time < wanted.until)
    return query


def _size(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(sa.select(sa.func.max(entries.c.number))).scalar() or 0) + 1


def first_at(store: Store, time: int | None) -> int:
    """The index of the first entry at or after a time; past the end when there is none, or no time."""
    with store.reading() as connection:
        stretches = _stretches(connection)
        for first, end in stretches if time is not None else ():
            if (index := _bisect(connection, time or 0, first, end)) < end:
                return index
    return stretches[-1][1]


def end_at(store: Store, time: int | None) -> int:
    """The index after the last entry before a time: as ``first_at``, unless the clock was set back in between."""
    with store.reading() as connection:
        stretches = _stretches(connection)
        if time is None:
            return stretches[-1][1]
        for first, end in reversed(stretches):
            if (index := _bisect(connection, time, first, end)) > first:
                return index
    return 0


def _stretches(connection: sa.Connection) -> list[tuple[int, int]]:
    """The log in parts (first, end) in which times never go back: they may where an operator confirmed the clock."""
    number = entries.c.number
    confirmed = connection.execute(sa.select(number).where(entries.c.kind == "clock").order_by(number)).scalars()
    size = connection.execute(sa.select(sa.func.max(number))).scalar()
    return list(itertools.pairwise([0, *(index for index in confirmed if index), 0 if size is None else size + 1]))


PROBES = 64
"""Places that are looked at with one question: on a server each question is a way there and back."""


def _bisect(connection: sa.Connection, time: int, low: int, high: int) -> int:
    """The first entry of a stretch at or after a time; its end, if there is none."""
    while low < high:
        places = range(low, high, max(1, (high - low) // PROBES))
        query = sa.select(entries.c.number, entries.c.time).where(entries.c.number.in_(list(places)))
        earlier = [number for number, there in connection.execute(query) if there < time]
        low = max(earlier, default=low - 1) + 1
        high = next((place for place in places if place >= low), high)
    return low

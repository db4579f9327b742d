"""``ssh-jit-ca log verify``: is the log whole, and if not, where not.

Reads a database, its own or a copy, and trusts nothing in it but the log's first public key, which comes from
elsewhere. One half looks at what is stored and grows the tree over it (``walking.py``), the other recomputes what it
means (``refolding.py``); with a long log each has a process of its own. Here both are held against the signed
checkpoints.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed, SshJitError
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import lineage
from sshjit_ca.log import snapshots, walking
from sshjit_ca.log.refolding import Refold
from sshjit_ca.log.snapshots import Snapshot
from sshjit_ca.log.walking import Walked
from sshjit_ca.storage.database import reason
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.schema import head as heads
from sshjit_ca.storage.store import Head, Store

T = TypeVar("T")
MAX_PROBLEMS = 20
"""Problems after which nothing more is listed."""
LONG = 20_000
"""Entries from which on a second process is worth its start."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. ``problems`` says where the log is not whole; none: it is."""

    size: int
    head: bytes
    checkpoint: Checkpoint | None
    erased: int
    problems: tuple[str, ...]


def verify(store: Store, first: PublicKey, *, against: Sequence[Checkpoint] = ()) -> Verdict:
    """Verifies the whole log against its own checkpoint and against others, older or newer, known from elsewhere."""
    problems: list[str] = []
    head, end = _attempt(lambda: _standing(store), problems) or (None, 0)
    stored = {each.size: each for each in _attempt(lambda: list(snapshots.stored(store)), problems) or ()}
    refold = Refold(first, stored)
    walked = _both(store, refold, sorted({*stored, *(point.size for point in against)}), end)
    problems += [*walked.problems, *refold.problems]
    own = _own(head, walked, refold, problems)
    for point in against:
        problems += _differs(point, walked)
    for snapshot in stored.values():
        problems += _unsigned(snapshot, refold)
    for digest, text in _attempt(store.policy_texts, problems) or ():
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest:
            problems.append(f"the policy kept as {digest[:12]} is another text")
    return Verdict(walked.size, walked.head, own, refold.gaps.erased, tuple(dict.fromkeys(problems))[:MAX_PROBLEMS])


def _standing(store: Store) -> tuple[Head | None, int]:
    """The head, and the entries that there are: seen at one moment, because the CA may be writing."""
    last = sa.select(sa.func.max(entries.c.number)).scalar_subquery()
    try:
        with store.engine.connect() as connection:
            row = connection.execute(sa.select(heads, last.label("last"))).one_or_none()
            if row is None:
                return None, (connection.execute(sa.select(last)).scalar() or -1) + 1
    except SQLAlchemyError as error:
        raise Failed("no_database", f"the CA's database cannot be read: {reason(error)}") from None
    return Head(row.epoch, row.size, row.checkpoint), 0 if row.last is None else row.last + 1


def _both(store: Store, refold: Refold, sizes: list[int], end: int) -> Walked:
    """Both halves, side by side where that is faster. What is appended meanwhile is left out by both."""
    if end < LONG or (os.cpu_count() or 1) < 2:
        _refold(store, refold, end)
        return walking.walk(store, sizes, end)
    collecting = gc.isenabled()
    gc.disable()  # nothing here goes round in circles, and looking for that takes a tenth of the time
    try:
        return _side_by_side(store, refold, sizes, end)
    finally:
        if collecting:
            gc.enable()


def _side_by_side(store: Store, refold: Refold, sizes: list[int], end: int) -> Walked:
    address = store.engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        walk = pool.submit(walking.walk_at, address, tuple(sizes), end)
        _refold(store, refold, end)
        return walk.result()


def _refold(store: Store, refold: Refold, end: int) -> None:
    try:
        refold.run(store, end)
    except SQLAlchemyError as error:
        refold.say(f"the log cannot be read: {reason(error)}")


def _own(head: Head | None, walked: Walked, refold: Refold, problems: list[str]) -> Checkpoint | None:
    """The log's own checkpoint, held against the entries."""
    if head is None:
        problems.append("the log has no checkpoint")
        return None
    try:
        point = lineage.verified(head.checkpoint, lineage.raw(refold.keys.current))
    except SshJitError as error:
        problems.append(error.message)
        return None
    if (point.size, head.size) != (walked.size, walked.size):
        problems.append(f"the checkpoint is over {point.size} entries, and there are {walked.size}")
    elif point.root != walked.head:
        problems.append(f"the {point.size} entries are not those that the checkpoint was signed over")
    return point


def _differs(point: Checkpoint, walked: Walked) -> list[str]:
    if point.size > walked.size:
        return [f"the log ends at {walked.size} entries, and a checkpoint over {point.size} was signed: it was cut"]
    if walked.heads.get(point.size) != point.root:
        return [f"the first {point.size} entries are not those that a checkpoint was signed over"]
    return []


def _unsigned(snapshot: Snapshot, refold: Refold) -> list[str]:
    try:
        point = refold.keys.verified(snapshot.note)
    except SshJitError as error:
        return [f"the snapshot at {snapshot.size} entries: {error.message}"]
    return [] if point.size == snapshot.size else [f"the snapshot at {snapshot.size} entries is another one's"]


def _attempt(action: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return action()
    except SshJitError as error:
        problems.append(error.message)
        return None

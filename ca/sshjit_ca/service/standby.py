"""One CA writes at a time, others stand ready.

The writer leaves in ``head`` who it is and a beat that goes on while it lives. Whoever starts on the same database and
finds a writer waits until that one said goodbye, its process is gone, its lease is over (PostgreSQL,
``storage/lease.py``), or nothing of it moved for a while. All of this is a hint: what keeps a writer that was given up
too early from writing is the epoch, checked in every commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sshjit.errors import SshJitError
from sshjit_ca.machine import system
from sshjit_ca.storage.lease import Lease
from sshjit_ca.storage.store import Head, Store

BEAT = 2.0
"""Seconds between two beats of the writer."""
PATIENCE = 10.0
"""Seconds without a beat after which a writer that cannot be seen is given up."""
LOOK = 0.25
"""Seconds between two looks at the head."""


_LEASED = "leased"
"""The word in ``holder`` of a writer that holds the lease while it lives. Older releases know neither."""


@dataclass(frozen=True, slots=True)
class Time:
    """How a wait passes: a clock that never jumps, and sleeping."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def me(lease: Lease | None = None) -> str:
    """What the writer leaves in the head: machine since its start, process namespace, process, its start."""
    started = system.process_started(os.getpid()) or system.UNKNOWN
    return " ".join((*_here(), str(os.getpid()), started, *([_LEASED] if lease is not None and lease.held else [])))


def gone(holder: str) -> bool:
    """Whether the writer of a head is certainly gone, as far as this machine can see."""
    if not holder:
        return True
    parts = holder.removesuffix(f" {_LEASED}").split(" ")
    if len(parts) != 4 or tuple(parts[:2]) != _here() or system.UNKNOWN in parts:
        return False
    return not parts[2].isdecimal() or system.process_started(int(parts[2])) != parts[3]


def wait(
    store: Store, time: Time, say: Callable[[str], None], *, lease: Lease | None = None, limit: float | None = None
) -> bool:
    """Returns ``True`` once nobody else writes; ``False`` if somebody still does after ``limit`` seconds.

    ``say`` is told once that there is a wait. Of several that wait the one that gets the ``lease`` goes on, if there is
    one to be had; it is kept from then on.
    """
    began = moved = time.monotonic()
    seen: Head | None = None
    announced = False
    while True:
        head = _look(store, seen)
        mine = lease is None or lease.take() or not lease.counts
        if mine and _ended(head, leased=lease is not None and lease.held):
            return True
        now = time.monotonic()
        if not announced:
            say("another CA is writing this log; standing by")
            announced = True
        if head is not None and (seen is None or _signs(head) != _signs(seen)):
            seen, moved = head, now
        if now - moved >= PATIENCE:
            return True
        if limit is not None and now - began >= limit:
            return False
        time.sleep(LOOK)


def _signs(head: Head) -> tuple[int, int, int]:
    """What changes while somebody writes."""
    return head.epoch, head.size, head.beat


def _ended(head: Head | None, *, leased: bool) -> bool:
    """Whether the writer of a head is no more, as far as can be seen; ``leased``: we hold what it held."""
    return head is None or gone(head.holder) or (leased and head.holder.endswith(f" {_LEASED}"))


def _look(store: Store, seen: Head | None) -> Head | None:
    """The head. Once somebody was seen writing, a database that is away for a moment says nothing about them."""
    try:
        return store.head()
    except SshJitError:
        if seen is None:
            raise
        return seen


def _here() -> tuple[str, str]:
    return system.boot_id(), system.process_namespace()

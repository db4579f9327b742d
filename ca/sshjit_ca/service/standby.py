"""One CA writes at a time, others stand ready.

The writer leaves in ``head`` who it is and a beat that goes on while it lives. Whoever starts on the same database and
finds a writer waits until that one said goodbye, its process is gone, or nothing of it moved for a while. All of this
is a hint: what keeps a writer that was given up too early from writing is the epoch, checked in every commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sshjit.errors import SshJitError
from sshjit_ca.machine import system
from sshjit_ca.storage.store import Head, Store

BEAT = 3.0
"""Seconds between two beats of the writer."""
PATIENCE = 10.0
"""Seconds without a beat after which a writer that cannot be seen is given up."""
LOOK = 0.25
"""Seconds between two looks at the head."""


@dataclass(frozen=True, slots=True)
class Time:
    """How a wait passes: a clock that never jumps, and sleeping."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def me() -> str:
    """What the writer leaves in the head: machine since its start, process namespace, process, its start."""
    return " ".join((*_here(), str(os.getpid()), system.process_started(os.getpid()) or system.UNKNOWN))


def gone(holder: str) -> bool:
    """Whether the writer of a head is certainly gone, as far as this machine can see."""
    if not holder:
        return True
    parts = holder.split(" ")
    if len(parts) != 4 or tuple(parts[:2]) != _here() or system.UNKNOWN in parts:
        return False
    return not parts[2].isdecimal() or system.process_started(int(parts[2])) != parts[3]


def wait(store: Store, time: Time, say: Callable[[str], None], *, limit: float | None = None) -> bool:
    """Returns ``True`` once nobody else writes; ``False`` if somebody still does after ``limit`` seconds.

    ``say`` is told once that there is a wait.
    """
    began = moved = time.monotonic()
    seen: Head | None = None
    while True:
        head = _look(store, seen)
        if head is None or gone(head.holder):
            return True
        now = time.monotonic()
        if seen is None:
            say("another CA is writing this log; standing by")
        if seen is None or (head.epoch, head.size, head.beat) != (seen.epoch, seen.size, seen.beat):
            seen, moved = head, now
        if now - moved >= PATIENCE:
            return True
        if limit is not None and now - began >= limit:
            return False
        time.sleep(LOOK)


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

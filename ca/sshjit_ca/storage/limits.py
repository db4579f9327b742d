"""How long a database may take: for a connection, for an answer, and for all that one operation needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. The server keeps ``lock`` and ``statement``; ``operation`` is ours, for a server that is silent."""

    connect: int
    """For each address of the server; libpq knows none below 2."""
    lock: float
    """Waiting for a lock that somebody else holds; of SQLite too."""
    statement: float
    operation: float
    """One batch, or one page that is read, connecting included."""
    idle: float
    """What a transaction may wait for us; then PostgreSQL takes it back, with the locks that it holds."""


SERVING = Limits(connect=2, lock=2.5, statement=4, operation=5, idle=3)
"""For the running CA: its one thread waits no longer. One that was paused holds no lock that the next one needs."""
PATIENT = Limits(connect=10, lock=10, statement=600, operation=600, idle=610)
"""For commands that look at a whole log."""
LONG = 60.0
"""Seconds for what the running CA does seldom, over the whole log."""
BEAT = 3.0
"""Seconds for showing that the writer lives."""

_until = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread asks a database for inside the block is given up after so many seconds."""
    outer = getattr(_until, "at", None)
    _until.at = time.monotonic() + seconds
    try:
        yield
    finally:
        _until.at = outer


def left() -> float | None:
    """Seconds that this thread's operation still has; ``None`` outside of ``within``."""
    at = getattr(_until, "at", None)
    return None if at is None else at - time.monotonic()

"""Questions for a newer bundle that are not answered yet: a front end asks once, and hears of a revocation at once.

A question waits while its asker has the newest bundle. It is asked again, like any other, when something was written
down, and for the last time when it has waited as long as it may. What may have changed is the handler's to find out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from sshjit.ca_protocol.operating import ReadBundle

T = TypeVar("T")
LONGEST = 30
"""Seconds that a question may wait, whatever it asks for."""
MOST = 64
"""Questions that wait; further ones are answered at once. A front end asks one."""
LOOK = 0.1
"""Seconds between two looks at whether something was written down: a bundle costs a signature and an entry."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """A question: who ``asker`` is says the server; ``size`` is how long the log was when it was asked."""

    asker: T
    message: ReadBundle
    until: float
    size: int


class BundleWaiters(Generic[T]):
    """The questions that wait, with whoever asked them. Times are by the monotonic clock."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting[T]] = []

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)

    def add(self, asker: T, message: ReadBundle, *, now: float, size: int) -> bool:
        """Keeps a question whose asker has the newest bundle; whether it may wait."""
        if message.wait <= 0 or len(self._waiting) >= MOST:
            return False
        self._waiting.append(_Waiting(asker, message, now + min(message.wait, LONGEST), size))
        return True

    def due(self, *, now: float, size: int) -> list[tuple[T, ReadBundle]]:
        """Those to ask again: the log has another ``size`` now, or their time is over. Each has left what is left."""
        due = [waiting for waiting in self._waiting if waiting.size != size or now >= waiting.until]
        self._waiting = [waiting for waiting in self._waiting if waiting.size == size and now < waiting.until]
        return [(waiting.asker, _rest(waiting, now)) for waiting in due]

    def take_all(self) -> list[tuple[T, ReadBundle]]:
        """All of them, to be answered at once."""
        waiting, self._waiting = self._waiting, []
        return [(each.asker, replace(each.message, wait=0)) for each in waiting]


def _rest(waiting: _Waiting[T], now: float) -> ReadBundle:
    return replace(waiting.message, wait=max(0, math.ceil(waiting.until - now)))

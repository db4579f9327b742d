"""Remembers answers for a moment, so that busy pages do not ask the same thing many times a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by key, each for ``lifetime`` seconds of ``clock`` at most; a clock that jumps back forgets them."""

    def __init__(self, clock: Callable[[], float], lifetime: float, *, most: int = 10_000) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._most = most
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value of ``key`` if it is recent enough."""
        found = self._values.get(key)
        if found is None or not 0 <= self._clock() - found[0] < self._lifetime:
            return None
        return found[1]

    def put(self, key: K, value: V) -> V:
        """Remembers ``value`` and returns it."""
        with self._lock:
            if len(self._values) >= self._most:
                self._values.clear()
            self._values[key] = (self._clock(), value)
        return value

    def drop(self, key: K) -> None:
        """Forgets ``key``."""
        with self._lock:
            self._values.pop(key, None)

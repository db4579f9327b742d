"""Random bytes in small portions, asked of the system by the page.

Every certificate takes two portions, and each question to the system lets another thread in, which costs more than the
bytes do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

PAGE = 4096


class Randomness:
    """Gives as many random bytes as asked, each of them once; ``source`` is the system's."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._page = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """``count`` random bytes, that nobody got before and nobody gets again."""
        with self._lock:
            end = self._at + count
            if end > len(self._page):
                self._page, self._at, end = self._source(max(PAGE, count)), 0, count
            found, self._at = self._page[self._at : end], end
            return found

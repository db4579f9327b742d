"""What hangs: whoever asked first has waited in vain, and nobody else waits until it answers again.

One thread answers everybody (``service/server.py``). A device or a database that lets it wait for the whole timeout at
every question would keep locks and revocations waiting as well. So the next caller is told at once that it hangs, and
it is tried again in a thread of its own. What is away and says so is asked every time: that costs nobody anything, and
it may be back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sshjit.errors import Failed, SshJitError

T = TypeVar("T")
_log = logging.getLogger(__name__)
SLOW = 1.0
"""Seconds after which something that failed is something that hangs."""
PAUSE = 1.0
MAX_PAUSE = 30.0
"""Seconds between two trials of what hangs: at first, and at most."""


class CircuitBreaker:
    """What hangs just now, by what it is called."""

    def __init__(self, *, most: float = MAX_PAUSE, still: str = ", and does not answer yet") -> None:
        """``most``: seconds between two trials at most. ``still`` ends the message to whoever is not let through."""
        self._most = most
        self._still = still
        self._why: dict[str, Failed] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def ask(self, device: str, what: Callable[[], T], again: Callable[[], None]) -> T:
        """What ``what`` returns, which asks a device; ``again`` tries whether a device that hung answers again.

        Raises:
            Failed: what ``what`` raises; at once, as long as the device hangs.

        """
        self.check(device)
        began = time.monotonic()
        try:
            return what()
        except Failed as error:
            if time.monotonic() - began >= SLOW:
                self.trip(device, error, again)
            raise

    def check(self, device: str) -> None:
        """Raises ``Failed`` as long as the device hangs."""
        if (why := self.why(device)) is not None:
            raise why

    def why(self, device: str) -> Failed | None:
        """What is wrong with a device that hangs."""
        why = self._why.get(device)
        return None if why is None else Failed(why.code, f"{why.message}{self._still}", hint=why.hint)

    def trip(self, device: str, why: Failed, again: Callable[[], None]) -> None:
        """From now on the device hangs, until ``again`` returns; it may raise anything."""
        with self._lock:
            if device in self._why or self._closed.is_set():
                return
            self._why[device] = Failed(why.code, why.message, hint=why.hint)
        _log.warning("%s; trying again until it answers", why.message)
        threading.Thread(target=self._try, args=(device, again), name="hanging", daemon=True).start()

    def close(self) -> None:
        """Tries nothing any more."""
        self._closed.set()

    def _try(self, device: str, again: Callable[[], None]) -> None:
        pause = PAUSE
        while not self._closed.wait(pause):
            try:
                again()
            except SshJitError:
                pause = min(2 * pause, self._most)
            except Exception:  # noqa: BLE001 - a library that breaks is a device that does not answer
                _log.exception("%s could not be tried", device)
                pause = self._most
            else:
                del self._why[device]
                _log.info("%s answers again", device)
                return

"""Devices that hang: whoever asked first has waited in vain, and nobody else waits until the device answers again.

Signatures are made by the one thread that answers everybody (``service/server.py``). A device that lets it wait for its
whole timeout at every signature would keep locks and revocations waiting as well, for as long as somebody asks for
access. So the next caller is told at once that the device hangs, and it is tried again in a thread of its own. A device
that is away and says so is asked every time: that costs nobody anything, and it may be back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sshjit.errors import Failed, SshJitError
from sshjit.sshkey import PublicKey
from sshjit_ca.keys.signer import Signer

T = TypeVar("T")
_log = logging.getLogger(__name__)
SLOW = 1.0
"""Seconds after which a device that failed is one that hangs."""
PAUSE = 1.0
MAX_PAUSE = 30.0
"""Seconds between two trials of a device that hangs: at first, and at most."""


class CircuitBreaker:
    """The devices that hang just now, by what they are called."""

    def __init__(self) -> None:
        self._why: dict[str, Failed] = {}
        self._lock = threading.Lock()

    def ask(self, device: str, what: Callable[[], T], again: Callable[[], None]) -> T:
        """What ``what`` returns, which asks a device; ``again`` tries whether a device that hung signs again.

        Raises:
            Failed: what ``what`` raises; ``not_signing`` at once, as long as the device hangs.

        """
        why = self._why.get(device)
        if why is not None:
            raise Failed(why.code, f"{why.message}, and does not answer yet", hint=why.hint)
        began = time.monotonic()
        try:
            return what()
        except Failed as error:
            if time.monotonic() - began >= SLOW:
                self._wait_for(device, error, again)
            raise

    def _wait_for(self, device: str, why: Failed, again: Callable[[], None]) -> None:
        with self._lock:
            if device in self._why:
                return
            self._why[device] = Failed(why.code, why.message, hint=why.hint)
        _log.warning("%s; trying again until it answers", why.message)
        threading.Thread(target=self._try, args=(device, again), name="hanging", daemon=True).start()

    def _try(self, device: str, again: Callable[[], None]) -> None:
        pause = PAUSE
        while True:
            time.sleep(pause)
            try:
                again()
            except SshJitError:
                pause = min(2 * pause, MAX_PAUSE)
            except Exception:  # noqa: BLE001 - a library that breaks is a device that does not answer
                _log.exception("%s could not be tried", device)
                pause = MAX_PAUSE
            else:
                del self._why[device]
                _log.info("%s answers again", device)
                return


@dataclass(frozen=True, slots=True)
class GuardedSigner:
    """A key on a device that may hang."""

    signer: Signer
    device: str
    hanging: CircuitBreaker
    again: Callable[[], None]

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.signer.public

    def sign(self, data: bytes) -> bytes:
        """As the key itself signs. Raises ``Failed``: what the key raises, and at once while its device hangs."""
        return self.hanging.ask(self.device, lambda: self.signer.sign(data), self.again)

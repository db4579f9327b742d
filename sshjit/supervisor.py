"""Tells systemd how far a program is (sd_notify(3)): a datagram to the socket that it named, if it named one.

The programs bring the socket: nothing here opens one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

VARIABLE = "NOTIFY_SOCKET"
"""The environment variable with the address."""


class Datagrams(Protocol):
    """What is used of a Unix datagram socket; it closes with its block."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def sendto(self, data: bytes, address: bytes, /) -> int:
        """Sends one datagram. Raises ``OSError``."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Whoever started us. ``address`` is its socket (``NOTIFY_SOCKET``); empty: nobody wants to know."""

    address: str
    connect: Callable[[], Datagrams]

    def ready(self, status: str) -> None:
        """Started, or done with reloading; ``status`` is shown by ``systemctl status``."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self, now: int) -> None:
        """The configuration is being read again, since ``now`` (nanoseconds of the monotonic clock)."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={now // 1000}")

    def stopping(self) -> None:
        """No new questions are taken."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self.address:
            return
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendto(text.encode("utf-8"), name.encode("utf-8", "surrogateescape"))

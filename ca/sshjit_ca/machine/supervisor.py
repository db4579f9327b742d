"""Tells systemd how far the CA is (sd_notify(3)): a datagram to the socket that it named, if it named one."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Whoever started us. ``address`` is its socket (``NOTIFY_SOCKET``); empty: nobody wants to know."""

    address: str

    def ready(self, status: str) -> None:
        """Started, or done with reloading; ``status`` is shown by ``systemctl status``."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The policy is being read again."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """No new questions are taken."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self.address:
            return
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(text.encode("utf-8"), os.fsencode(name))

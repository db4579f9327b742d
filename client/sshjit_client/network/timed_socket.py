"""One deadline over everything that is sent and received on a connection.

The standard library's timeout is for each read alone: who sends a byte of a header now and then holds the reader for
ever. Here every read waits for no longer than what is left. A TLS handshake is within one read's time as a whole.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class Deadline:
    """``patience`` seconds for each read, and ``total`` seconds, from now on, for all of them."""

    def __init__(self, patience: float, total: float) -> None:
        self.patience = patience
        self.total = total
        self._end = time.monotonic() + total

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Seconds that the next read may take.

        Raises:
            TimeoutError: when there are none.

        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self.patience)


class TimedSocket:
    """As much of a socket as ``http.client`` uses once it is connected."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        """Sends everything."""
        self._socket.settimeout(self._deadline.left())
        self._socket.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What is received, as a file."""
        return io.BufferedReader(_Reader(self._socket, self._deadline))

    def close(self) -> None:
        """Closes the socket once its files are closed."""
        self._socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

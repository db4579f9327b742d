"""HTTP connections with one deadline over everything that is sent and received on them.

The standard library's timeout is for each read alone: who sends a byte of a header now and then holds the reader for
ever. Here every read waits for no longer than what is left. A TLS handshake is within one read's time as a whole.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import urllib.request
from typing import Any


class Deadline:
    """``patience`` seconds for each read, and ``total`` seconds, from now on, for all of them."""

    def __init__(self, patience: float, total: float) -> None:
        self._patience = patience
        self._end = time.monotonic() + total

    def left(self) -> float:
        """Seconds that the next read may take. Raises ``TimeoutError`` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        return min(left, self._patience)


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


class _Socket:
    """As much of a socket as ``http.client`` uses once it is connected."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self._deadline.left())
        self._socket.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket, self._deadline))

    def close(self) -> None:
        self._socket.close()


class HttpHandler(urllib.request.HTTPHandler):
    """``http`` with a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a request."""
        deadline = self._deadline

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                self.sock: Any = _Socket(self.sock, deadline)

        return self.do_open(Connection, req)


class HttpsHandler(urllib.request.HTTPSHandler):
    """``https`` with a deadline; the server's certificate is checked against the system's authorities."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a request."""
        deadline = self._deadline

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                self.sock: Any = _Socket(self.sock, deadline)

        return self.do_open(Connection, req, context=ssl.create_default_context())

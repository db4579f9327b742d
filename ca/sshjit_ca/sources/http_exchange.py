"""One HTTP question to a place that the operator named: whole, in time, of bounded size, and to nobody else.

No redirect is followed and no proxy is used, so what is asked goes to that host alone. The time is that of everything
together: whoever answers byte by byte, headers included, is cut off, and no resolver is waited for longer. Over TLS the
system's certificate authorities count (``SSL_CERT_FILE`` names others).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sshjit_ca.machine import outgoing_tcp

DEADLINE = 5.0
"""Seconds until the whole answer must be there."""


class Unanswered(Exception):
    """Why there is no answer that can be used, as a clause: ``it takes longer than 5 seconds``."""


class Oversized(Unanswered):
    """There is an answer, of this ``status``, and it is too large."""

    def __init__(self, status: int, largest: int) -> None:
        super().__init__(f"its answer has more than {largest} bytes")
        self.status = status


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent where. ``socket``: to a Unix socket, not to the host of the URL. With a body it is a POST."""

    url: str
    socket: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the body of an answer."""

    status: int
    body: bytes


def exchange(question: Question, *, largest: int, deadline: float = DEADLINE) -> Answer:
    """Sends a question and waits for its answer, of which the body has at most ``largest`` bytes.

    Raises:
        Unanswered: there is none, or none that can be used; ``Oversized``: it is larger than that.

    """
    connection = _Connection(question, deadline)
    try:
        return _exchange(connection, question, largest)
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f"its TLS certificate is not trusted: {error.verify_message}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        if connection.late or isinstance(error, TimeoutError):
            raise Unanswered(_too_late(deadline)) from None
        raise Unanswered(_reason(error)) from None
    finally:
        connection.end()


def _exchange(connection: _Connection, question: Question, largest: int) -> Answer:
    parts = urlsplit(question.url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {"Accept-Encoding": "identity", "Connection": "close", **question.headers}
    connection.request("GET" if question.body is None else "POST", target, question.body, headers)
    response = connection.getresponse()
    body = response.read(largest + 1) if (response.length or 0) <= largest else bytes(largest + 1)
    if connection.late:  # what was cut off looks like what has ended
        raise Unanswered(_too_late(connection.deadline))
    if len(body) > largest:
        raise Oversized(response.status, largest)
    if response.length:
        raise Unanswered("its answer breaks off")
    return Answer(response.status, body)


class _Connection(http.client.HTTPConnection):
    """A connection that is cut when its time is over, whatever it waits for."""

    def __init__(self, question: Question, deadline: float) -> None:
        parts = urlsplit(question.url)
        self._unix = question.socket
        self._tls = parts.scheme == "https"
        super().__init__(parts.hostname or "", parts.port or (443 if self._tls else 80), timeout=deadline)
        self.deadline = deadline
        self.late = False
        self._ends = time.monotonic() + deadline
        self._cut: socket.socket | None = None
        self._timer = threading.Timer(deadline, self._end_late)
        self._timer.daemon = True
        self._timer.start()

    def connect(self) -> None:
        """Connects to the one place that was named."""
        if self._unix is not None:
            self._watch(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._unix))
            return
        self._watch(outgoing_tcp.connect(self.host, self.port, self._ends - time.monotonic()))
        self.sock.settimeout(self.deadline)
        if self._tls:
            context = ssl.create_default_context()
            tls = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self._watch(tls)
            tls.do_handshake()

    def end(self) -> None:
        """Nothing more is expected."""
        self._timer.cancel()
        self.close()

    def _watch(self, connected: socket.socket) -> None:
        self.sock = self._cut = connected
        if self.late:
            raise TimeoutError

    def _end_late(self) -> None:
        self.late = True
        if self._cut is not None:
            try:
                socket.socket.shutdown(self._cut, socket.SHUT_RDWR)  # of the connection: whoever reads it hears the end
            except OSError:
                return


def _too_late(deadline: float) -> str:
    return f"it takes longer than {deadline:g} seconds"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:200] or type(error).__name__

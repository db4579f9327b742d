"""Talks to the authority over its Unix socket.

This file decides how frames travel (``sshjit/messages.py`` describes them), how connections are kept, and when a
question may be asked again. What the answers mean is left to the views. A question that may have changed something
is never sent twice: if the connection breaks in the middle, the person is told to look before asking again.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import threading
from collections import deque
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sshjit import messages, wire
from sshjit.errors import FAMILIES, Failed, Invalid

R = TypeVar("R")

_READS = (
    messages.ReadLogin,
    messages.ReadRequest,
    messages.ReadRequests,
    messages.ReadHosts,
    messages.ReadLog,
    messages.ReadBundle,
    messages.ReadPolicy,
    messages.Health,
)
"""Questions that change nothing, so that they may be asked again on a new connection."""


class Authority(Protocol):
    """Whoever answers messages; the views know no more than this."""

    def call(self, message: messages.Message, reply: type[R]) -> R:
        """The answer to ``message``, of the class ``reply``; raises ``SshJitError``."""


class _Broken(Exception):
    """The connection ended or answered nonsense; it is thrown away."""


class CaClient:
    """A pool of connections to ``web.sock``, safe to share between threads.

    A thread has a connection to itself while it waits for an answer; at most ``keep`` idle ones are kept.
    ``connect_timeout`` and ``timeout`` are seconds.
    """

    def __init__(self, path: Path, *, connect_timeout: float = 1.0, timeout: float = 10.0, keep: int = 32) -> None:
        self._path = str(path)
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._keep = keep
        self._idle: deque[_Connection] = deque()
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def call(self, message: messages.Message, reply: type[R]) -> R:
        """Asks the authority.

        Raises:
            SshJitError: what the authority said, in its family.
            Failed: ``ca_down`` when it cannot be reached or does not answer in time, ``ca_protocol`` for nonsense.

        """
        connection = self._take()
        try:
            answer = connection.ask(message)
        except _Broken:
            connection.close()
            if not isinstance(message, _READS):
                raise _interrupted() from None
            return _open(self._again(message), reply)
        except TimeoutError:
            connection.close()
            raise Failed("ca_down", "the authority does not answer in time", hint="try again in a moment") from None
        except Invalid:
            self._give(connection)
            raise
        self._give(connection)
        return _open(answer, reply)

    def _again(self, message: messages.Message) -> Any:
        """One more try, on a connection that is certainly new."""
        connection = self._connect()
        try:
            answer = connection.ask(message)
        except (_Broken, TimeoutError):
            connection.close()
            raise _down() from None
        self._give(connection)
        return answer

    def close(self) -> None:
        """Closes the idle connections."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _take(self) -> _Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.alive():
                    return connection
                connection.close()
        return self._connect()

    def _give(self, connection: _Connection) -> None:
        with self._lock:
            if len(self._idle) < self._keep:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> _Connection:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.settimeout(self._connect_timeout)
        try:
            channel.connect(self._path)
        except OSError:
            channel.close()
            raise _down() from None
        channel.settimeout(self._timeout)
        return _Connection(channel)


class _Connection:
    """One socket; one question at a time."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._ids = count(1)

    def ask(self, message: messages.Message) -> Any:
        number = next(self._ids)
        frame = {
            "v": messages.PROTOCOL_VERSION,
            "id": number,
            "type": messages.type_name(type(message)),
            "body": wire.encode(message),
        }
        data = json.dumps(frame, separators=(",", ":")).encode()
        if len(data) > messages.MAX_FRAME:
            raise Invalid("too_large", f"the message has {len(data)} bytes, the limit is {messages.MAX_FRAME}")
        try:
            self._channel.sendall(struct.pack(">I", len(data)) + data)
            (size,) = struct.unpack(">I", self._exactly(4))
            if size > messages.MAX_REPLY:
                raise _Broken
            answer = wire.loads(self._exactly(size), limit=messages.MAX_REPLY)
        except TimeoutError:
            raise
        except (OSError, Invalid):
            raise _Broken from None
        if not isinstance(answer, dict) or answer.get("id") != number or answer.get("v") != messages.PROTOCOL_VERSION:
            raise _Broken
        return answer

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._channel.recv(min(size - len(parts), 1 << 16))
            if not part:
                raise _Broken
            parts += part
        return bytes(parts)

    def alive(self) -> bool:
        """Whether an idle connection is still good: nothing to read from it, not even its end."""
        readable, _, _ = select.select([self._channel], [], [], 0)
        return not readable

    def close(self) -> None:
        self._channel.close()


def _open(answer: Any, reply: type[R]) -> R:
    """The reply inside an answer's frame, or the error it carries, raised."""
    try:
        if answer.get("type") == "error":
            error = wire.decode(messages.ErrorReply, answer.get("body"))
            raise FAMILIES.get(error.family, Failed)(error.code, error.message, hint=error.hint)
        return wire.decode(reply, answer.get("body"))
    except Invalid as error:
        if error.code == "bad_message" and answer.get("type") == "ok":
            raise Failed("ca_protocol", f"the authority's answer is not understood: {error}") from None
        raise


def _down() -> Failed:
    return Failed(
        "ca_down",
        "the authority cannot be reached",
        hint="open sessions and certificates go on; nothing new is issued until it is back",
    )


def _interrupted() -> Failed:
    return Failed(
        "ca_down",
        "the connection to the authority broke before it answered",
        hint="look at your requests before you try again: it may have been done",
    )

"""One peer at a socket: its frames in, its answers out.

The peer is known by SO_PEERCRED and must be one of the socket's users. A peer that misbehaves (oversized, malformed or
unknown frames, half a frame for too long, answers that it does not read) loses its connection, and no other peer
notices. Its messages are answered elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import sockets
from sshjit_ca.authority import Answer
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.service import frames
from sshjit_ca.service.frames import Origin
from sshjit_ca.sockets import Socket

_log = logging.getLogger(__name__)
HALF_FRAME = 10.0
"""Seconds that a frame may take to arrive."""
MAX_WAITING = 128
"""Questions of one connection that may wait at once; then it is not read until some are answered."""
MAX_PEERS = 200
"""Connections at one socket, so that they leave room for the other socket, and files for the CA to open."""
MAX_UNREAD = 4 * m.MAX_REPLY


@dataclass(frozen=True, slots=True)
class Listening:
    """One socket: its file, and the Unix users who may connect."""

    socket: Socket
    path: Path
    users: frozenset[int]


class Dispatcher(Protocol):
    """What takes messages from connections: the server."""

    peers: dict[Socket, set[Connection]]
    throttle: LogThrottle

    def allows(self, message: type[m.Message], socket: Socket) -> bool:
        """Whether a message is taken at a socket."""

    def take(self, message: m.Message, connection: Connection, origin: Origin) -> None:
        """Takes a message that arrived; its answer goes out on the connection."""


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, dispatcher: Dispatcher, listening: Listening) -> None:
        self._dispatcher = dispatcher
        self._users = listening.users
        self.socket = listening.socket
        self._half = bytearray()
        """The beginning of a frame."""
        self._open = 0
        self._eof = False
        self._timeout: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.ended: Callable[[Connection], None] = lambda _: None
        """Called once the connection is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection if its user may connect."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_unix_server makes
        self._transport = transport
        user = sockets.peer(transport.get_extra_info("socket"))
        if user not in self._users:
            self._disconnect(
                Refused(
                    "wrong_user",
                    f"Unix user {user} is not allowed on this socket",
                    hint=f"{self.socket}_users in ca.toml names those who are",
                )
            )
        elif len(self._dispatcher.peers[self.socket]) >= MAX_PEERS:
            self._disconnect(Failed("too_many", f"{MAX_PEERS} peers are connected to this socket already"))
        else:
            self._dispatcher.peers[self.socket].add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drops the half frame. What was asked is still answered; nobody reads it."""
        del exc
        self._dispatcher.peers[self.socket].discard(self)
        self._cancel_timeout()
        self.ended(self)

    def close(self) -> None:
        """Ends it once the peer read what was sent."""
        self._transport.close()

    def eof_received(self) -> bool:
        """The peer sends no more; the connection ends once all questions are answered."""
        self._eof = True
        return self._open > 0

    def data_received(self, data: bytes) -> None:
        """Takes every whole frame."""
        received: bytes | bytearray = data
        if self._half:
            self._half += data
            received = self._half
        try:
            taken = self._take_frames(received)
        except SshJitError as error:
            self._disconnect(error)
            return
        if taken:
            self._cancel_timeout()  # a new frame has the whole time
        if received is self._half:
            del self._half[:taken]
        elif taken < len(data):
            self._half += data[taken:]
        if self._half and self._timeout is None:
            late = Invalid("too_slow", f"a frame took longer than {HALF_FRAME:.0f} s")
            self._timeout = asyncio.get_running_loop().call_later(HALF_FRAME, self._disconnect, late)

    def reply(self, answers: Iterable[tuple[Origin, Answer]]) -> None:
        """Sends answers to questions that were taken, by where they came from."""
        sent = [frames.write(origin, answer) for origin, answer in answers]
        self._open -= len(sent)
        if self._open < MAX_WAITING:
            self._transport.resume_reading()
        self._send(b"".join(sent))
        if self._eof and not self._open:
            self._transport.close()

    def _take_frames(self, received: bytes | bytearray) -> int:
        """Takes the whole frames of what was received; returns how many bytes those were."""
        at, end = 0, len(received)
        while (begin := at + frames.HEADER) <= end and not self._transport.is_closing():
            begun = begin + frames.length_of(received[at:begin])
            if begun > end:
                break
            self._take(bytes(received[begin:begun]))
            at = begun
        return at

    def _take(self, frame: bytes) -> None:
        origin, message = frames.read(frame, self._allows)
        if isinstance(message, Invalid):
            self._send(frames.write(origin, message))
            return
        self._open += 1
        if self._open >= MAX_WAITING:
            self._transport.pause_reading()
        self._dispatcher.take(message, self, origin)

    def _allows(self, message: type[m.Message]) -> bool:
        return self._dispatcher.allows(message, self.socket)

    def _send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            if self._dispatcher.throttle.allows(f"{self.socket} deaf"):
                _log.warning("a peer at the %s socket does not read its answers", self.socket)
            self._transport.abort()
            return
        self._transport.write(data)

    def _disconnect(self, error: SshJitError) -> None:
        if self._dispatcher.throttle.allows(f"{self.socket} {error.code}"):
            _log.warning("a peer at the %s socket was disconnected: %s (%s)", self.socket, error.message, error.code)
        self._half.clear()
        self._cancel_timeout()
        self._send(frames.write(frames.NOWHERE, error))
        self._transport.close()

    def _cancel_timeout(self) -> None:
        """A half frame is waited for no longer."""
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

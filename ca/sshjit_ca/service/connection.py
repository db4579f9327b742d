"""One peer at a socket: its frames in, its answers out.

The peer is known by SO_PEERCRED and must be one of the socket's users. Frames are only cut out of the stream here: they
are decoded when it is their asker's turn (``server.py``). What waits is limited for each connection and for each Unix
user; beyond that a connection is not read until some of it was answered. Answers that are not read are limited in the
same two ways. A peer that misbehaves (oversized, malformed or unknown frames, half a frame for too long, answers that
it does not read) loses its connection, and no other peer notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import sockets
from sshjit_ca.authority import Answer
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.public_errors import public_error
from sshjit_ca.service import frames
from sshjit_ca.service.frames import Origin
from sshjit_ca.sockets import Socket

_log = logging.getLogger(__name__)
HALF_FRAME = 10.0
"""Seconds that a frame may take to arrive."""
UNREAD = 20.0
"""Seconds that a peer may leave its answers unread once there is no more room for them."""
MAX_PEERS = 100
"""Connections of one Unix user at one socket: a front end has 24 threads and so many connections, unless it is told."""
MAX_WAITING = 128
"""Questions of one connection that may wait at once."""
MAX_BYTES = 2 * m.MAX_FRAME
"""Bytes of one connection's questions that may wait at once."""
MAX_USER_BYTES = 8 * 1024 * 1024
"""The same for all connections of one Unix user. How many users there are says ca.toml."""
OVERHEAD = 1024
"""Bytes that a waiting frame costs at least beside its own."""
BUFFER = 64 * 1024
"""Bytes that are read of one connection before it is another's turn."""
MAX_UNREAD = 2 * m.MAX_REPLY
"""Bytes of answers that one connection may leave unread."""
MAX_USER_UNREAD = 4 * m.MAX_REPLY
"""The same for all connections of one Unix user at one socket."""


@dataclass(frozen=True, slots=True)
class Listening:
    """One socket: its file, and the Unix users who may connect."""

    socket: Socket
    path: Path
    users: frozenset[int]


@dataclass(slots=True)
class Account:
    """One Unix user at one socket, over all connections."""

    socket: Socket
    user: int
    waiting: int = 0
    """Bytes of frames that wait for their turn."""
    preparing: int = 0
    """Messages that are prepared now, or wait for it."""
    connections: set[Connection] = field(default_factory=set)
    stalled: dict[Connection, None] = field(default_factory=dict)
    """Those that are not read because too much of the user's waits; who has waited longest is read first."""

    def go_on(self) -> None:
        """Reads the connections again that had to wait, as long as there is room."""
        while self.stalled and self.waiting < MAX_USER_BYTES:
            connection = next(iter(self.stalled))
            del self.stalled[connection]
            connection.go_on()

    def limit_unread(self) -> None:
        """Disconnects whoever leaves most answers unread, until no more than ``MAX_USER_UNREAD`` bytes are."""
        unread = {connection: connection.unread for connection in self.connections}
        while sum(unread.values()) > MAX_USER_UNREAD:
            most = max(unread, key=lambda connection: unread[connection])
            del unread[most]
            most.disconnect_deaf()


class Dispatcher(Protocol):
    """What takes frames from connections: the server."""

    throttle: LogThrottle
    buffer: memoryview
    """Where every connection reads to, one after the other."""

    def account(self, socket: Socket, user: int) -> Account:
        """What is known of a Unix user at a socket."""

    def take(self, frame: bytes, connection: Connection) -> None:
        """Takes a frame that arrived; its answer goes out on the connection."""


class Connection(asyncio.BufferedProtocol):
    """One peer."""

    account: Account

    def __init__(self, dispatcher: Dispatcher, listening: Listening) -> None:
        self._dispatcher = dispatcher
        self._users = listening.users
        self.socket = listening.socket
        self._received = bytearray()
        """What was not taken yet: the beginning of a frame, and whole ones that must wait."""
        self._open = 0
        """Questions without an answer."""
        self._bytes = 0
        """Of those of them whose turn has not come."""
        self._full = False
        """No more frames are taken for now."""
        self._eof = False
        self._deaf: asyncio.TimerHandle | None = None
        """Runs while there is no more room for answers."""
        self._late: asyncio.TimerHandle | None = None
        """Runs while a frame arrives."""
        self._transport: asyncio.Transport
        self.ended: Callable[[Connection], None] = lambda _: None
        """Called once the connection is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection if its user may connect."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_unix_server makes
        self._transport = transport
        user = sockets.peer(transport.get_extra_info("socket"))
        self.account = Account(self.socket, user)
        if user not in self._users:
            self.disconnect(
                Refused(
                    "wrong_user",
                    f"Unix user {user} is not allowed on this socket",
                    hint=f"{self.socket}_users in ca.toml names those who are",
                )
            )
            return
        account = self._dispatcher.account(self.socket, user)
        if len(account.connections) >= MAX_PEERS:
            self.disconnect(Failed("too_many", f"Unix user {user} has {MAX_PEERS} connections to this socket already"))
        else:
            self.account = account
            account.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drops the half frame. What was asked is still answered; nobody reads it."""
        del exc
        self.account.connections.discard(self)
        self._received.clear()
        self._cancel_late()
        self._cancel_deaf()
        self.ended(self)

    def close(self) -> None:
        """Ends it once the peer read what was sent, for which it has some seconds."""
        self._cancel_late()
        if not self._transport.is_closing():
            self._transport.close()
            self._start_deaf()

    def eof_received(self) -> bool:
        """The peer sends no more; the connection ends once all questions are answered. Half a frame is dropped."""
        self._eof = True
        self._received.clear()
        self._cancel_late()
        return self._open > 0

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to. One place for all: a new one for each read would leave the memory in pieces."""
        del sizehint
        return self._dispatcher.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Takes every whole frame, as far as there is room."""
        self._received += self._dispatcher.buffer[:nbytes]
        self.go_on()

    def pause_writing(self) -> None:
        """The peer does not read its answers: nothing is read of it until it does, and that within some seconds."""
        self._start_deaf()

    def resume_writing(self) -> None:
        """The peer reads again. Who was disconnected has to read the rest, too."""
        if not self._transport.is_closing():
            self._cancel_deaf()
            self.go_on()

    def go_on(self) -> None:
        """Takes the frames that were received, as many as may wait, and reads on if there may be more."""
        try:
            taken = self._take_frames()
        except SshJitError as error:
            self.disconnect(error)
            return
        del self._received[:taken]
        if self._full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        if taken or self._full:
            self._cancel_late()  # a new frame has the whole time
        if self._received and not self._full and self._late is None:
            late = Invalid("too_slow", f"a frame took longer than {HALF_FRAME:.0f} s")
            self._late = asyncio.get_running_loop().call_later(HALF_FRAME, self.disconnect, late)

    @property
    def unread(self) -> int:
        """Bytes of answers that wait here until the peer reads; what the kernel took of them does not count."""
        return self._transport.get_write_buffer_size()

    def begun(self, frame: bytes) -> None:
        """The turn of a frame has come."""
        self._bytes -= len(frame) + OVERHEAD
        self.account.waiting -= len(frame) + OVERHEAD

    def reply(self, answers: Iterable[tuple[Origin, Answer]]) -> None:
        """Sends answers to questions that were taken, by where they came from."""
        sent = [frames.write(origin, self._for_peer(answer)) for origin, answer in answers]
        self._open -= len(sent)
        self._send(b"".join(sent))
        self.go_on()
        if self._eof and not self._open:
            self.close()

    def disconnect(self, error: SshJitError) -> None:
        """Says why, and ends the connection."""
        if self._dispatcher.throttle.allows(f"{self.socket} {error.code}"):
            _log.warning("a peer at the %s socket was disconnected: %s (%s)", self.socket, error.message, error.code)
        self._received.clear()
        self._send(frames.write(frames.NOWHERE, error))
        self.close()

    def disconnect_deaf(self) -> None:
        """Ends it at once, with what the peer did not read."""
        if self._dispatcher.throttle.allows(f"{self.socket} deaf"):
            _log.warning("a peer at the %s socket does not read its answers", self.socket)
        self._transport.abort()

    def _for_peer(self, answer: Answer) -> Answer:
        """The answer as this socket carries it: the operator hears everything, people what is for them."""
        if not isinstance(answer, SshJitError) or self.socket == "admin":
            return answer
        if isinstance(answer, Failed) and self._dispatcher.throttle.allows(f"{self.socket} failed {answer.code}"):
            hint = f" ({answer.hint})" if answer.hint else ""
            _log.warning("a question could not be answered: %s: %s%s", answer.code, answer.message, hint)
        return public_error(answer)

    def _take_frames(self) -> int:
        """Takes the whole frames of what was received; returns how many bytes those were."""
        at, end = 0, len(self._received)
        while not self._is_full() and (begin := at + frames.HEADER) <= end:
            begun = begin + frames.length_of(self._received[at:begin])
            if begun > end:
                break
            self._take(bytes(self._received[begin:begun]))
            at = begun
        return at

    def _take(self, frame: bytes) -> None:
        self._open += 1
        self._bytes += len(frame) + OVERHEAD
        self.account.waiting += len(frame) + OVERHEAD
        self._dispatcher.take(frame, self)

    def _is_full(self) -> bool:
        """Whether no more questions of this peer, or of its Unix user, may wait. One of each peer always may."""
        crowded = self._open > 0 and self.account.waiting >= MAX_USER_BYTES
        if crowded:
            self.account.stalled[self] = None
        self._full = crowded or self._open >= MAX_WAITING or self._bytes >= MAX_BYTES or self._deaf is not None
        return self._full

    def _send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self.unread > MAX_UNREAD:
            self.disconnect_deaf()
            return
        self._transport.write(data)
        if self.unread:  # most peers read at once, and then nothing is to be added up
            self.account.limit_unread()

    def _start_deaf(self) -> None:
        if self._deaf is None:
            self._deaf = asyncio.get_running_loop().call_later(UNREAD, self.disconnect_deaf)

    def _cancel_deaf(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None

    def _cancel_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

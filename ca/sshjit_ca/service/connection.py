"""One peer at a door: its frames in, its answers out.

The peer is known by SO_PEERCRED and must be one of the door's users. One that misbehaves (oversized, malformed or
unknown frames, half a frame for too long, answers that it does not read) loses its connection, and no other peer
notices. What its messages come to is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import sockets
from sshjit_ca.authority import Answer
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.service import frames
from sshjit_ca.sockets import Socket

_log = logging.getLogger(__name__)
HALF_FRAME = 10.0
"""Seconds that a frame may take to arrive."""
MAX_WAITING = 128
"""Questions of one connection that may wait at once; then it is not read until some are answered."""
MAX_PEERS = 200
"""Connections at one door; so one door's peers cannot take the other's, nor all the files that we may open."""
MAX_UNREAD = 4 * m.MAX_REPLY


@dataclass(frozen=True, slots=True)
class Listening:
    """One door: its socket, and the Unix users that may come in."""

    door: Socket
    path: Path
    users: frozenset[int]


class House(Protocol):
    """Whoever keeps the doors."""

    peers: dict[Socket, set[Connection]]
    complaints: LogThrottle

    def allows(self, message: type[m.Message], door: Socket) -> bool:
        """Whether a message is taken at a door."""

    def take(self, message: m.Message, connection: Connection, number: int) -> None:
        """A message arrived; its answer goes out on the connection."""


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, house: House, listening: Listening) -> None:
        self._house = house
        self._users = listening.users
        self.door = listening.door
        self._half = bytearray()
        """The beginning of a frame."""
        self._open = 0
        self._said_all = False
        self._patience: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets in who may come in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_unix_server makes
        self._transport = transport
        user = sockets.peer(transport.get_extra_info("socket"))
        if user not in self._users:
            self._turn_out(Refused("wrong_user", f"Unix user {user} may not speak here"))
        elif len(self._house.peers[self.door]) >= MAX_PEERS:
            self._turn_out(Failed("too_many", f"{MAX_PEERS} peers are connected to this door already"))
        else:
            self._house.peers[self.door].add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what was half said; what was asked is still answered, to nobody."""
        del exc
        self._house.peers[self.door].discard(self)
        self._calm()

    def eof_received(self) -> bool:
        """The peer has said everything; the connection ends once all of it is answered."""
        self._said_all = True
        return self._open > 0

    def data_received(self, data: bytes) -> None:
        """Takes every whole frame."""
        heard: bytes | bytearray = data
        if self._half:
            self._half += data
            heard = self._half
        try:
            taken = self._take_all(heard)
        except SshJitError as error:
            self._turn_out(error)
            return
        if taken:
            self._calm()  # a new frame has the whole patience
        if heard is self._half:
            del self._half[:taken]
        elif taken < len(data):
            self._half += data[taken:]
        if self._half and self._patience is None:
            late = Invalid("too_slow", f"a frame took longer than {HALF_FRAME:.0f} s")
            self._patience = asyncio.get_running_loop().call_later(HALF_FRAME, self._turn_out, late)

    def reply(self, answers: Iterable[tuple[int, Answer]]) -> None:
        """Sends answers to questions that were taken, by their numbers."""
        sent = [frames.write(number, answer) for number, answer in answers]
        self._open -= len(sent)
        if self._open < MAX_WAITING:
            self._transport.resume_reading()
        self._send(b"".join(sent))
        if self._said_all and not self._open:
            self._transport.close()

    def _take_all(self, heard: bytes | bytearray) -> int:
        """Takes the whole frames of what was heard; how many bytes those were."""
        at, end = 0, len(heard)
        while (begin := at + frames.HEADER) <= end and not self._transport.is_closing():
            begun = begin + frames.length_of(heard[at:begin])
            if begun > end:
                break
            self._take(bytes(heard[begin:begun]))
            at = begun
        return at

    def _take(self, frame: bytes) -> None:
        number, message = frames.read(frame, self._allows)
        if isinstance(message, Invalid):
            self._send(frames.write(number, message))
            return
        self._open += 1
        if self._open >= MAX_WAITING:
            self._transport.pause_reading()
        self._house.take(message, self, number)

    def _allows(self, message: type[m.Message]) -> bool:
        return self._house.allows(message, self.door)

    def _send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            if self._house.complaints.due(f"{self.door} deaf"):
                _log.warning("a peer at the %s door does not read its answers", self.door)
            self._transport.abort()
            return
        self._transport.write(data)

    def _turn_out(self, error: SshJitError) -> None:
        if self._house.complaints.due(f"{self.door} {error.code}"):
            _log.warning("a peer at the %s door was turned out: %s (%s)", self.door, error.message, error.code)
        self._half.clear()
        self._calm()
        self._send(frames.write(0, error))
        self._transport.close()

    def _calm(self) -> None:
        """Ends the patience with half a frame."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

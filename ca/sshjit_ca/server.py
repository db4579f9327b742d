"""The sockets: frames in, frames out. What is said in them is decided elsewhere.

Each connection's peer is known by SO_PEERCRED and must be one of the door's users. A peer that misbehaves (oversized,
malformed or unknown frames, half a frame for too long, answers that it does not read) loses its connection and no other
peer notices. Whatever waits is answered as one batch in a thread of its own, so the loop always listens.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sshjit import messages as m
from sshjit import wire
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import sockets
from sshjit_ca.authority import Answer, Authority, Question
from sshjit_ca.desk import Door
from sshjit_ca.doors import Route
from sshjit_ca.pipeline import Pipeline

_log = logging.getLogger(__name__)
HALF_FRAME = 10.0
"""Seconds that a frame may take to arrive."""
MAX_WAITING = 128
"""Questions of one connection that may wait at once; then it is not read until some are answered."""
MAX_PEERS = 200
"""Connections at one door; so one door's peers cannot take the other's, nor all the files that we may open."""
MAX_UNREAD = 4 * m.MAX_REPLY
MAX_BATCH = 512
_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Listening:
    """One door: its socket, and the Unix users that may come in."""

    door: Door
    path: Path
    users: frozenset[int]


_Waiting = tuple[Question, "Connection", int]
"""A question, who asked it, and under which number."""


class Server:
    """Serves both doors until it is stopped."""

    def __init__(
        self,
        authority: Authority,
        routes: dict[type[m.Message], Route],
        prepare: Callable[[Route, m.Message], object],
    ) -> None:
        """``prepare`` does what a route's preparation needs, in a thread; it may raise ``SshJitError``."""
        self._pipeline = Pipeline(authority)
        self._routes = routes
        self._prepare = prepare
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._writer = ThreadPoolExecutor(1, "authority")
        self._preparers = ThreadPoolExecutor(8, "prepare")
        self._tasks: set[asyncio.Task[None]] = set()
        self.complaints = sockets.Complaints(time.monotonic)
        self.peers: dict[Door, set[Connection]] = {"web": set(), "admin": set()}

    async def run(self, doors: list[Listening], stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Listens at all doors until ``stop`` is set; calls ``ready`` once it does."""
        loop = asyncio.get_running_loop()
        bound = [sockets.listen(door.path) for door in doors]
        servers = [
            await loop.create_unix_server(functools.partial(Connection, self, door), sock=listening.socket)
            for door, listening in zip(doors, bound, strict=True)
        ]
        batches = asyncio.create_task(self._batches())
        ready()
        await asyncio.wait([batches, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.close()
        if batches.done():
            batches.result()
        batches.cancel()
        self._writer.shutdown()
        self._pipeline.close()
        self._preparers.shutdown(wait=False, cancel_futures=True)
        for door, listening in zip(doors, bound, strict=True):
            sockets.unlink(door.path, listening)

    async def in_turn(self, action: Callable[[], None]) -> None:
        """Runs ``action`` between two batches."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._pipeline.between, action)

    def take(self, message: m.Message, connection: Connection, number: int) -> None:
        """A message arrived; its answer will go out on the connection."""
        route = self._routes[type(message)]
        if route.prepare is None:
            self._waiting.put_nowait((Question(message, connection.door), connection, number))
            return
        self._keep(asyncio.create_task(self._prepared(route, message, connection, number)))

    def allows(self, message: type[m.Message], door: Door) -> bool:
        """Whether a message is taken at a door."""
        route = self._routes.get(message)
        return route is not None and door in route.doors

    async def _prepared(self, route: Route, message: m.Message, connection: Connection, number: int) -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._preparers, self._prepare, route, message)
        except SshJitError as error:
            _log.warning("%s was refused: %s (%s)", m.type_name(type(message)), error.message, error.code)
            connection.reply(number, error)
        except Exception:  # noqa: BLE001 - the peer gets an answer whatever happened
            _log.exception("a message could not be prepared")
            connection.reply(number, Failed("defect", "the CA met a defect of its own; nothing was signed"))
        else:
            self._waiting.put_nowait((Question(message, connection.door, found), connection, number))

    async def _batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            questions = [question for question, _, _ in batch]
            pending = await loop.run_in_executor(self._writer, self._pipeline.take, questions)
            self._keep(asyncio.create_task(self._answer(batch, asyncio.wrap_future(pending))))

    async def _answer(self, batch: list[_Waiting], pending: asyncio.Future[list[Answer]]) -> None:
        """Lets the answers to a batch out once it is durable."""
        try:
            answers = await pending
        except Exception as error:  # noqa: BLE001 - a batch that is lost has answers too
            questions = [question for question, _, _ in batch]
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._writer, self._pipeline.mend, questions, error)
        for (_, connection, number), answer in zip(batch, answers, strict=True):
            connection.reply(number, answer)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: Server, listening: Listening) -> None:
        self._server = server
        self._users = listening.users
        self.door = listening.door
        self._buffer = bytearray()
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
        elif len(self._server.peers[self.door]) >= MAX_PEERS:
            self._turn_out(Failed("too_many", f"{MAX_PEERS} peers are connected to this door already"))
        else:
            self._server.peers[self.door].add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what was half said; what was asked is still answered, to nobody."""
        del exc
        self._server.peers[self.door].discard(self)
        self._wait_for_more(half=False)

    def eof_received(self) -> bool:
        """The peer has said everything; the connection ends once all of it is answered."""
        self._said_all = True
        return self._open > 0

    def data_received(self, data: bytes) -> None:
        """Takes every whole frame."""
        self._buffer += data
        try:
            while (frame := self._next_frame()) is not None:
                self._take(frame)
                self._wait_for_more(half=False)
        except SshJitError as error:
            self._turn_out(error)
            return
        self._wait_for_more(half=bool(self._buffer))

    def reply(self, number: int, answer: Answer) -> None:
        """Sends one answer."""
        self._open -= 1
        if self._open < MAX_WAITING:
            self._transport.resume_reading()
        self._send(number, answer)
        if self._said_all and not self._open:
            self._transport.close()

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < 4 or self._transport.is_closing():
            return None
        length = int.from_bytes(self._buffer[:4], "big")
        if length > m.MAX_FRAME:
            raise Invalid("too_large", f"a frame has {length} bytes, the limit is {m.MAX_FRAME}")
        if len(self._buffer) < 4 + length:
            return None
        frame = bytes(self._buffer[4 : 4 + length])
        del self._buffer[: 4 + length]
        return frame

    def _take(self, frame: bytes) -> None:
        number, message = _read(frame, self._server, self.door)
        if isinstance(message, Invalid):
            self._send(number, message)
            return
        self._open += 1
        if self._open >= MAX_WAITING:
            self._transport.pause_reading()
        self._server.take(message, self, number)

    def _send(self, number: int, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            _log.warning("a peer at the %s door does not read its answers", self.door)
            self._transport.abort()
            return
        self._transport.write(_frame(number, answer))

    def _turn_out(self, error: SshJitError) -> None:
        if self._server.complaints.due(f"{self.door} {error.code}"):
            _log.warning("a peer at the %s door was turned out: %s (%s)", self.door, error.message, error.code)
        self._buffer.clear()
        self._wait_for_more(half=False)
        self._send(0, error)
        self._transport.close()

    def _wait_for_more(self, *, half: bool) -> None:
        """Starts or stops the patience with half a frame."""
        if half and self._patience is None:
            late = Invalid("too_slow", f"a frame took longer than {HALF_FRAME:.0f} s")
            self._patience = asyncio.get_running_loop().call_later(HALF_FRAME, self._turn_out, late)
        elif not half and self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _read(frame: bytes, server: Server, door: Door) -> tuple[int, m.Message | Invalid]:
    """Number and message of a frame; a body that does not fit is answered, anything else ends the connection."""
    value = wire.loads(frame, limit=m.MAX_FRAME)
    if not isinstance(value, dict) or value.keys() != {"v", "id", "type", "body"}:
        raise Invalid("bad_frame", "a frame has the fields v, id, type and body")
    number, kind = value["id"], value["type"]
    if (type(value["v"]), type(number), type(kind)) != (int, int, str):
        raise Invalid("bad_frame", "a frame's v and id are whole numbers, its type is text")
    if value["v"] != m.PROTOCOL_VERSION or not 0 < number < 2**53:
        raise Invalid("bad_frame", f"this door speaks version {m.PROTOCOL_VERSION}, with ids from 1 on")
    cls = m.MESSAGES.get(kind)
    if cls is None or not server.allows(cls, door):
        raise Invalid("unknown_message", f"the message {kind[:40]!r} is not taken at the {door} door")
    try:
        return number, wire.decode(cls, value["body"])
    except Invalid as error:
        return number, error


def _frame(number: int, answer: Answer) -> bytes:
    body: m.Reply | m.ErrorReply
    if isinstance(answer, SshJitError):
        kind, body = "error", m.ErrorReply(answer.family, answer.code, answer.message, answer.hint)
    else:
        kind, body = "ok", answer
    text = _dumps({"v": m.PROTOCOL_VERSION, "id": number, "type": kind, "body": wire.encode(body)}).encode("utf-8")
    return len(text).to_bytes(4, "big") + text

"""Serves the sockets: turn by turn, what waits is decoded, decided as one batch, and answered.

One thread does everything: it reads whatever has arrived at any socket, has the authority answer as much of it as fits
into a turn, and sends the answers, those to one peer in one piece. While a batch is signed and made durable the next
one gathers. ``fair_queue.py`` says whose question is next. A frame is decoded when its turn has come, and that time
counts as its asker's; a turn is short, so that the operator waits for one turn of others, whatever these send. Only
what must wait for somebody else (``Route.prepare``) is done by other threads, and no more of it is taken than these
will do soon. A front end's question for a newer bundle waits until there is one (``bundle_waiters.py``).
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.api.bundle import BundleReply
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_ca.authority import Answer, Authority
from sshjit_ca.counters import MICROSECONDS
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.question import Question
from sshjit_ca.routes import ROUTES, Pool, Route
from sshjit_ca.service import bundle_waiters, frames
from sshjit_ca.service.bundle_waiters import BundleWaiters
from sshjit_ca.service.connection import BUFFER, Account, Connection, Listening
from sshjit_ca.service.fair_queue import FairQueue
from sshjit_ca.service.frames import Origin
from sshjit_ca.service.listeners import Listeners
from sshjit_ca.sockets import Socket

__all__ = ["Listening", "Server"]

_log = logging.getLogger(__name__)
MAX_BATCH = 512
PREPARERS = 8
"""Messages of one socket that are prepared at a time."""
MAX_PREPARING = 128
"""Messages of one Unix user that are prepared, or wait for it; further ones are refused."""
FINISH = 5.0
"""Seconds in which a CA that stops answers what had arrived."""
QUIET = 0.02
"""Seconds without anything to answer, after which nothing more is on its way."""
TURN = 0.02
"""Seconds after which no further question is taken into a batch."""

_Item = tuple[Connection, "bytes | tuple[Question, Origin]"]
"""A frame as it came, or a question that was prepared."""


class _Late(bytes):
    """A frame that came when the CA was stopping already."""

    __slots__ = ()


class Server:
    """Serves both sockets until it is stopped."""

    def __init__(
        self,
        authority: Authority,
        prepare: Callable[[Route, object], object],
        problems: dict[Socket, str] | None = None,
        need: Callable[[Route, m.Message], object | None] = lambda _, message: message,
    ) -> None:
        """``prepare`` does what a route's preparation needs, in a thread; it may raise ``SshJitError``.

        ``need`` says, in the one thread, what there is to do for a message; it may raise ``SshJitError`` too.
        ``problems`` gets what is wrong with a socket's file.
        """
        self._problems = {} if problems is None else problems
        self._stopping = False
        self._authority = authority
        self._prepare, self._need = prepare, need
        self._counters = authority.counters
        self._waiting = FairQueue[_Item]()
        self._accounts: dict[tuple[Socket, int], Account] = {}
        self._arrived = 0
        """Frames that were taken."""
        self._due = False
        """The next turn is called for."""
        self._stop: asyncio.Event
        self._broken: Exception | None = None
        self._preparers = {pool: ThreadPoolExecutor(PREPARERS, f"prepare-{pool}") for pool in get_args(Pool)}
        """One pool for each socket, so that no sign-in which waits for a provider keeps the operator waiting."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._bundle_waiters = BundleWaiters[tuple[Connection, Origin]]()
        self.throttle = LogThrottle(time.monotonic)
        self.buffer = memoryview(bytearray(BUFFER))

    async def run(self, listening: list[Listening], stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Listens at all sockets until ``stop`` is set; calls ``ready`` once it does.

        Then it answers what had arrived, and refuses what comes now, so that nobody waits for an answer in vain.
        """
        self._stop = stop
        listeners = Listeners(listening, functools.partial(Connection, self), self._problems)
        await listeners.open()
        watching = asyncio.create_task(listeners.watch())
        ready()
        await stop.wait()
        watching.cancel()
        await listeners.close()
        self._stopping = True
        await self._finish()
        await listeners.leave()
        if self._broken is not None:
            raise self._broken

    async def _finish(self) -> None:
        """Answers what waits and what is prepared; what is not done after ``FINISH`` seconds is refused."""
        until, before = time.monotonic() + FINISH, -1
        self._ask_again(self._bundle_waiters.take_all())
        while self._broken is None and time.monotonic() < until:
            if before == self._arrived and not self._waiting and not self._tasks:
                break
            before = self._arrived
            await asyncio.sleep(QUIET)
        for preparers in self._preparers.values():
            preparers.shutdown(wait=False)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """Answers what still waits with the error of a CA that stops; what each connection had sent besides, too."""
        while (turn := self._waiting.take()) is not None:
            connection, content = turn.question
            self._waiting.spend(turn, 0.0)
            if isinstance(content, bytes):
                connection.begun(content)
                _read(_Late(content), connection)
            else:
                connection.reply([(content[1], _stopping())])

    def account(self, socket: Socket, user: int) -> Account:
        """What is known of a Unix user at a socket."""
        return self._accounts.setdefault((socket, user), Account(socket, user))

    def take(self, frame: bytes, connection: Connection) -> None:
        """A frame arrived; its answer will go out on the connection."""
        self._arrived += 1
        self._wait(frames.asker(frame), (connection, _Late(frame) if self._stopping else frame))

    def _wait(self, person: str, item: _Item) -> None:
        """One more for a turn to come, which begins once everything that has arrived was read."""
        account = item[0].account
        self._waiting.put(account.socket, account.user, person, item)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Answers the next batch."""
        self._due, began = False, time.monotonic()
        asked: list[tuple[Connection, Origin, m.Message]] = []
        self._counters.queue = len(self._waiting)
        questions = self._questions(began + TURN, asked)
        replies: dict[Connection, list[tuple[Origin, Answer]]] = {}
        size = self._authority.durable
        try:
            first = next(questions, None)
            answers = [] if first is None else self._authority.answer(itertools.chain((first,), questions))
            for (connection, origin, message), answer in zip(asked, answers, strict=True):
                if not self._waits((connection, origin), message, answer, size):
                    replies.setdefault(connection, []).append((origin, answer))
        except Exception as error:  # noqa: BLE001 - nothing is sure any more: ``run`` raises it
            self._broken = error
            self._stop.set()
            return
        if asked:
            self._counters.answered(answers, time.monotonic() - began)
        if self._waiting and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)
        for connection, ready in replies.items():
            connection.reply(ready)
        for account in self._accounts.values():
            account.go_on()

    def _waits(self, asker: tuple[Connection, Origin], message: m.Message, answer: Answer, size: int) -> bool:
        """Whether a question for a newer bundle, whose answer is that there is none, goes on waiting for one.

        ``size`` is the log's before the batch: what was written behind the question in it may be what it waits for.
        """
        if not isinstance(message, m.ReadBundle) or not isinstance(answer, BundleReply):
            return False
        if answer.bundle is not None or self._stopping:
            return False
        first = not self._bundle_waiters
        if not self._bundle_waiters.add(asker, message, now=time.monotonic(), size=size):
            return False
        if first:
            asyncio.get_running_loop().call_later(bundle_waiters.LOOK, self._look_at_bundles)
        return True

    def _look_at_bundles(self) -> None:
        """Asks again what may have another answer now, and looks on while any question waits."""
        self._ask_again(self._bundle_waiters.due(now=time.monotonic(), size=self._authority.durable))
        if self._bundle_waiters:
            asyncio.get_running_loop().call_later(bundle_waiters.LOOK, self._look_at_bundles)

    def _ask_again(self, due: list[tuple[tuple[Connection, Origin], m.ReadBundle]]) -> None:
        for (connection, origin), message in due:
            self._wait(wire.type_name(type(message)), (connection, (Question(message, connection.socket), origin)))

    def _questions(self, until: float, asked: list[tuple[Connection, Origin, m.Message]]) -> Iterator[Question]:
        """What is next, until the turn is over; ``asked`` gets where each comes from. What cannot be is answered."""
        began = time.monotonic()
        while began < until and len(asked) < MAX_BATCH and (turn := self._waiting.take()) is not None:
            connection, content = turn.question
            try:
                ready = self._decoded(content, turn.person, connection) if isinstance(content, bytes) else content
                if ready is not None:
                    asked.append((connection, ready[1], ready[0].message))
                    yield ready[0]
            finally:
                now = time.monotonic()
                self._waiting.spend(turn, now - began)
            began = now

    def _decoded(self, frame: bytes, person: str, connection: Connection) -> tuple[Question, Origin] | None:
        """The question that a frame is; ``None`` if it was answered already, or is prepared first."""
        connection.begun(frame)
        read = _read(frame, connection)
        if read is None:
            return None
        origin, message = read
        route = ROUTES[type(message)]
        if route.prepare is None:
            return Question(message, connection.socket, trace=origin.trace), origin
        if connection.account.preparing >= MAX_PREPARING:
            connection.reply([(origin, Failed("busy", "too many sign-ins wait already", hint="try again in a moment"))])
            return None
        try:
            need = self._need(route, message)
        except SshJitError as error:
            connection.reply([(origin, error)])
            return None
        if need is None:
            return Question(message, connection.socket, trace=origin.trace), origin
        connection.account.preparing += 1
        self._counters.preparing += 1
        task = asyncio.create_task(self._prepared(route, message, need, connection, origin, person))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _prepared(  # noqa: PLR0917 - a question on its way
        self, route: Route, message: m.Message, need: object, connection: Connection, origin: Origin, person: str
    ) -> None:
        began = time.monotonic()
        try:
            preparers = self._preparers[route.pool or connection.socket]
            prepared = await asyncio.get_running_loop().run_in_executor(preparers, self._prepare, route, need)
        except asyncio.CancelledError:
            connection.reply([(origin, _stopping())])
        except SshJitError as error:
            kind = wire.type_name(type(message))
            self._counters.refuse(kind, error)
            if self.throttle.allows(f"{connection.socket} {kind} {error.code}"):
                _log.warning("%s was refused: %s (%s)", kind, error.message, error.code)
            connection.reply([(origin, error)])
        except Exception:  # noqa: BLE001 - the peer gets an answer whatever happened
            _log.exception("a message could not be prepared")
            connection.reply([(origin, Failed("defect", "the CA has a bug: an unexpected error; nothing was signed"))])
        else:
            self._wait(person, (connection, (Question(message, connection.socket, prepared, origin.trace), origin)))
        finally:
            connection.account.preparing -= 1
            self._counters.preparing -= 1
            self._counters.prepare_time.observe(round((time.monotonic() - began) * MICROSECONDS))


def _read(frame: bytes, connection: Connection) -> tuple[Origin, m.Message] | None:
    """Where the message of a frame comes from, and the message; ``None`` if it was refused."""
    try:
        origin, message = frames.read(frame, lambda kind: _allows(kind, connection.socket))
    except Invalid as error:
        connection.disconnect(error)
        return None
    except Exception:  # noqa: BLE001 - it is this frame's, and no reason to lose the batch
        _log.exception("a frame could not be read")
        connection.disconnect(Failed("defect", "the CA has a bug: an unexpected error; nothing was signed"))
        return None
    if isinstance(message, Invalid):
        connection.reply([(origin, message)])
        return None
    if isinstance(frame, _Late):
        connection.reply([(origin, _stopping())])
        return None
    return origin, message


def _allows(message: type[m.Message], socket: Socket) -> bool:
    """Whether a message is taken at a socket."""
    route = ROUTES.get(message)
    return route is not None and socket in route.sockets


def _stopping() -> Failed:
    return Failed("ca_down", "the CA is stopping; nothing was done", hint="try again in a moment")

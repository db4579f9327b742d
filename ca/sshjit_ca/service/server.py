"""Serves the sockets: all messages that wait are answered as one batch. ``authority.py`` answers it.

One thread does everything in turn: it reads whatever has arrived at any socket, has the authority answer all of it,
and sends the answers, those to one peer in one piece. While a batch is signed and made durable the next one gathers in
the sockets. Only what must wait for somebody else (``Route.prepare``) is done by other threads. ``fair_queue.py`` says
which question is next; a batch that takes long ends early, so that nobody waits for what another peer asked after it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Failed, SshJitError
from sshjit_ca.authority import Answer, Authority
from sshjit_ca.context import Question
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.routes import ROUTES, Route
from sshjit_ca.service.connection import Connection, Listening
from sshjit_ca.service.fair_queue import FairQueue
from sshjit_ca.service.frames import Origin
from sshjit_ca.service.listeners import Listeners
from sshjit_ca.sockets import Socket

__all__ = ["Listening", "Server"]

_log = logging.getLogger(__name__)
MAX_BATCH = 512
PREPARERS = 8
"""Messages of one socket that are prepared at a time."""
FINISH = 5.0
"""Seconds in which a CA that stops answers what had arrived."""
QUIET = 4
"""Looks in a row that find nothing to answer, after which nothing more is on its way."""
BATCH = 0.05
"""Seconds after which no further question is taken into a batch."""


class Server:
    """Serves both sockets until it is stopped."""

    def __init__(
        self,
        authority: Authority,
        prepare: Callable[[Route, m.Message], object],
        problems: dict[Socket, str] | None = None,
    ) -> None:
        """``prepare`` does what a route's preparation needs, in a thread; it may raise ``SshJitError``.

        ``problems`` gets what is wrong with a socket's file.
        """
        self._problems = {} if problems is None else problems
        self._stopping = False
        self._authority = authority
        self._prepare = prepare
        self._waiting = FairQueue[Connection, tuple[Question, Origin]]()
        """Questions, each under its peer's number."""
        self._stop: asyncio.Event
        self._broken: Exception | None = None
        self._preparers: dict[Socket, ThreadPoolExecutor] = {
            socket: ThreadPoolExecutor(PREPARERS, f"prepare-{socket}") for socket in ("web", "admin")
        }
        """One pool for each socket, so that no sign-in which waits for a provider keeps the operator waiting."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.throttle = LogThrottle(time.monotonic)
        self.peers: dict[Socket, set[Connection]] = {"web": set(), "admin": set()}

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
        until, quiet = time.monotonic() + FINISH, 0
        while self._broken is None and quiet < QUIET and time.monotonic() < until:
            await asyncio.sleep(0.005)
            quiet = 0 if self._waiting or self._tasks else quiet + 1
        for preparers in self._preparers.values():
            preparers.shutdown(wait=False, cancel_futures=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, message: m.Message, connection: Connection, origin: Origin) -> None:
        """A message arrived; its answer will go out on the connection."""
        if self._stopping:
            connection.reply([(origin, _stopping())])
            return
        route = ROUTES[type(message)]
        if route.prepare is None:
            self._wait(Question(message, connection.socket), connection, origin)
            return
        task = asyncio.create_task(self._prepared(route, message, connection, origin))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def allows(self, message: type[m.Message], socket: Socket) -> bool:
        """Whether a message is taken at a socket."""
        route = ROUTES.get(message)
        return route is not None and socket in route.sockets

    async def _prepared(self, route: Route, message: m.Message, connection: Connection, origin: Origin) -> None:
        try:
            preparers = self._preparers[connection.socket]
            prepared = await asyncio.get_running_loop().run_in_executor(preparers, self._prepare, route, message)
        except asyncio.CancelledError:
            connection.reply([(origin, _stopping())])
        except SshJitError as error:
            kind = wire.type_name(type(message))
            if self.throttle.allows(f"{connection.socket} {kind} {error.code}"):
                _log.warning("%s was refused: %s (%s)", kind, error.message, error.code)
            connection.reply([(origin, error)])
        except Exception:  # noqa: BLE001 - the peer gets an answer whatever happened
            _log.exception("a message could not be prepared")
            connection.reply([(origin, Failed("defect", "the CA has a bug: an unexpected error; nothing was signed"))])
        else:
            self._wait(Question(message, connection.socket, prepared), connection, origin)

    def _wait(self, question: Question, connection: Connection, origin: Origin) -> None:
        """One more for the next batch, which begins once everything that has arrived was read."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self._waiting.put(connection.socket, connection, (question, origin))

    def _answer(self) -> None:
        """Answers the next batch."""
        batch, until = self._waiting.take(MAX_BATCH), time.monotonic() + BATCH
        try:
            questions = [question for _, _, (question, _) in batch]
            answers = self._authority.answer(questions, lambda: time.monotonic() >= until)
        except Exception as error:  # noqa: BLE001 - nothing is sure any more: ``run`` raises it
            self._broken = error
            self._stop.set()
            return
        self._waiting.give_back(batch[len(answers) :])
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        replies: dict[Connection, list[tuple[Origin, Answer]]] = {}
        for (_, connection, (_, origin)), answer in zip(batch, answers, strict=False):  # the others wait again
            replies.setdefault(connection, []).append((origin, answer))
        for connection, found in replies.items():
            connection.reply(found)


def _stopping() -> Failed:
    return Failed("ca_down", "the CA is stopping; nothing was done", hint="try again in a moment")

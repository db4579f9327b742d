"""The application on the event loop: one coroutine for each request, from its headers to its answer."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from sshjit import traces
from sshjit.errors import Failed, SshJitError
from sshjit.supervisor import Supervisor
from sshjit_web import ca_client
from sshjit_web.ca_cache import CaCache
from sshjit_web.gateway import Answer, Gateway, Head, plain_path, wait_preferred
from sshjit_web.proxies import FOR_PROXIES, NO_PROXIES, Proxies
from sshjit_web.proxies import HEADER as FORWARDED
from sshjit_web.security import MAX_BODY
from sshjit_web.server import connections, long_polls, wsgi
from sshjit_web.server.admission import Admission
from sshjit_web.server.api_calls import ApiCalls
from sshjit_web.server.bodies import BodyReader, TooLarge
from sshjit_web.server.bundle_follower import BundleFollower
from sshjit_web.server.long_polls import Gone, LongPolls
from sshjit_web.server.rsgi import HTTPProtocol, Scope
from sshjit_web.server.threads import Threads
from sshjit_web.structured_log import TRACE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)
GONE = 499
"""The status in the access log where nobody waited for the answer any more."""


class Disconnected(Exception):
    """Nobody waits for the answer any more."""


class Application:
    """The RSGI application around a WSGI one.

    ``threads`` as in ``web.toml``; ``proxies`` are our own; ``admission`` limits rates, ``limit`` the bytes of a body.
    With a ``ca_cache`` it follows the bundle, and polls may wait for it. ``supervisor`` is told once it listens. What
    ``api_calls`` knows is answered without a view.
    """

    def __init__(
        self,
        inner: WSGIApplication,
        gateway: Gateway,
        *,
        threads: int,
        limit: int = MAX_BODY,
        proxies: Proxies = NO_PROXIES,
        admission: Admission | None = None,
        ca_cache: CaCache | None = None,
        supervisor: Supervisor | None = None,
        api_calls: ApiCalls | None = None,
    ) -> None:
        self._inner = inner
        self._gateway = gateway
        self._proxies = proxies
        self._admission = admission
        self._limit = limit
        self._bodies = BodyReader(limit)
        self._threads = Threads(threads)
        self._ca_cache = ca_cache
        self._supervisor = supervisor
        self._api_calls = api_calls
        self._long_polls = LongPolls(min(long_polls.MOST, connections.most_polls()))

    @property
    def unfinished(self) -> int:
        """How many requests wait for a thread, or have one, or wait for the CA on the loop."""
        return self._threads.unfinished + (0 if self._api_calls is None else self._api_calls.unfinished)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server before the loop runs."""
        self._threads.start(loop)
        self._end_polls_with_the_server(loop)
        if self._ca_cache is not None:
            BundleFollower(self._ca_cache, partial(loop.call_soon_threadsafe, self._long_polls.wake)).start()
        loop.call_soon(self._listening)

    def _listening(self) -> None:
        connections.end_unread()
        if self._supervisor is not None:
            self._supervisor.ready("serving")

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server after the last connection has ended."""
        self._threads.stop()

    def _end_polls_with_the_server(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server waits for every answer before it ends, so polls must not wait any longer.

        It was told of these signals by ``loop.add_signal_handler``, and still is: that works by a file descriptor, and
        leaves Python's own handler for us.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._long_polls.close))

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answers one request."""
        head = self._head(scope)
        answer = self._gateway.answer(head)
        if answer is not None:
            if seconds := wait_preferred(head):
                await self._poll(head, protocol, answer, seconds)
            else:
                self._send(head, protocol, answer)
            return
        try:
            if head.path not in FOR_PROXIES:
                self._proxies.require_client(_peer(scope), _forwarded(scope))
            if self._admission is not None:
                self._admission.admit(head)
            body, too_large = await self._body(scope, protocol, head)
            if self._api_calls is not None and not too_large and (call := self._api_calls.find(head)):
                header = partial(_all_lines, scope)
                answer = await self._api_calls.answer(call, head, header, body, self._threads.result)
                self._send(head, protocol, answer)
                return
            await self._view(scope, protocol, head, body, too_large)
        except Disconnected:
            self._gateway.log(head, GONE)
        except SshJitError as error:
            self._refuse(head, protocol, error)
            # What it holds would keep the body, and with it the connection, until the next garbage collection.
            error.__traceback__ = error.__context__ = None

    async def _poll(self, head: Head, protocol: HTTPProtocol, answer: Answer, seconds: int) -> None:
        """Answers a poll for the bundle that may wait; if ``answer`` says that there is nothing new, it does.

        ``Preference-Applied`` tells that it did, or that there was no need: the next poll may follow at once.
        """
        applied, until = True, time.monotonic() + long_polls.spread(seconds)
        while answer.status == HTTPStatus.NOT_MODIFIED and (left := until - time.monotonic()) > 0:
            try:
                waited = await self._long_polls.wait(protocol, head.address, left)
            except Gone:
                self._gateway.log(head, GONE)
                return
            newest = self._gateway.answer(head)
            if newest is None:
                self._refuse(head, protocol, ca_client.unreachable())  # it went away meanwhile
                return
            answer = newest
            if not waited:
                applied = self._long_polls.closed
                break
        if applied:
            answer.headers.append(("Preference-Applied", f"wait={seconds}"))
        self._send(head, protocol, answer)

    def _head(self, scope: Scope) -> Head:
        address = self._proxies.client(_peer(scope), _forwarded(scope))
        header = scope.headers.get
        trace = traces.parse(header(traces.HEADER)) or os.urandom(traces.BYTES).hex()
        return Head(scope.method, plain_path(scope.path), address, header, time.perf_counter(), trace)

    async def _body(self, scope: Scope, protocol: HTTPProtocol, head: Head) -> tuple[bytes, int]:
        """The body, or the length of one that is too large: what to say to that is the view's."""
        length = scope.headers.get("content-length")
        if length == "0" or (length is None and "transfer-encoding" not in scope.headers):
            return b"", 0
        try:
            return await self._bodies.read(protocol, None if length is None else int(length), head.address), 0
        except TooLarge:
            return b"", self._limit + 1

    async def _view(self, scope: Scope, protocol: HTTPProtocol, head: Head, body: bytes, too_large: int) -> None:
        """Lets a thread answer."""
        waits = self._threads.all_busy
        job = self._threads.give(
            partial(self._answer, scope, protocol, head, body, too_large), partial(self._refuse, head, protocol)
        )
        if not waits:
            await job.ended
            return
        connection = protocol.client_disconnect()
        connection.add_done_callback(job.abandon)
        try:
            await job.ended
        finally:
            connection.cancel()
        if job.skipped:
            raise Disconnected

    def _answer(self, scope: Scope, protocol: HTTPProtocol, head: Head, body: bytes, too_large: int) -> None:
        """In a thread: runs the view and answers, without going back to the loop."""
        TRACE.set(head.trace)
        try:
            answer = wsgi.run(self._inner, wsgi.environ(scope, body, head.address, too_large=too_large))
        except BaseException:
            LOG.exception("%s %s failed", head.method, ascii(head.path))
            self._refuse(head, protocol, Failed("internal", "the front end failed", hint="try again"))
        else:
            self._send(head, protocol, answer)

    def _refuse(self, head: Head, protocol: HTTPProtocol, error: SshJitError) -> None:
        self._send(head, protocol, self._gateway.problem(head, error))

    def _send(self, head: Head, protocol: HTTPProtocol, answer: Answer) -> None:
        self._gateway.finish(head, answer.status, answer.headers)
        protocol.response_bytes(answer.status, answer.headers, answer.body)


def _all_lines(scope: Scope, name: str) -> str | None:
    """All lines of a header, as a view sees them."""
    lines = scope.headers.get_all(name)
    return ",".join(lines) if lines else None


def _peer(scope: Scope) -> str:
    return scope.client.rpartition(":")[0].strip("[]")


def _forwarded(scope: Scope) -> str | None:
    """All lines of the header: the last one is our proxy's, the first may be anybody's. ``None``: it is not there."""
    return ",".join(scope.headers.get_all(FORWARDED)) if FORWARDED in scope.headers else None

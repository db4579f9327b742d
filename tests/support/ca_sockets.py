"""The sockets of a CA in this process: real sockets, a real server, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sshjit import ca_protocol as m
from sshjit_ca.routes import Route
from sshjit_ca.service.server import Listening, Server
from tests.support.installation import Installation


@contextmanager
def serving_sockets(
    ca: Installation, users: frozenset[int], before: Callable[[m.Message], None] = lambda _: None
) -> Iterator[None]:
    """Serves both sockets from a thread; ``before`` is called with each message that is about to be prepared."""
    started, stopped = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def prepare(route: Route, need: object) -> object:
        assert route.prepare is not None
        if isinstance(need, m.Message):
            before(need)
        return route.prepare(ca.context, need, int(ca.time))

    def need(route: Route, message: m.Message) -> object | None:
        return message if route.need is None else route.need(ca.context, message)

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        listening = [
            Listening("web", ca.config.web_socket, users),
            Listening("admin", ca.config.admin_socket, users),
        ]
        await Server(ca.authority, prepare, need=need).run(listening, stopped, started.set)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(stopped.set)
        thread.join(10)
    assert not thread.is_alive()

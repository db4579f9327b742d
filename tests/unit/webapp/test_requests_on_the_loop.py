"""One request on the event loop, without a server: what is kept of it, and what the log says of whoever has gone."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sshjit_web.ca_cache import CaCache
from sshjit_web.ca_client import CaClient
from sshjit_web.gateway import Answer, Gateway, Head
from sshjit_web.server.application import Application
from sshjit_web.server.bodies import BodyReader
from sshjit_web.server.rsgi import HTTPProtocol, Scope
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Ending:
    """A future that ends with a connection, as Granian gives it."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], object]] = []
        self.cancelled = False

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.callbacks.append(callback)

    def cancel(self) -> bool:
        self.cancelled = True
        return True


class Caller:
    """Somebody who sends no body to its end, and waits for the answer."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.ending = Ending()

    def __call__(self) -> Awaitable[bytes]:
        return self._never()

    async def _never(self) -> bytes:
        await asyncio.Event().wait()
        return b""

    def client_disconnect(self) -> Ending:
        return self.ending

    def response_bytes(self, status: int, headers: list[tuple[str, str]], _body: bytes) -> None:
        self.statuses.append(status)
        self.headers = dict(headers)


class Headers(dict[str, str]):
    """Headers of which each is there once."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def scope(method: str, path: str, **headers: str) -> Scope:
    named = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    made = SimpleNamespace(
        method=method,
        path=path,
        client="192.0.2.1:5",
        server="127.0.0.1:80",
        scheme="http",
        http_version="1.1",
        query_string="",
        authority=None,
        headers=named,
    )
    return cast("Scope", made)


def application(folder: Path, view: Callable[..., Iterable[bytes]]) -> Application:
    gateway = Gateway(CaCache(CaClient(folder / "nobody.sock"), time.time), https=False)
    return Application(view, gateway, threads=1)


def answered(made: Application, asked: Scope, caller: Caller) -> asyncio.Task[None]:
    return asyncio.create_task(made.__rsgi__(asked, cast("HTTPProtocol", caller)))


def test_of_whoever_was_cut_nothing_is_kept(tmp_path: Path) -> None:
    """Not even until the next garbage collection: the connection would stay open as long."""
    made = application(tmp_path, lambda *_: [])
    made._bodies = BodyReader(100, seconds=0.05)

    async def play() -> None:
        caller = Caller()
        kept = weakref.ref(caller)
        await asyncio.wait_for(answered(made, scope("POST", "/api/v1/login", content_length="10"), caller), PATIENCE)
        assert caller.statuses == [408]
        del caller
        for _ in range(5):
            await asyncio.sleep(0)
        assert kept() is None

    gc.disable()
    try:
        asyncio.run(play())
    finally:
        gc.enable()


def test_whoever_has_gone_is_a_line_of_the_log_and_of_whoever_stayed_no_callback_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests that wait for the only thread: one is given up by its sender."""
    go, seen = threading.Event(), []

    def view(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        assert go.wait(PATIENCE)
        start("200 OK", [])
        return []

    async def play() -> None:
        made = application(tmp_path, view)
        made._threads.start(asyncio.get_running_loop())
        callers = {path: Caller() for path in ("/first", "/gone", "/stays")}
        tasks = [answered(made, scope("GET", path), caller) for path, caller in callers.items()]
        await asyncio.sleep(0)
        for callback in callers["/gone"].ending.callbacks:
            callback(None)
        await asyncio.wait_for(tasks[1], PATIENCE)
        go.set()
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        assert [caller.statuses for caller in callers.values()] == [[200], [], [200]]
        assert [caller.ending.cancelled for caller in callers.values()] == [False, True, True]
        made._threads.stop()

    with caplog.at_level(logging.INFO, "sshjit_web.access"):
        asyncio.run(play())
    assert seen == ["/first", "/stays"]
    assert "GET '/gone' 499" in caplog.text


class Unchanged:
    """A gateway for which there is never a newer bundle."""

    def answer(self, _head: Head) -> Answer:
        return Answer(304, [], b"")

    def finish(self, *_: object) -> None:
        pass


class Waits:
    """Polls that wait no time at all, and say how long they would have."""

    closed = False

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def wait(self, _protocol: object, _address: str, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False


def test_polls_that_begin_together_do_not_end_together(tmp_path: Path) -> None:
    made, waits = application(tmp_path, lambda *_: []), Waits()
    made._gateway = cast("Gateway", Unchanged())
    made._long_polls = waits  # type: ignore[assignment]

    async def play() -> None:
        for _ in range(50):
            await answered(made, scope("GET", "/bundle", prefer="wait=50"), Caller())

    asyncio.run(play())
    assert len(waits.seconds) == 50
    assert max(waits.seconds) - min(waits.seconds) > 1
    assert max(waits.seconds) <= 50

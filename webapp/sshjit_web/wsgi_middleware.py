"""The gateway for whoever speaks plain WSGI: the tests' clients, and any other server."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sshjit import traces
from sshjit.errors import Invalid
from sshjit_web.gateway import Gateway, Head, plain_path
from sshjit_web.proxies import FOR_PROXIES, NO_PROXIES, Proxies
from sshjit_web.structured_log import TRACE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Middleware:
    """The outermost WSGI application; ``proxies`` are our own."""

    def __init__(self, inner: WSGIApplication, gateway: Gateway, *, proxies: Proxies = NO_PROXIES) -> None:
        self.inner = inner
        self.gateway = gateway
        self.proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers what needs no view at once, and hands everything else on."""
        forwarded, peer = environ.get("HTTP_X_FORWARDED_FOR"), environ.get("REMOTE_ADDR", "")
        environ["REMOTE_ADDR"] = self.proxies.client(peer, forwarded)
        head = _head(environ)
        TRACE.set(head.trace)
        answer = self.gateway.answer(head)
        if answer is None and head.path not in FOR_PROXIES:
            try:
                self.proxies.require_client(peer, forwarded)
            except Invalid as error:
                answer = self.gateway.problem(head, error)
        if answer is not None:
            self.gateway.finish(head, answer.status, answer.headers)
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.headers)
            return [answer.body]

        def finish(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self.gateway.finish(head, int(status[:3]), headers)
            return start_response(status, headers, *error)

        return self.inner(environ, finish)


def _head(environ: WSGIEnvironment) -> Head:
    """The request as the gateway knows it. PEP 3333 gives the path's bytes as Latin-1."""

    def header(name: str) -> str | None:
        value: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value

    path = environ["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    trace = traces.parse(header(traces.HEADER))
    return Head(environ["REQUEST_METHOD"], plain_path(path), environ["REMOTE_ADDR"], header, time.perf_counter(), trace)

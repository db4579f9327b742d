"""Around Flask, as plain WSGI: what every answer carries, the access log, and the poll that every host makes.

It stands outside because it is paid for by every request: as functions of Flask the same things cost more than the
rest of a small answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sshjit_web.ca_cache import CaCache

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger("sshjit_web.access")
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("Content-Security-Policy", CSP),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not "no-referrer": browsers would then send "Origin: null" with our own forms.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
_HSTS = ("Strict-Transport-Security", "max-age=31536000")
_NO_STORE = ("Cache-Control", "no-store")


class Middleware:
    """The outermost WSGI application. ``https`` says whether people reach the pages over TLS."""

    def __init__(self, inner: WSGIApplication, ca_cache: CaCache, *, https: bool) -> None:
        self._inner = inner
        self._ca_cache = ca_cache
        self._headers = [*_HEADERS, _HSTS] if https else _HEADERS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a poll for a bundle that is held already at once, and hands everything else on."""
        started = time.perf_counter()
        if environ["PATH_INFO"] == "/bundle" and environ["REQUEST_METHOD"] == "GET":
            tag = self._ca_cache.newest_tag()
            if tag is not None and environ.get("HTTP_IF_NONE_MATCH") == tag:
                start_response("304 Not Modified", [("ETag", tag), ("Cache-Control", "no-cache"), *self._headers])
                return []

        def finish(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            headers.extend(self._headers)
            if not any(name == "Cache-Control" for name, _ in headers):
                headers.append(_NO_STORE)
            _log(environ, status, (time.perf_counter() - started) * 1000)
            return start_response(status, headers, *error)

        return self._inner(environ, finish)


def _log(environ: WSGIEnvironment, status: str, took: float) -> None:
    """Method, path, status, milliseconds: no query (it holds codes and states), no cookie, no body.

    The path in ASCII and cut, so that nobody forges lines with it.
    """
    path = environ["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    LOG.info(
        "%s %s %s %s %.1f",
        environ.get("REMOTE_ADDR"),
        environ["REQUEST_METHOD"],
        ascii(path[:200]),
        status.partition(" ")[0],
        took,
    )

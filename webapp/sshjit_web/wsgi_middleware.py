"""Around Flask, as plain WSGI: what every answer carries, the access log, and the poll that every host makes.

It stands outside because it is paid for by every request: as functions of Flask the same things cost more than the
rest of a small answer.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sshjit import versions
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


_PROGRAMS = ("/api/", "/bundle")
"""Paths that programs call, which say what they speak."""


class Middleware:
    """The outermost WSGI application. ``https`` says whether people reach the pages over TLS."""

    def __init__(
        self, inner: WSGIApplication, ca_cache: CaCache, *, https: bool, oldest: int = versions.OLDEST
    ) -> None:
        self._inner = inner
        self._oldest = oldest
        self._ca_cache = ca_cache
        self._headers = [*_HEADERS, _HSTS] if https else _HEADERS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a poll for a bundle that is held already at once, and hands everything else on."""
        started = time.perf_counter()
        path, mark = environ["PATH_INFO"], []
        if path.startswith(_PROGRAMS):
            version = versions.parse(environ.get("HTTP_SSH_JIT_VERSION"))
            if version < self._oldest:
                return self._refuse(environ, start_response, version)
            if path == "/bundle" and environ["REQUEST_METHOD"] == "GET":
                tag = self._ca_cache.newest_tag(version)
                if tag is not None and environ.get("HTTP_IF_NONE_MATCH") == tag:
                    headers = [("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", versions.HEADER), *self._headers]
                    start_response("304 Not Modified", headers)
                    return []
            mark = [("Vary", versions.HEADER)] if path == "/bundle" else []

        def finish(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            headers.extend(self._headers)
            headers.extend(mark)
            if path.startswith(_PROGRAMS):
                headers.append((versions.HEADER, str(self._ca_cache.version)))
            if not any(name == "Cache-Control" for name, _ in headers):
                headers.append(_NO_STORE)
            _log(environ, status, (time.perf_counter() - started) * 1000)
            return start_response(status, headers, *error)

        return self._inner(environ, finish)

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse, version: int) -> Iterable[bytes]:
        """Tells a program that is too old which release to upgrade to."""
        agent = environ.get("HTTP_USER_AGENT", "")
        error = versions.too_old(
            "ssh-jit-host" if agent.startswith("ssh-jit-host") else "ssh-jit", version, oldest=self._oldest
        )
        said = {"family": error.family, "code": error.code, "message": error.message, "hint": error.hint}
        body = json.dumps({"error": said}).encode()
        status = "426 Upgrade Required"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), _NO_STORE, *self._headers]
        start_response(status, [*headers, (versions.HEADER, str(self._ca_cache.version))])
        _log(environ, status, 0.0)
        return [body]


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

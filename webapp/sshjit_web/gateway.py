"""Around Flask: what every answer carries, the access log, and what is answered without a view.

It stands outside because it is paid for by every request: as functions of Flask the same things cost more than the
rest of a small answer. It knows no server: ``server/application.py`` asks it on the event loop, ``wsgi_middleware.py``
for whoever speaks plain WSGI.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sshjit import versions
from sshjit.errors import SshJitError
from sshjit_web import errors
from sshjit_web.ca_cache import CaCache

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
_JSON = ("Content-Type", "application/json")
_PROGRAMS = ("/api/", "/bundle")
"""Paths that programs call, which say what they speak."""
MAX_PREFER = 200
"""Letters of the header ``Prefer`` that are read."""
LONGEST_WAIT = 55
"""Seconds that a poll may wait: most proxies cut a connection on which nothing was said for a minute."""


class Head(NamedTuple):
    """A request without its body."""

    method: str
    path: str
    """Decoded, without the query, as ``plain_path`` makes it."""
    address: str
    """Who asks, as far as our own proxies say."""
    header: Callable[[str], str | None]
    """The value of a header, by its name in small letters."""
    started: float
    """When it began, by ``time.perf_counter``."""
    trace: str = ""
    """Its trace id (``sshjit/traces.py``)."""


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Gateway:
    """What stands around the views. ``https`` says whether people reach the pages over TLS."""

    def __init__(self, ca_cache: CaCache, *, https: bool, oldest: int = versions.OLDEST) -> None:
        self._oldest = oldest
        self.ca_cache = ca_cache
        self.observers: list[Callable[[Head, int, float], None]] = []
        """Get every answer's status and the seconds that it took."""
        self._headers = [*_HEADERS, _HSTS] if https else _HEADERS
        self._routes: Mapping[tuple[str, str], Callable[[Head], Answer | None]] = {
            ("GET", "/healthz"): _alive,
            ("HEAD", "/healthz"): _alive,
            ("GET", "/bundle"): self._bundle,
        }

    def answer(self, head: Head) -> Answer | None:
        """The answer, where it needs no view: at once, without a body, the CA or the database. Else ``None``."""
        if head.path.startswith(_PROGRAMS):
            version = versions.parse(head.header("ssh-jit-version"))
            if version < self._oldest:
                return self._too_old(head, version)
        route = self._routes.get((head.method, head.path))
        return None if route is None else route(head)

    def finish(self, head: Head, status: int, headers: list[tuple[str, str]]) -> None:
        """Adds to an answer's headers what every answer carries, and writes its line into the access log."""
        headers.extend(self._headers)
        if head.path.startswith(_PROGRAMS):
            headers.append((versions.HEADER, str(self.ca_cache.version)))
            if head.path == "/bundle":
                headers.append(("Vary", versions.HEADER))
        if not any(name == "Cache-Control" for name, _ in headers):
            headers.append(_NO_STORE)
        self.log(head, status)

    def log(self, head: Head, status: int) -> None:
        """Method, path, status, milliseconds: no query (it holds codes and states), no cookie, no body.

        The path in ASCII and cut, so that nobody forges lines with it.
        """
        seconds = time.perf_counter() - head.started
        for observe in self.observers:
            observe(head, status, seconds)
        path, took = ascii(head.path[:200]), seconds * 1000
        fields = {"address": head.address, "method": head.method, "path": head.path[:200], "status": status}
        fields |= {"milliseconds": round(took, 1), "trace": head.trace}
        LOG.info("%s %s %s %d %.1f", head.address, head.method, path, status, took, extra={"fields": fields})

    def problem(self, head: Head, error: SshJitError) -> Answer:
        """The answer that says what is wrong, where no view can: for programs as all errors, for people in a line.

        What the request still has to say is not read any more.
        """
        status = errors.status_of(error)
        headers = [("Connection", "close")]
        if status in (429, 503):
            headers.append(("Retry-After", str(errors.retry_after(error))))
        if errors.is_for_programs(head.path):
            return _json(status, {"error": errors.document(error)}, headers)
        text = f"{error}{f': {error.hint}' if error.hint else ''}\n".encode()
        headers += [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        return Answer(status, headers, text)

    def _too_old(self, head: Head, version: int) -> Answer:
        """Tells a program that is too old which release to upgrade to."""
        agent = head.header("user-agent") or ""
        program = "ssh-jit-host" if agent.startswith("ssh-jit-host") else "ssh-jit"
        error = versions.too_old(program, version, oldest=self._oldest)
        return _json(errors.status_of(error), {"error": errors.document(error)}, [])

    def _bundle(self, head: Head) -> Answer | None:
        """The poll that every host makes, while we know which bundle is the newest."""
        newest = self.ca_cache.newest(versions.parse(head.header("ssh-jit-version")))
        if newest is None:
            return None
        headers = [("ETag", newest.tag), ("Cache-Control", "no-cache")]
        if newest.tag in (part.strip() for part in (head.header("if-none-match") or "").split(",")):
            return Answer(304, headers, b"")
        return Answer(200, [_JSON, ("Content-Length", str(len(newest.body))), *headers], newest.body)


def wait_preferred(head: Head) -> int:
    """Seconds that whoever asks for the bundle wants to wait for a newer one (RFC 7240: ``Prefer: wait=50``), or 0."""
    if (head.method, head.path) != ("GET", "/bundle"):
        return 0
    preferences = (part.partition(";")[0] for part in (head.header("prefer") or "")[:MAX_PREFER].split(","))
    named = (preference.partition("=") for preference in preferences)
    values = (value.strip().strip('"') for name, _, value in named if name.strip().lower() == "wait")
    value = next(values, "")  # of several, the first counts
    return min(int(value), LONGEST_WAIT) if value.isascii() and value.isdecimal() and len(value) <= 6 else 0


def _alive(_head: Head) -> Answer:
    """This process lives."""
    return _json(200, {"ok": True}, [])


def _json(status: int, content: object, headers: list[tuple[str, str]]) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, [_JSON, ("Content-Length", str(len(body))), *headers], body)


def plain_path(path: str) -> str:
    """The path as Flask's routes see it: with one slash in front, however many there are."""
    return "/" + path.lstrip("/")

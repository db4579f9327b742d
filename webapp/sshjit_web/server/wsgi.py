"""Runs a WSGI application (PEP 3333) for a request that has arrived whole."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from sshjit_web.gateway import Answer
from sshjit_web.server.rsgi import Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_ALWAYS = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}
_CGI = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_FRAMING = ("transfer-encoding", "content-length")
"""Headers that said how the body came. It has a length now, whatever they were."""


def environ(scope: Scope, body: bytes, address: str, *, too_large: int = 0) -> WSGIEnvironment:
    """What PEP 3333 calls so. ``too_large`` in place of a body: the length of one that was not read."""
    name, _, port = scope.server.rpartition(":")
    made: dict[str, Any] = {
        **_ALWAYS,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode("utf-8", "replace").decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode("utf-8", "replace").decode("latin-1"),
        "SERVER_NAME": name.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": address,
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
    }
    framed = False
    for header, value in scope.headers.items():
        if header in _FRAMING:
            framed = True
            continue
        if "_" in header:
            continue  # PEP 3333 would give it the name of one with hyphens, which a proxy may have set or taken out
        key = _CGI.get(header) or f"HTTP_{header.upper().replace('-', '_')}"
        if key in made:
            value = f"{made[key]}{';' if header == 'cookie' else ','}{value}"  # noqa: PLW2901 - one header in lines
        made[key] = value
    if framed:
        made["CONTENT_LENGTH"] = str(too_large or len(body))
    made.setdefault("HTTP_HOST", scope.authority or "")
    return made


def run(application: WSGIApplication, environment: WSGIEnvironment) -> Answer:
    """The whole answer, so that no thread ever waits for somebody who reads slowly."""
    begun: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_error: Any) -> Any:
        begun.append((int(status[:3]), headers))
        return written.append

    written: list[bytes] = []
    parts = application(environment, start_response)
    try:
        body = b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = begun[-1]
    return Answer(status, headers, b"".join(written) + body)

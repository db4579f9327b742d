"""The stand-in of ``standin.py`` over real HTTP, on a free port of loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sshjit import bundle
from sshjit.errors import Failed, SshJitError
from tests.unit.client.standin import Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    memory: Server

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:  # noqa: PLR0911  # a table
        memory, parts = self.memory, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        memory.calls.append(f"{method} {parts.path}")
        if memory.down:
            return self._json(503, {"error": _error(Failed("ca_down", "the CA is down"))})
        if parts.path == "/authorize":
            return self._redirect(memory.authorize({k: v[0] for k, v in parse_qs(parts.query).items()}))
        if parts.path == "/token":
            return self._json(200, memory.token({k: v[0] for k, v in parse_qs(raw.decode()).items()}))
        if parts.path == "/bundle":
            return self._bundle()
        if parts.path == "/elsewhere/bundle":
            return self._redirect("/bundle")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            body = json.loads(raw) if raw else dict(parse_qsl(parts.query))
            answer = memory.call(method, parts.path.removeprefix("/api/v1/"), body, token)
        except SshJitError as error:
            status = 401 if error.code == "bad_token" else 403 if error.family == "refused" else 409
            return self._json(status, {"error": _error(error)})
        return self._json(204 if answer is None else 200, answer)

    def _bundle(self) -> None:
        memory = self.memory
        tag = f'"{memory.sequence}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if memory.offer is not None:
            offer = memory.offer
            reply = {"sequence": offer.sequence, "bundle": offer.bundle, "signature": offer.signature}
            return self._json(200, reply, etag=tag)
        text = bundle.write(memory.installation.bundle(memory.url, sequence=memory.sequence))
        reply = {"sequence": memory.sequence, "bundle": text, "signature": memory.installation.sign(text)}
        return self._json(200, reply, etag=tag)

    def _json(self, status: int, value: Any, etag: str = "") -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name for it
        """Nothing."""


def _error(error: SshJitError) -> dict[str, str]:
    return {"family": error.family, "code": error.code, "message": error.message, "hint": error.hint}


@contextmanager
def serving(memory: Server) -> Iterator[Server]:
    """The stand-in on a free port of loopback."""
    handler = type("Handler", (_Handler,), {"memory": memory})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    memory.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield memory
    finally:
        server.shutdown()
        server.server_close()

"""A ticket checker as an operator has one: over HTTPS, or a program at a Unix socket."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.tls import tls_server
from tests.support.waiting import wait_until

APPROVED = {"fields": {"status": {"name": "Approved"}}}


@dataclass
class Asked:
    """One question that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class TicketServer:
    """An HTTPS server. ``answer`` is the JSON that it answers, ``act`` takes its place where that is not enough."""

    url: str = ""
    trust: Path = Path()
    status: int = 200
    answer: Any = field(default_factory=lambda: APPROVED)
    act: Callable[[BaseHTTPRequestHandler], None] | None = None
    asked: list[Asked] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        """Answers one question."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.asked.append(Asked(request.command, request.path, dict(request.headers), body))
        if self.act is not None:
            with contextlib.suppress(OSError):  # who asks goes away when it has heard enough
                self.act(request)
            return
        text = json.dumps(self.answer).encode()
        request.send_response(self.status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(text)


@contextmanager
def ticket_server(folder: Path) -> Iterator[TicketServer]:
    """A checker on loopback, whose certificate is in ``trust``."""
    server = TicketServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.respond(self)

        def do_POST(self) -> None:
            server.respond(self)

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    with tls_server(folder, Handler) as (port, trust):
        server.url, server.trust = f"https://localhost:{port}", trust
        yield server


def _answers(path: Path) -> bool:
    """Whether somebody listens: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


PROGRAM = """
import http.server, json, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"fields": {"status": {"name": "Approved"}}, "asked": said}).encode()
        self.send_response(200 if said["change"].startswith("CHG-") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "local"
    def log_message(self, *_):
        pass
socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
"""


@contextmanager
def ticket_program(path: Path) -> Iterator[None]:
    """An operator's own program, which answers over HTTP at a Unix socket."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, path])
    try:
        wait_until(lambda: _answers(path))
        yield
    finally:
        process.terminate()
        process.wait()

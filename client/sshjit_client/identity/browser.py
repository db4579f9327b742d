"""The person's browser: opening it, and the one address on this machine that it comes back to.

The browser is ``$BROWSER``, else the platform's opener, else none. It comes back to
``http://127.0.0.1:<port>/callback`` (RFC 8252): this module takes the query of a ``GET /callback`` and hands it over;
the caller decides whether it belongs to this attempt. The page that the person sees is static and shows nothing of
what came in.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sshjit.errors import Failed, SshJitError

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ssh-jit</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:26rem;padding:0 1rem;
color-scheme:light dark}}</style><h1>{title}</h1><p>{text}</p></html>
"""
_DONE = _PAGE.format(title="Back to the terminal", text="ssh-jit has received the answer. You can close this page.")
_NO = _PAGE.format(title="Not the answer we expect", text="Start again in the terminal: ssh-jit login.")


def open_command(environ: Mapping[str, str], address: str) -> list[str] | None:
    """The command that opens ``address``; ``None`` if there is probably no browser."""
    configured = environ.get("BROWSER", "").strip()
    if configured:
        try:
            words = shlex.split(configured)
        except ValueError:
            return None
        return [w.replace("%s", address) for w in words] if "%s" in configured else [*words, address]
    if sys.platform == "darwin":
        return ["open", address]
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        opener = shutil.which("xdg-open")
        return [opener, address] if opener else None
    return None


def start(words: list[str]) -> subprocess.Popen[bytes] | None:
    """Starts the browser without waiting for it; ``None`` if there is no such program."""
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError:
        return None


class Loopback:
    """A server on 127.0.0.1. ``ready`` becomes readable when it has accepted an answer.

    It takes the first free one of ``ports``, which the provider allows, or any port where none are given.
    """

    def __init__(self, ports: Sequence[int] = ()) -> None:
        """Listens. Raises ``Failed``: ``ports_taken``."""
        self._read_code: Callable[[str], str] | None = None
        self._lock = threading.Lock()
        self._result: str | SshJitError | None = None
        handler = type("Handler", (_Handler,), {"offer": staticmethod(self.offer)})
        self._server = _listen(ports or (0,), handler)
        self._server.daemon_threads = True
        self.ready, self._wake = os.pipe()
        self.port: int = self._server.server_address[1]
        self.redirect = f"http://127.0.0.1:{self.port}/callback"

    def serve(self, read_code: Callable[[str], str]) -> None:
        """Starts listening. ``read_code`` takes a query and returns the code, or raises; ``Invalid``: not for us."""
        self._read_code = read_code
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def offer(self, query: str) -> bool:
        """Takes an answer from the browser or from the terminal, once; whether it belongs to this attempt."""
        with self._lock:
            if self._read_code is None or self._result is not None:
                return False
            try:
                self._result = self._read_code(query)
            except SshJitError as error:
                if error.family == "invalid":
                    return False
                self._result = error
        os.write(self._wake, b"!")
        return True

    def result(self) -> str:
        """The code, once ``ready`` is readable; or raises what ``read_code`` raised."""
        if isinstance(self._result, str):
            return self._result
        raise self._result or RuntimeError("there is no answer yet")

    def close(self) -> None:
        """Stops listening."""
        if self._read_code is not None:
            self._server.shutdown()
        self._server.server_close()
        os.close(self.ready)
        os.close(self._wake)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = False
    """A port that another program holds is not ours, whatever it says."""


def _listen(ports: Sequence[int], handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    for port in ports:
        with contextlib.suppress(OSError):
            return _Server(("127.0.0.1", port), handler)
    listed = ", ".join(map(str, ports))
    hint = "end the program that listens there, or ask your administrator for another of redirect_ports"
    raise Failed(
        "ports_taken", f"no port of this machine that the provider may answer to is free ({listed})", hint=hint
    )


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    offer: Callable[[str], bool]

    def do_GET(self) -> None:  # http.server's name for it
        path, _, query = self.path.partition("?")
        ours = self.headers.get("Host") == f"127.0.0.1:{self.server.server_address[1]}"  # type: ignore[index]
        if path != "/callback" or not ours:
            self._answer(404, _NO)
        elif self.offer(query):
            self._answer(200, _DONE)
        else:
            self._answer(400, _NO)

    def _answer(self, status: int, page: str) -> None:
        body = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """What the ``Server`` header says: no versions."""
        return "ssh-jit"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name for it
        """Nothing: the request line carries the code."""

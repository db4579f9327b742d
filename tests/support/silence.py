"""A database that goes silent: a server that is stopped, or a network that lets nothing through.

The network is a proxy on a Unix socket in front of PostgreSQL's own: it forwards, holds everything back as a network
does that drops packets, or cuts every connection.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from tests.support.postgres import Postgres

SOCKET = ".s.PGSQL.5432"


def family(pid: int) -> list[int]:
    """A process and all below it: PostgreSQL's backends are in sessions of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def signal_all(pid: int, number: signal.Signals) -> None:
    """A signal to a process and all below it."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, number)


@contextmanager
def stopped(server: Postgres) -> Iterator[None]:
    """The whole server is stopped (SIGSTOP) inside the block."""
    signal_all(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(server.process.pid, signal.SIGCONT)


class Proxy:
    """Forwards to a server's socket. ``folder`` is where clients find it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.folder = Path(mkdtemp(prefix="ssh-jit-proxy-"))
        self.folder.chmod(0o755)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / SOCKET))
        self._listening.listen(64)
        self._listening.setblocking(False)  # noqa: FBT003 - the socket's own name for it
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._held = threading.Event()
        self._cut = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing goes through inside the block; connections stay open."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    def cut(self) -> None:
        """Ends every connection that is open."""
        self._cut.set()
        while self._cut.is_set():
            time.sleep(0.005)

    def close(self) -> None:
        """Ends all of it."""
        self._closed.set()
        self._thread.join(10)
        self._listening.close()
        shutil.rmtree(self.folder)

    def address(self, server: Postgres, address: str) -> str:
        """A database's address by way of this proxy."""
        return address.replace(str(server.sockets), str(self.folder))

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            while not self._closed.is_set():
                if self._held.is_set():
                    time.sleep(0.01)
                    continue
                if self._cut.is_set():
                    for one in list(self._pairs):
                        self._end(selector, one)
                    self._cut.clear()
                for key, _ in selector.select(0.02):
                    if self._held.is_set():
                        break
                    if key.fileobj is self._listening:
                        self._accept(selector)
                    elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._pairs:
                        self._forward(selector, key.fileobj)
            for one in list(self._pairs):
                self._end(selector, one)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listening.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._target))
        except OSError:
            client.close()
            server.close()
            return
        for one, other in ((client, server), (server, client)):
            self._pairs[one] = other
            selector.register(one, selectors.EVENT_READ)

    def _forward(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 16)
            if data:
                self._pairs[one].sendall(data)
                return
        except OSError:
            pass
        self._end(selector, one)

    def _end(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        if other is None:
            return
        self._pairs.pop(other, None)
        for each in (one, other):
            selector.unregister(each)
            each.close()


@contextmanager
def proxied(server: Postgres) -> Iterator[Proxy]:
    """A proxy in front of a server, gone when the block is left."""
    proxy = Proxy(server.sockets / SOCKET)
    try:
        yield proxy
    finally:
        proxy.close()

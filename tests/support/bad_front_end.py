"""A front end that is in somebody else's hands: it drips, and it gives out values that nobody can send back."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

DRIPPED = (b"", b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
"""What comes at once, before the rest drips: nothing, the beginning of a header, all headers."""


@contextmanager
def dripping(first: bytes = DRIPPED[1]) -> Iterator[str]:
    """Answers everybody with the beginning of a header, and then with a byte of it ten times a second, for ever."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(64 * 1024)
            connection.sendall(first)
            while not over.wait(0.1):
                connection.sendall(b"x")

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            server.join()


@contextmanager
def answering(pieces: Iterable[bytes], *, pause: float = 0.0) -> Iterator[str]:
    """Answers one question with these bytes, piece by piece, with ``pause`` seconds after each."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.settimeout(5)
            connection.recv(64 * 1024)
            for piece in pieces:
                connection.sendall(piece)
                if over.wait(pause):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            server.join()


def flooding() -> AbstractContextManager[str]:
    """Answers with an endless text, as fast as it is read; no header says how long it is."""
    return answering(itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b" " * 64 * 1024)))


UNSENDABLE = (
    "é",
    '"é"',
    "no quotes",
    '"' + "x" * 300 + '"',
    '"tab\tinside"',
    "*",
    '"1", "2", "3"',
    '"1" "2"',
    "",
)
"""ETags that are kept by nobody: they cannot be sent back, or stand for more than the answer that they came with."""

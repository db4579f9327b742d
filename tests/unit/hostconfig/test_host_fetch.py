"""What a hostile front end can cost a host that asks it: nothing without an end, and never more than a line."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sshjit_host import fetch
from sshjit_host.errors import Unreachable

HEAD = b"HTTP/1.1 426 Upgrade Required\r\n"


@contextlib.contextmanager
def raw(*pieces: bytes, pause: float = 0.0) -> Iterator[str]:
    """A front end that answers one request with these bytes, piece by piece."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                if over.wait(pause):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("status", [b"200 OK", b"426 Upgrade Required"])
def test_t49_an_answer_that_trickles_ends(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 4000\r\n\r\n"
    began = time.monotonic()
    with raw(head, *[b" "] * 4000, pause=0.02) as url, pytest.raises(Unreachable):
        fetch.bundle(url, "")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Content-Length: 9\r\n\r\n{}",
        b"Content-Length: 2\r\n\r\n[]",
        b'Content-Length: 14\r\n\r\n{"error": "no"}',
        b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
    ],
)
def test_t49_a_refusal_that_is_none_is_a_line(rest: bytes) -> None:
    with raw(HEAD + rest) as url, pytest.raises(Unreachable, match="answers with status 426"):
        fetch.bundle(url, "")

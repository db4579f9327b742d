"""Requests that never end, at the real program: others are answered meanwhile, and the unfinished ones are cut."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.front_ends import Client
from tests.support.processes import PATIENCE, Processes, build

CUT = 60.0
"""Seconds after which whatever began is certainly over: 10 for the head, 10 for the body, and some for the load."""
THREADS = 24
"""Of the front end, where its configuration does not say."""
ATTEMPTS = 4
LENGTH = b"Content-Length: 60000\r\n\r\n{"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("unfinished")) as made:
        yield made


def unfinished(port: int, framing: bytes, path: str = "/api/v1/login") -> socket.socket:
    """A connection with the beginning of a request."""
    channel = socket.create_connection(("127.0.0.1", port), timeout=CUT)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    channel.sendall(head.encode() + framing)
    return channel


@contextmanager
def many(port: int, framings: Sequence[bytes], number: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(unfinished(port, framings[at % len(framings)])) for at in range(number)]


def answer(channel: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    parts = []
    try:
        while part := channel.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass  # closed with something of ours unread
    return b"".join(parts)


def drip(channels: Sequence[socket.socket], until: float, piece: bytes = b"1\r\n \r\n") -> None:
    """Sends a byte more now and then, which no deadline between two bytes would ever notice."""
    while time.monotonic() < until:
        for channel in channels:
            try:
                channel.sendall(piece)
            except OSError:
                return
        time.sleep(0.5)


def ordinary(port: int, path: str) -> int:
    client = Client(port)
    client.connect()
    assert client._connection is not None
    client._connection.sock.settimeout(PATIENCE)
    client._connection.request("GET", path)
    status = client._connection.getresponse().status
    client.close()
    return status


def unanswered(channels: Sequence[socket.socket]) -> int:
    """How many of them the server still waits for."""
    return len(channels) - len(select.select(channels, [], [], 0)[0])


def cut(channels: Sequence[socket.socket], began: float) -> None:
    """All of them end, those too that go on sending a little."""
    drip(channels[1::2][:6], began + 12)
    until = time.monotonic() + CUT
    for channel in channels:
        channel.settimeout(max(0.1, until - time.monotonic()))
        text = answer(channel)
        assert text.partition(b" ")[2][:3] in (b"408", b"429"), text


@pytest.mark.parametrize("number", [THREADS, 200])
def test_unfinished_bodies_keep_nobody_waiting_and_are_cut(running: Processes, number: int) -> None:
    """As many as there are threads, and many more: by length and in chunks, silent and dripping.

    Others are answered while as many as there are threads are still unfinished: an order, so that a slow machine makes
    no fault of it. Where it was so slow that the deadline came first, there is another attempt.
    """
    port = running.ports.web
    for _ in range(ATTEMPTS):
        with many(port, (LENGTH, CHUNKED), number) as channels:
            began = time.monotonic()
            time.sleep(0.5)
            for path in ("/healthz", "/sign-in", "/bundle", "/readyz"):
                assert ordinary(port, path) == 200, path
            meanwhile = unanswered(channels) >= THREADS
            cut(channels, began)
        assert ordinary(port, "/sign-in") == 200
        if meanwhile:
            return
    pytest.fail("others were answered only when the unfinished requests had been cut")

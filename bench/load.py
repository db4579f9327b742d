"""A load: so many questions in flight, or so many a second, over connections that stay open.

One thread and plain sockets, so that asking costs little beside answering. A load at a fixed rate counts from when the
question was due, not from when it could be sent: a server that stalls does not hide it.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self


class BadAnswer(Exception):
    """An answer that is not a good one: nothing that follows from it would mean anything."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How to connect and ask; ``whole`` gives an answer's length once all of it has arrived, else 0."""

    connect: Callable[[], socket.socket]
    ask: Callable[[], bytes]
    whole: Callable[[bytearray], int]
    good: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Served:
    """What a line of the table loads: ``traffic`` to processes, by their names, so many questions in flight."""

    what: str
    traffic: Traffic
    in_flight: int
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen: answers per second, and how long each took, in seconds."""

    rate: float
    times: list[float]


@dataclass(slots=True)
class _Peer:
    channel: socket.socket
    since: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def closed(traffic: Traffic, *, in_flight: int, seconds: float) -> Load:
    """Keeps ``in_flight`` questions open at any time."""
    with _Line(traffic, in_flight) as line:
        line.warm_up()
        began = time.perf_counter()
        for peer in line.peers:
            line.send(peer, began)
        times: list[float] = []
        while (now := time.perf_counter()) - began < seconds:
            for peer in line.answered(seconds):
                now = time.perf_counter()
                times.append(now - peer.since)
                line.send(peer, now)
        line.drain()
        return Load(len(times) / (now - began), times)


def paced(traffic: Traffic, *, rate: float, in_flight: int, seconds: float) -> Load:
    """Asks ``rate`` times a second, with at most ``in_flight`` questions open."""
    with _Line(traffic, in_flight) as line:
        line.warm_up()
        began = time.perf_counter()
        idle, times, asked = deque(line.peers), list[float](), 0
        while (now := time.perf_counter()) - began < seconds or len(idle) < in_flight:
            due = began + asked / rate
            while idle and due <= now and due - began < seconds:
                line.send(idle.popleft(), due)
                asked += 1
                due = began + asked / rate
            for peer in line.answered(max(0.0, due - now) if idle else 1.0):
                times.append(time.perf_counter() - peer.since)
                idle.append(peer)
        return Load(len(times) / seconds, times)


class _Line:
    """Connections to one server."""

    def __init__(self, traffic: Traffic, count: int) -> None:
        self._traffic = traffic
        self._stack = ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self.peers = [_Peer(self._stack.enter_context(traffic.connect())) for _ in range(count)]
        self._open = 0
        for peer in self.peers:
            self._selector.register(peer.channel, selectors.EVENT_READ, peer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def send(self, peer: _Peer, since: float) -> None:
        peer.since = since
        peer.channel.sendall(self._traffic.ask())
        self._open += 1

    def answered(self, patience: float) -> list[_Peer]:
        """The peers whose answer is complete, after at most ``patience`` seconds."""
        done = []
        for key, _ in self._selector.select(patience):
            peer: _Peer = key.data
            part = peer.channel.recv(1 << 18)
            if not part:
                raise BadAnswer("the server closed a connection")
            peer.received += part
            length = self._traffic.whole(peer.received)
            if length:
                answer = bytes(peer.received[:length])
                del peer.received[:length]
                if not self._traffic.good(answer):
                    raise BadAnswer(answer[-400:].decode("utf-8", "replace"))
                self._open -= 1
                done.append(peer)
        return done

    def drain(self) -> None:
        """Waits for the answers that are still due."""
        until = time.perf_counter() + 20
        while self._open and time.perf_counter() < until:
            self.answered(1.0)

    def warm_up(self) -> None:
        """One question for each connection, that does not count."""
        for peer in self.peers:
            self.send(peer, 0.0)
        self.drain()


def http_length(received: bytearray) -> int:
    """The length of a whole HTTP answer that says its ``Content-Length``."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = bytes(received[:end]).lower()
    at = head.find(b"content-length:")
    body = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return end + 4 + body if len(received) >= end + 4 + body else 0


def http_good(answer: bytes) -> bool:
    """Whether an HTTP answer is a 2xx or a 304."""
    return answer[9:10] == b"2" or answer[9:12] == b"304"


def brings_certificate(answer: bytes) -> bool:
    """Whether an HTTP answer is a 2xx with a user's certificate in it."""
    return answer[9:10] == b"2" and b'"text":"ssh-ed25519-cert-v01@openssh.com AAAA' in answer


def http(port: int, ask: Callable[[], bytes], good: Callable[[bytes], bool] = http_good) -> Traffic:
    """Traffic to an HTTP server on loopback; ``ask`` gives whole requests."""
    return Traffic(lambda: connect(port), ask, http_length, good)


def connect(port: int) -> socket.socket:
    """A connection to a server on loopback that sends at once."""
    channel = socket.create_connection(("127.0.0.1", port), timeout=20)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return channel


def request(method: str, path: str, *, port: int, token: str = "", body: bytes = b"", extra: str = "") -> bytes:
    """A whole HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{extra}"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

"""A thief's front end that says too much to the CA: ``python -m tests.support.flood SOCKET KIND PEERS LOGIN``.

It keeps so many connections open, writes to each as fast as the CA reads, throws the answers away, and comes back when
it is disconnected. It ends when its standard input does.
"""

from __future__ import annotations

import base64
import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sshjit.login import NAMESPACE
from sshjit.sshwire import string, text, u32

_RANDOM = random.Random(7)  # noqa: S311 - the same flood every time
SIZE = 240_000
"""Bytes of a large frame."""


def _frame(kind: str, body: dict[str, Any]) -> bytes:
    said = json.dumps({"v": 1, "id": 1, "type": kind, "body": body}, separators=(",", ":")).encode()
    return len(said).to_bytes(4, "big") + said


def _ask(login: str, hosts: list[Any]) -> bytes:
    fields = {"login": None, "action": "shell", "command": None, "duration": None, "reason": "", "address": ""}
    return _frame("ask", {"login_id": login, "hosts": hosts, **fields, "certificate": False})


def hosts(login: str) -> Iterator[bytes]:
    """One person asks for sixty thousand hosts, again and again."""
    frame = _ask(login, ["h"] * (SIZE // 4))
    while True:
        yield frame


def everybody(_: str) -> Iterator[bytes]:
    """Somebody else asks for as many each time."""
    frame = _ask("login-0000000000000000", ["h"] * (SIZE // 4))
    while True:
        yield frame.replace(b"0" * 16, b"%016d" % _RANDOM.randrange(10**16))


def objects(login: str) -> Iterator[bytes]:
    """What costs the strict reader most for its size."""
    frame = _ask(login, [{}] * (SIZE // 3))
    while True:
        yield frame


def small(_: str) -> Iterator[bytes]:
    """As many questions as possible."""
    frames = b"".join(_frame("health", {}) for _ in range(500))
    while True:
        yield frames


def sign_ins(bits: str) -> Iterator[bytes]:
    """Sign-ins by an RSA key of so many bits, whose signature must be calculated to see that it is none."""
    size = int(bits) // 8
    modulus = b"\0\xff" + _RANDOM.randbytes(size - 2) + b"\x01"
    key = text("ssh-rsa") + string(b"\1\0\1") + string(modulus)
    signature = text("rsa-sha2-512") + string(b"\1" + _RANDOM.randbytes(size - 1))
    blob = b"SSHSIG" + u32(1) + string(key) + text(NAMESPACE) + string(b"") + text("sha512") + string(signature)
    armour = "\n".join(
        ("-----BEGIN SSH SIGNATURE-----", base64.b64encode(blob).decode(), "-----END SSH SIGNATURE-----", "")
    )
    body = {
        "provider": "acme",
        "id_token": "a.b.c",
        "key": f"ssh-rsa {base64.b64encode(key).decode()}",
        "salt": "A" * 22,
        "signature": armour,
        "address": "",
    }
    frames = _frame("login_native", body) * 20
    while True:
        yield frames


FLOODS: dict[str, Callable[[str], Iterator[bytes]]] = {
    "hosts": hosts,
    "everybody": everybody,
    "objects": objects,
    "small": small,
    "sign_ins": sign_ins,
}


class _Peer:
    """One connection."""

    def __init__(self, path: str, said: Iterator[bytes], selector: selectors.BaseSelector) -> None:
        self._path, self._said, self._selector = path, said, selector
        self._left = memoryview(b"")
        self.channel: socket.socket
        self.connect()

    def connect(self) -> None:
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.connect(self._path)
        self.channel.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
        self._left = memoryview(b"")
        self._selector.register(self.channel, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def go_on(self) -> None:
        """Reads and writes what it can."""
        try:
            with suppress(BlockingIOError):
                if not self.channel.recv(1 << 18):
                    raise ConnectionError
            with suppress(BlockingIOError):
                while True:
                    data = self._left or memoryview(next(self._said))
                    self._left = data
                    self._left = data[self.channel.send(data) :]
        except OSError:
            self._selector.unregister(self.channel)
            self.channel.close()
            time.sleep(0.01)
            self.connect()


@contextmanager
def flooding(path: Path, kind: str, peers: int, login: str) -> Iterator[None]:
    """The flood, in a process of its own, while the block runs."""
    arguments = [sys.executable, "-m", "tests.support.flood", str(path), kind, str(peers), login]
    running = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "connected\n"
        yield
        assert running.poll() is None, "the flood ended by itself"
    finally:
        running.stdin.close()
        running.wait(30)
        running.stdout.close()


def main() -> None:
    """Floods until standard input ends."""
    path, kind, peers, login = sys.argv[1:]
    selector = selectors.DefaultSelector()
    said = FLOODS[kind](login)
    for _ in range(int(peers)):
        _Peer(path, said, selector)
    print("connected", flush=True)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            key.data.go_on()


if __name__ == "__main__":
    main()

"""A witness as C2SP tlog-witness asks for one: it verifies, remembers and signs. Tests can make it lie, or be away."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sshjit import checkpoint, cosignature, merkle
from sshjit.errors import Invalid
from sshjit_ca.config import WitnessAddress

Reply = tuple[int, str, bytes]


@dataclass
class TestWitness:
    """A witness of one log, whose checkpoints verify by ``log_key``, or by one that its operator names too."""

    __test__ = False

    log_key: bytes
    name: str = "witness.example.org/one"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    size: int = 0
    root: bytes = merkle.EMPTY
    asked: list[int] = field(default_factory=list)
    """The sizes of which it was told that they are its own."""
    lie: Reply | None = None
    """What it answers instead."""
    url: str = ""
    log_keys: tuple[bytes, ...] = ()

    @property
    def public(self) -> cosignature.Witness:
        """Its name and key."""
        return cosignature.Witness(self.name, self.key.public_key().public_bytes_raw())

    @property
    def address(self) -> WitnessAddress:
        """As ``ca.toml`` names it."""
        return WitnessAddress(self.public, f"{self.url}/")

    def answer(self, body: bytes) -> Reply:
        """What it answers to a request."""
        head, _, note = body.decode().partition("\n\n")
        first, *steps = head.split("\n")
        old = int(first.removeprefix("old "))
        self.asked.append(old)
        for key in (self.log_key, *self.log_keys):
            try:
                point, signature = checkpoint.parse_note(note, key)
                Ed25519PublicKey.from_public_bytes(key).verify(signature, point.text.encode())
            except (Invalid, InvalidSignature):
                continue
            break
        else:
            return 403, "text/plain", b"unknown key\n"
        if old != self.size:
            return 409, cosignature.SIZE_TYPE, f"{self.size}\n".encode()
        if not merkle.consistent(old, self.root, point.size, point.root, [base64.b64decode(step) for step in steps]):
            return 422, "text/plain", b"no proof\n"
        self.size, self.root = point.size, point.root
        return 200, "text/plain", self.line(point).encode()

    def line(self, point: checkpoint.Checkpoint, *, at: int | None = None) -> str:
        """Its signature line over a checkpoint."""
        now = int(time.time()) if at is None else at
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{point.text}".encode())
        raw = self.public.key_hash + now.to_bytes(8, "big") + signature
        return f"\N{EM DASH} {self.name} {base64.b64encode(raw).decode()}\n"


@contextlib.contextmanager
def serving(witness: TestWitness) -> Iterator[TestWitness]:
    """The witness, at a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = (404, "text/plain", b"") if self.path != "/add-checkpoint" else witness.answer(body)
            status, kind, content = reply if witness.lie is None else witness.lie
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status == 302:
                    self.send_header("Location", f"{witness.url}/elsewhere")
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        witness.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield witness
        finally:
            server.shutdown()
            thread.join()

"""A front end that is in somebody else's hands: it drips, and it gives out values that nobody can send back."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DRIPPED = (b"", b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
"""What comes at once, before the rest drips: nothing, the beginning of a header, all headers."""


@contextmanager
def dripping(first: bytes = DRIPPED[1], *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answers everybody with the beginning of a header, and then with a byte of it ten times a second, for ever."""
    over = threading.Event()

    def drip(plain: socket.socket) -> None:
        with suppress(OSError), plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
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
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            server.join()


@contextmanager
def reading_nothing() -> Iterator[str]:
    """Lets everybody connect, and reads nothing of what they send."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def refusing_and_silent(seconds: float) -> Iterator[str]:
    """Refuses the first question after so many seconds, and never answers the second one."""
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            first, _ = listening.accept()
            with first:
                first.recv(64 * 1024)
                over.wait(seconds)
                first.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            second, _ = listening.accept()
            with second:
                over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            server.join()


def tls_of_its_own(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for 127.0.0.1 by a certificate that signs itself, and the file for whoever is to trust it."""
    file, key = folder / "tls.pem", ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


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

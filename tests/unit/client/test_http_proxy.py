"""The way out of a network: a proxy that passes connections on, and certificate authorities of one's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sshjit.errors import Failed
from sshjit_client.network import http_client
from tests.support.tls import tls_server


class Proxy:
    """Understands CONNECT, and nothing else; every name leads to the server of this test."""

    def __init__(self, target: int) -> None:
        self.asked: list[str] = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(here,), daemon=True).start()

    def _pass_on(self, here: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += here.recv(1)
        self.asked.append(head.decode())
        there = socket.create_connection(("127.0.0.1", self._target))
        here.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_copy, args=(there, here), daemon=True)
        back.start()
        _copy(here, there)
        back.join()
        here.close()
        there.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    made = Proxy(target)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_proxy_passes_the_connection_on_and_sees_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server(tmp_path, names=("id.example.com",)) as (port, root), proxy(port) as way:
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        monkeypatch.setenv("https_proxy", f"http://user:pa%20ss@127.0.0.1:{way.port}")
        answer = http_client.exchange("GET", "https://id.example.com/secret-path")
        assert (answer.status, answer.body) == (200, b"{}")
        (asked,) = way.asked
        assert asked.startswith("CONNECT id.example.com:443 ")
        assert "Proxy-Authorization: Basic dXNlcjpwYSBzcw==" in asked
        assert "secret-path" not in asked


def test_no_proxy_for_whom_it_is_not_and_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server(tmp_path) as (port, root), proxy(port) as way:
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{way.port}")
        for host in ("localhost", "127.0.0.1"):
            assert http_client.exchange("GET", f"https://{host}:{port}/").status == 200
        monkeypatch.setenv("no_proxy", "example.com")
        with pytest.raises(Failed):
            http_client.exchange("GET", "https://nobody.example.com/")
        assert way.asked == []


@pytest.mark.parametrize("address", ["https://127.0.0.1:1", "socks5://127.0.0.1:1", "http://"])
def test_a_proxy_that_is_not_understood_is_said(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(Failed, match="proxy in https_proxy is not understood"):
        http_client.exchange("GET", "https://id.example.com/")


def test_a_certificate_that_is_not_trusted_is_said_with_what_to_do(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (port, _), pytest.raises(Failed, match="of localhost is not trusted") as error:
        http_client.exchange("GET", f"https://localhost:{port}/")
    assert "SSL_CERT_FILE" in error.value.hint

"""What ``status`` says of a host that answers, hangs up, or is not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sshjit_client.ssh import reachability

Serve = Callable[[bytes, bool], Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A server that says something to each connection, and hangs up if it should; ssh's configuration for it."""
    with ExitStack() as stack:

        def start(text: bytes, hangs_up: bool) -> Path:  # noqa: FBT001 - what it does
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def answer() -> None:
                channel, _ = server.accept()
                stack.callback(channel.close)
                channel.sendall(text)
                if hangs_up:
                    channel.close()

            thread = threading.Thread(target=answer)
            thread.start()
            stack.callback(thread.join)
            return configuration(tmp_path, server.getsockname()[1])

        yield start


def configuration(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "config"
    path.write_text(f"Host web1\nHostName 127.0.0.1\nPort {port}\n{more}")
    return path


def test_one_that_answers(serve: Serve) -> None:
    said = reachability.explain("web1", serve(b"welcome\r\nSSH-2.0-OpenSSH_10.6\r\n", False))  # noqa: FBT003
    assert "web1 answers at 127.0.0.1 port" in said
    assert "it is the certificate that it refuses" in said


@pytest.mark.parametrize("text", [b"", b"Not allowed at this time\r\n", b"Exceeded MaxStartups\r\n"])
def test_t91_one_that_hangs_up_is_told_from_one_that_refuses(serve: Serve, text: bytes) -> None:
    said = reachability.explain("web1", serve(text, True))  # noqa: FBT003
    assert "web1 hangs up at once" in said
    assert "PerSourcePenalties" in said
    assert "wait half a minute" in said


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = reachability.explain("web1", configuration(tmp_path, port))
    assert said == f"web1 can't be reached at 127.0.0.1 port {port}: Connection refused"


@pytest.mark.parametrize("line", ["ProxyJump bastion", "ProxyCommand nc %h %p"])
def test_behind_a_proxy_it_does_not_knock(tmp_path: Path, line: str) -> None:
    assert reachability.explain("web1", configuration(tmp_path, 1, f"{line}\n")) == ""

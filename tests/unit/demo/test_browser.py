"""The scripted browser, against the real provider and a real loopback listener."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from demo.browser import script
from tests.unit.demo.relying_party import RelyingParty


class Listener(HTTPServer):
    """What ``ssh-jit login`` is to the browser: a loopback address that waits for the answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.seen.append(dict(parse_qsl(urlsplit(self.path).query)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"signed in")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """Alice's $BROWSER."""
    program = tmp_path / "browser-as alice"
    program.write_text(script(sys.executable, "alice", tmp_path / "cookies"))
    program.chmod(0o755)
    return program


def test_it_signs_in_and_delivers_the_code(alice: Path, listener: Listener, native: RelyingParty) -> None:
    native.redirect_uri = f"http://127.0.0.1:{listener.server_port}/callback"
    address = f"{native.issuer}/authorize?{urlencode(native.wish())}"
    for _ in range(2):
        ran = subprocess.run([alice, address], capture_output=True, text=True, timeout=20, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    first, second = listener.seen
    assert first["iss"] == native.issuer
    assert "id_token" in native.exchange(first["code"]).json
    assert second["code"] != first["code"]
    silent = f"{native.issuer}/authorize?{urlencode(native.wish(prompt='none'))}"
    assert subprocess.run([alice, silent], timeout=20, check=False).returncode == 0
    assert "code" in listener.seen[-1], "the cookie of the first sign-in is kept"
    assert (alice.parent / "cookies").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("address", ["http://evil.example/", "https://127.0.0.1/", "file:///etc/passwd", "-h x"])
def test_it_visits_loopback_only(alice: Path, address: str) -> None:
    ran = subprocess.run([alice, address], capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode in {1, 2}
    assert ran.stderr


def test_a_page_that_says_no_is_a_failure(alice: Path, native: RelyingParty) -> None:
    address = f"{native.issuer}/authorize?{urlencode(native.wish(client_id='nobody'))}"
    ran = subprocess.run([alice, address], capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 1
    assert ran.stderr == f"browser-as alice: {native.issuer}/authorize says 400\n"

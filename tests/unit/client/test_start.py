"""What a connection loads of the vocabulary, when, and for what it waits: its start is what a person feels."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sshjit_client.network import http_client
from sshjit_client.storage import files


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("run", {"views", "session"}),
        ("connecting.connection", {"views", "session", "ask", "message", "action_signature"}),
    ],
)
def test_a_connection_loads_what_it_needs_and_no_more(module: str, needed: set[str]) -> None:
    code = f"import sys, sshjit_client.{module}; print(*(name for name in sys.modules if name.startswith('sshjit.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith("sshjit.api.")} == {f"sshjit.api.{name}" for name in needed}
    assert not [name for name in loaded if name.startswith("sshjit.ca_protocol")]


def test_what_the_answer_needs_is_loaded_once_the_request_is_sent() -> None:
    code = (
        "import sys, sshjit_client.connecting.connection as c;"
        "late = {'connecting.certificate', 'trusted_bundle', 'requests.waiting'};"
        "loaded = lambda: sorted(name for name in late if f'sshjit_client.{name}' in sys.modules);"
        "print(loaded()); c._load_rest(); print(loaded())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["[]", "['connecting.certificate', 'trusted_bundle']"]


def test_it_is_loaded_while_the_server_works() -> None:
    """The server here answers only once that has begun: before the answer, and after the whole request."""
    begun, arrived = threading.Event(), []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if begun.wait(10) else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert http_client.exchange("POST", url, body=b"ask", meanwhile=begun.set).status == 200
        thread.join()
    assert arrived == [b"ask"]


def test_only_what_is_to_last_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of minutes is asked for again; a sign-in and a pinned root are not."""
    synced, sync = list[int](), os.fsync

    def fsync(file: int) -> None:
        synced.append(file)
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write(tmp_path / "web1-cert.pub", "certificate", durable=False)
    assert not synced
    files.write(tmp_path / "config.json", "root")
    assert len(synced) == 2, "the file, and its name in the folder"


def test_no_garbage_is_looked_for_while_the_rest_is_loaded(tmp_path: Path) -> None:
    """Loading makes thousands of objects that stay, and each look goes through all of them."""
    code = (
        "import gc, sys; from sshjit_client.__main__ import main; looks = [];"
        "sys.argv = ['ssh-jit', 'web1']; gc.collect();"
        "gc.callbacks.append(lambda phase, _: looks.append(phase));"
        "print(main(), 'sshjit_client.storage.machine' in sys.modules, len(looks))"
    )
    folders = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"), str(tmp_path))
    environment = {**os.environ, **folders}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["2", "True", "0"], "this machine is not set up; the rest was loaded"

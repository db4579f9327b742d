"""A development provider in a process of its own, reached over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE
from tests.unit.demo.relying_party import CLIENTS, PEOPLE, SECRET, WEB, WEB_REDIRECT, RelyingParty


def start(config: Path) -> tuple[subprocess.Popen[str], str]:
    """Starts a provider and waits until it listens; returns it and its issuer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.provider", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["issuer"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(config: Path, settings: dict[str, object]) -> Iterator[str]:
    """A provider with these settings, until it is told to end."""
    config.write_text(json.dumps(settings | {"people": PEOPLE, "clients": CLIENTS}))
    process, found = start(config)
    yield found
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = tmp_path_factory.mktemp("provider") / "acme.json"
    settings = {"id": "acme", "title": "Acme", "port": free_port(), "token_lifetime": 240}
    with running(config, settings) as found:
        yield found


@pytest.fixture
def native(issuer: str) -> RelyingParty:
    """The native client in a fresh browser."""
    return RelyingParty(issuer)


@pytest.fixture
def web(issuer: str) -> RelyingParty:
    """The confidential client in a fresh browser."""
    return RelyingParty(issuer, client_id=WEB, redirect_uri=WEB_REDIRECT, secret=SECRET)


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[dict[str, object]], str]:
    """Starts a provider with a configuration that it must refuse; returns what it says."""

    def run(changes: dict[str, object]) -> str:
        config = tmp_path / "bad.json"
        good: dict[str, object] = {"id": "acme", "title": "Acme", "port": 1, "people": PEOPLE, "clients": CLIENTS}
        config.write_text(json.dumps(good | changes))
        command = [sys.executable, "-m", "demo.provider", "--config", str(config)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode == 2
        assert ended.stdout == ""
        return ended.stderr

    return run

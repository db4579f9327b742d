"""The surroundings of the client's tests: an installation, a server, and a person's machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sshjit_client import paths
from tests.unit.client.installation import Installation
from tests.unit.client.sshd import host
from tests.unit.client.standin import Server
from tests.unit.client.standin_http import serving

BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    answer.read()
"""


@dataclass(frozen=True, slots=True)
class Laptop:
    """A person's machine: an environment of its own, and the command as they type it."""

    env: dict[str, str]

    def run(self, *words: str, timeout: float = 20, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sshjit_client", *words],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sshjit_client", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def state(self) -> Path:
        return Path(paths.state_folder(self.env))

    @property
    def config(self) -> Path:
        return Path(paths.config_folder(self.env))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("client") / "installation")


@pytest.fixture(scope="session")
def web1(installation: Installation) -> Iterator[int]:
    """The port of the host web1."""
    with host(installation, "web1", "deploy@web1") as port:
        yield port


@pytest.fixture
def server(installation: Installation, web1: int) -> Iterator[Server]:
    with serving(Server(installation, web1)) as memory:
        yield memory


@pytest.fixture
def stranger(tmp_path: Path) -> Laptop:
    """A machine that is not set up."""
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    return Laptop(
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "XDG_RUNTIME_DIR": str(runtime),
            "BROWSER": f"{sys.executable} {script}",
            "LC_ALL": "C.UTF-8",
        }
    )


@pytest.fixture
def laptop(stranger: Laptop, server: Server) -> Laptop:
    """A machine that is set up for the server."""
    done = stranger.run("setup", server.url, "--root", server.installation.root.fingerprint)
    assert done.returncode == 0, done.stderr
    return stranger

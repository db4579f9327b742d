"""The surroundings of the client's tests: a server with a host, keys to make bundles with, and people's machines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sshjit_client.console.terminal import Terminal
from sshjit_client.storage import paths
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import Settings, listed
from tests.support.client_server import NAMES, ClientServer, client_server
from tests.unit.client.installation_keys import InstallationKeys
from tests.unit.client.scripted_bundles import ScriptedBundles, serving
from tests.unit.client.ssh_server import ssh_server

BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(f"{sys.argv[2]}&login_hint={sys.argv[1]}", timeout=10) as answer:
    answer.read()
"""
PRINCIPALS = ["deploy@web1", "postgres@db1", "root@db1"]
"""What the host lets in: not ``guest``, which policy allows."""


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

    def set_up(self, server: ClientServer) -> None:
        """Sets the machine up for the server."""
        done = self.run("setup", server.url, "--root", server.root)
        assert done.returncode == 0, done.stderr

    @property
    def state(self) -> Path:
        """The folder of the current sign-in; of no file, if there is none."""
        (name,) = paths.installations(self.env)
        return Path(next(iter(paths.login_folders(self.env, name)), self.place / name / "nobody"))

    @property
    def place(self) -> Path:
        """The folder in which the sign-ins are."""
        return Path(paths.places(self.env)[0])

    @property
    def config(self) -> Path:
        return Path(paths.config_folder(self.env))

    @property
    def settings(self) -> Settings:
        """What the person set for the only installation."""
        (settings,) = listed(self.env).values()
        return settings


def here(folder: Path, terminal: Terminal | None = None) -> Machine:
    """A machine that keeps everything in this one folder, for what runs in this process."""
    return Machine(dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(folder)), terminal or Terminal())


def machine(folder: Path, person: str) -> Laptop:
    """A machine that is not set up, whose browser signs in as this person."""
    folder.mkdir(parents=True)
    script = folder / "browser.py"
    script.write_text(BROWSER)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    return Laptop(
        {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(runtime),
            "BROWSER": f"{sys.executable} {script} {person}",
            "LC_ALL": "C.UTF-8",
        }
    )


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> InstallationKeys:
    return InstallationKeys.make(tmp_path_factory.mktemp("client") / "installation")


@pytest.fixture
def bundles(installation: InstallationKeys) -> Iterator[ScriptedBundles]:
    with serving(ScriptedBundles(installation)) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClientServer]:
    """The front end and the CA, with a host that answers for all of its names."""
    with client_server(tmp_path) as server:
        context = server.front.ca.context
        host_ca, user_ca = server.front.ca.config.key_file("host_ca"), context.keys.public("user_ca").line
        with ssh_server(tmp_path, NAMES, PRINCIPALS, host_ca, user_ca) as port:
            for name in ("web1", "db1", "vault1"):
                server.host(name, port)
            yield server


@pytest.fixture
def stranger(tmp_path: Path) -> Laptop:
    """Alice's machine, not set up."""
    return machine(tmp_path / "alice", "alice")


@pytest.fixture
def laptop(stranger: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, set up for the server."""
    stranger.set_up(server)
    return stranger


@pytest.fixture
def bob(tmp_path: Path, server: ClientServer) -> Laptop:
    """Bob's machine, set up; he approves, reviews and locks."""
    bob = machine(tmp_path / "bob", "bob")
    bob.set_up(server)
    return bob

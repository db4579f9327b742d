"""The client by the Python of other Debian releases, installed from the wheel: a day of somebody, on a real lab.

Every run has Debian 13's (3.13) and the newest (sid's); ``SSH_JIT_TEST_SUITES`` asks for others. Only root can make
their systems.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from demo.lab import Lab
from tests.support import debian_root
from tests.support.debian_root import System

SUITES = tuple(os.environ.get("SSH_JIT_TEST_SUITES", "trixie sid").split())
LAUNCHER = """#!/usr/bin/python3 -Werror::DeprecationWarning
import sys
sys.path.insert(0, {folder!r})
from sshjit_client.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class OtherLaptop:
    """Alice's laptop with another system: its Python, and its ssh."""

    system: System
    lab: Lab
    installed: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command there; the browser is the lab's, with its own Python."""
        env = {**self.lab.person("alice").env, "PATH": f"{self.installed}:/usr/sbin:/usr/bin:/sbin:/bin"}
        share = [REPOSITORY, Path(sys.base_prefix), self.installed, Path(env["HOME"]).parents[2]]
        inside = self.system.inside([self.installed / words[0], *words[1:]], share=share)
        return subprocess.run(inside, env=env, capture_output=True, text=True, check=False, timeout=120)

    def said(self, *words: str) -> str:
        """The standard output of a command that has to work."""
        done = self.run("ssh-jit", *words)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout


@pytest.fixture(params=SUITES)
def laptop(lab: Lab, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OtherLaptop]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    installed = tmp_path / "installed"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(installed)
    for name, text in (
        ("ssh-jit", LAUNCHER.format(folder=str(installed))),
        ("python", '#!/bin/sh\nexec python3 "$@"\n'),
    ):
        (installed / name).write_text(text)
        (installed / name).chmod(0o755)
    laptop = OtherLaptop(debian_root.system(str(request.param)), lab, installed)
    yield laptop
    laptop.run("ssh-jit", "logout")


def test_a_day_by_another_python(laptop: OtherLaptop) -> None:
    version = laptop.run("python", "-c", "import sys; print(sys.version_info[:2] > (3, 11))").stdout
    assert version == "True\n"
    assert laptop.said("--version").startswith("ssh-jit 0.")
    first = laptop.run("ssh-jit", "web1", "whoami")
    assert first.stdout == f"{laptop.lab.hosting.hosts['web1'].login}\n", first.stderr
    assert "signing in with Acme in your browser" in first.stderr
    with laptop.lab.ca.pause(), laptop.lab.web.pause():
        assert laptop.said("web1", "echo again") == "again\n"
    assert "deploy@web1" in laptop.said("requests")
    assert [host["access"] for host in json.loads(laptop.said("hosts", "--json"))["hosts"]] == ["open", "denied"]
    assert "is open to Alice (acme) until" in laptop.said("log")
    assert "clock" in laptop.said("status")
    assert "Host web1\n" in laptop.said("config", "--inline")
    assert len(laptop.said("path", "web1").split()) == 3
    assert laptop.said("explain", "db1").startswith("Alice")
    assert "sshd took the certificate" in laptop.said("doctor", "web1")
    assert laptop.run("ssh-jit", "nowhere", "true").returncode == 2
    denied = laptop.run("ssh-jit", "--action", "nosuch", "web1")
    assert (denied.returncode, "Traceback" in denied.stderr) == (4, False)
    laptop.said("done", "web1")

"""A second CA on a machine of its own, by the commands of ``docs/high-availability.md``, until it takes over.

The commands are read there and typed in a shell. What a machine has one of stands for folders of the test: the second
machine's ``/etc/ssh-jit`` and home; ``scp`` from the first machine copies from the first one's folders.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.waiting import wait_until

GUIDE = Path(__file__).parents[2] / "docs" / "high-availability.md"


def commands() -> list[str]:
    """Those of the section, in their order."""
    section = GUIDE.read_text().partition("## A CA that stands by")[2].partition("\n## ")[0]
    block = re.search(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1].splitlines()


@pytest.fixture
def first(tmp_path: Path) -> Iterator[tuple[Installation, CaProcess]]:
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = stack.enter_context(postgres.running())
        folder = tmp_path / "first"
        folder.mkdir()
        ca = Installation(folder, issuers, time=time.time(), boot=time.time(), database=server.new())
        ca.store.close()
        process = CaProcess.start(folder / "ca.toml", ca.config.admin_socket)
        stack.callback(process.end)
        process.notification()
        wait_until(process.ready)
        where = (
            "--label",
            "env=staging",
            "--address",
            "192.0.2.10",
            "--login",
            "deploy",
            "--url",
            "https://access.example.com",
        )
        run_command(folder / "ca.toml", "host", "add", "web1", *where)
        yield ca, process


def test_a_second_machine_stands_by_and_takes_over(first: tuple[Installation, CaProcess], tmp_path: Path) -> None:
    ca, process = first
    etc, home = tmp_path / "etc", tmp_path / "home"
    user = pwd.getpwuid(os.geteuid()).pw_name
    home.mkdir(mode=0o700)  # which init makes for the settings in /etc/ssh-jit, as root
    told = ""
    for typed in commands():
        command = typed.replace("scp -rp ca1:", "cp -rp ").replace("scp -p ca1:", "cp -p ").replace(" ca1:", " ")
        source, _, target = command.rpartition(" ")
        if command.startswith("cp"):  # from the first machine's folders into the second one's
            source = source.replace("/etc/ssh-jit", str(ca.home)).replace("/var/lib/ssh-jit-ca", str(ca.config.home))
        command = f"{source} {target}".replace("/etc/ssh-jit", str(etc)).replace("/var/lib/ssh-jit-ca", str(home))
        command = command.replace(
            "/opt/ssh-jit/bin/ssh-jit-ca", f"{sys.executable} -m sshjit_ca --config {etc}/ca.toml"
        )
        command = command.replace("chown -R ssh-jit-ca:", f"chown -R {user}:")
        if " -m venv " in typed or "/pip " in typed:
            continue  # this program is installed already
        if command.startswith("systemctl"):
            break
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
        if "sshjit_ca" in command:  # settings elsewhere than in /etc/ssh-jit: their init prints the error alone
            told = done.stdout + done.stderr
            assert not (home / "keys").exists(), "it makes no keys of its own"
            continue
        assert done.returncode == 0, f"{typed}\n{done.stdout}{done.stderr}"
        if "ca.toml" in typed or "{ca," in typed:
            text = (etc / "ca.toml").read_text()
            own = text.replace(f'home = "{ca.config.home}"', f'home = "{home}"')
            assert own != text
            for name in ("admin.sock", "web.sock"):
                own = own.replace(f"{ca.home}/{name}", f"{tmp_path}/{name}")
            (etc / "ca.toml").write_text(own)
    assert "has the log of a CA that has started" in told
    assert f"copy `keys` and `invitation-secret` of the first one's home into {home}" in told
    second = CaProcess.start(etc / "ca.toml", tmp_path / "admin.sock")
    try:
        assert "stand" in second.notification().lower()
        process.process.kill()
        process.process.wait()
        assert "serving" in second.notification().lower()
        wait_until(second.ready)
        run_command(etc / "ca.toml", "log", "verify")
    finally:
        second.end()


def test_what_a_damaged_first_home_hears_is_another_thing(first: tuple[Installation, CaProcess]) -> None:
    """With its checkpoint there, or on SQLite, it is the CA itself, whose keys are missing."""
    ca, process = first
    process.end()
    (ca.config.home / "keys").rename(ca.config.home / "away")
    said = run_command(ca.home / "ca.toml", "init", code=2)
    assert "already contains keys of a CA that has started" in said

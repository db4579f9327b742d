"""``ssh-jit-ca log`` on a running CA: shown, followed, proved, verified against checkpoints, exported, forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sshjit import checkpoint
from sshjit import messages as m
from sshjit.errors import Failed
from sshjit_ca.cli import admin
from sshjit_ca.keys import lineage
from sshjit_ca.log import snapshots
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until


class Running:
    """A CA that runs by itself, with the log of a few certificates."""

    def __init__(self, home: Path, ca: Installation, lines: list[str]) -> None:
        self.home, self.ca, self.lines = home, ca, lines
        self.env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml"), "PYTHONUNBUFFERED": "1"}
        self.process = self.start("serve")
        wait_until(self.answers)

    def answers(self) -> bool:
        with suppress(Failed):
            return admin.call(self.ca.config.admin_socket, m.Health(), m.HealthReply).ready
        return False

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sshjit_ca", *map(str, arguments)]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None) -> str:
        command = [sys.executable, "-m", "sshjit_ca", "log", *map(str, arguments)]
        done = subprocess.run(command, env=env or self.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.add_host("web1", env="staging")
        login, lines = ca.native(ALICE), []
        (tmp_path / "older").write_text(ca.desk.journal.checkpoint)
        for _ in range(2):
            view = ca.ask(login, "web1").certificate
            assert view is not None
            lines.append(view.text)
        ca.stop()
        for number, line in enumerate(lines):
            (tmp_path / f"{number}-cert.pub").write_text(f"{line} alice\n")
        found = Running(tmp_path, ca, lines)
        yield found
        found.stop()


def test_t44_a_proof_is_made_and_checked_without_the_ca(running: Running) -> None:
    home = running.home
    public = lineage.raw(running.ca.desk.keys.public("log"))
    key = checkpoint.verifier_key(running.ca.config.origin, public)
    running.run("prove", home / "0-cert.pub", "-o", home / "0.tlog-proof")
    nowhere = {**os.environ, "SSH_JIT_CA_CONFIG": "/nonexistent/ca.toml"}
    assert running.run("key") == f"{key}\n"
    check: list[str | Path] = ["verify-proof", home / "0.tlog-proof", "--log-key", key]
    assert "of the log test/ssh-jit" in running.run(*check, "--certificate", home / "0-cert.pub", env=nowhere)
    assert "another place" in running.run(*check, "--certificate", home / "1-cert.pub", code=2, env=nowhere)
    other = checkpoint.verifier_key(running.ca.config.origin, bytes(32))
    forged: list[str | Path] = [
        "verify-proof",
        home / "0.tlog-proof",
        "--log-key",
        other,
        "--certificate",
        home / "0-cert.pub",
    ]
    assert "not signed" in running.run(*forged, code=2, env=nowhere)


def test_t45_the_log_is_verified_against_older_and_newer_checkpoints(running: Running) -> None:
    home = running.home
    assert "the log is whole" in running.run("verify", "--against", home / "older")
    (home / "newer").write_text((home / "ca" / "checkpoint").read_text())
    running.stop()
    store = Store(running.ca.config.database)
    assert next(snapshots.stored(store)).size == store.head().size  # type: ignore[union-attr]
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entries WHERE number = (SELECT max(number) FROM entries)")
    store.close()
    assert "it was cut" in running.run("verify", "--against", home / "newer", code=1)


def test_it_is_shown_followed_and_exported(running: Running) -> None:
    assert running.run("show", "--kind", "certificate", "--host", "web1").count("certificate ") >= 2
    assert "no such entries" in running.run("show", "--person", "nobody@example.com")
    assert "not a time" in running.run("show", "--since", "yesterday", code=2)
    follower = running.start("log", "tail", "-f", "-n", "1")
    assert follower.stdout is not None
    follower.stdout.readline()
    admin.call(running.ca.config.admin_socket, m.ReadBundle(None), m.BundleReply)
    assert "bundle" in follower.stdout.readline()
    follower.terminate()
    follower.communicate(timeout=PATIENCE)
    *entries, last = map(json.loads, running.run("export").splitlines())
    assert [each["entry"] for each in entries] == list(range(last["size"]))
    assert json.loads(running.run("export", "--format", "ocsf", "--from", "3").splitlines()[0])["category_uid"] == 3


def test_nothing_is_old_enough_to_be_forgotten(running: Running) -> None:
    assert "0 details would be erased" in running.run("forget", "--older-than", "400d", "--dry-run")
    assert "kept for" in running.run("forget", "--older-than", "2d", code=2)

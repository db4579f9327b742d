"""``ssh-jit-ca log`` on a running CA: shown, followed, proved, verified against checkpoints, exported, forgotten."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import checkpoint
from sshjit_ca.keys import succession
from sshjit_ca.log import snapshots
from sshjit_ca.operations import admin_client
from sshjit_ca.storage.store import Store
from tests.support import warm_programs
from tests.support.ca_process import CaProcess
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until


class Running:
    """A CA that runs by itself, with the log of a few certificates."""

    def __init__(self, home: Path, ca: Installation, lines: list[str]) -> None:
        self.home, self.ca, self.lines = home, ca, lines
        self.env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml"), "PYTHONUNBUFFERED": "1"}
        self.begin()

    def begin(self) -> None:
        self.process = CaProcess.start(self.home / "ca.toml", self.ca.config.admin_socket)
        wait_until(self.process.ready)

    def happen(self) -> int:
        """Makes an entry; its number."""
        target = f"SHA256:{base64.b64encode(os.urandom(32)).decode().rstrip('=')}"
        admin_client.call(self.ca.config.admin_socket, m.Lock(None, "key", target, "lost"), m.LockReply)
        return admin_client.call(self.ca.config.admin_socket, m.ReadLog(None, None, 1), m.LogReply).size - 1

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sshjit_ca", *map(str, arguments)]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None) -> str:
        done = warm_programs.run(["log", *map(str, arguments)], PATIENCE, env or self.env)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def stop(self) -> None:
        self.process.end()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.add_host("web1", env="staging")
        login, lines = ca.native(ALICE), []
        (tmp_path / "older").write_text(ca.context.journal.checkpoint)
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
    public = succession.raw(running.ca.context.keys.public("log"))
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
    said = running.run("verify", "--against", home / "older")
    assert "the log is whole" in said
    assert f"{home / 'older'} (" in said
    assert f"{home / 'ca' / 'checkpoint'} (" in said
    (home / "newer").write_text((home / "ca" / "checkpoint").read_text())
    running.stop()
    store = Store(running.ca.config.database)
    assert snapshots.stored(store)[0].size == store.head().size  # type: ignore[union-attr]
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entries WHERE number = (SELECT max(number) FROM entries)")
    store.close()
    assert "it was cut" in running.run("verify", "--against", home / "newer", code=1)


def test_t10_verify_says_what_it_was_held_against_also_where_our_own_checkpoint_is_gone(running: Running) -> None:
    remembered = running.home / "ca" / "checkpoint"
    told = json.loads(running.run("verify", "--json"))
    assert told["against"] == {str(remembered): told["size"]}
    running.stop()
    remembered.write_bytes(b"")
    said = running.run("verify")
    assert f"{remembered} is empty" in said
    assert f"{remembered} holds no checkpoint" in said
    remembered.unlink()
    said = running.run("verify")
    assert "the log is whole" in said
    assert f"{remembered} holds no checkpoint" in said
    assert "--against FILE" in said
    assert json.loads(running.run("verify", "--json"))["against"] == {}


def test_it_is_shown_followed_and_exported(running: Running) -> None:
    assert running.run("show", "--kind", "certificate", "--host", "web1").count("certificate ") >= 2
    assert "no such entries" in running.run("show", "--person", "nobody@example.com")
    assert "not a time" in running.run("show", "--since", "yesterday", code=2)
    follower = running.start("log", "tail", "-f", "-n", "1")
    assert follower.stdout is not None
    follower.stdout.readline()
    admin_client.call(running.ca.config.admin_socket, m.ReadBundle(None), m.BundleReply)
    assert "bundle" in follower.stdout.readline()
    follower.terminate()
    follower.communicate(timeout=PATIENCE)
    *entries, last = map(json.loads, running.run("export").splitlines())
    assert [each["entry"] for each in entries] == list(range(last["size"]))
    assert json.loads(running.run("export", "--format", "ocsf", "--from", "3").splitlines()[0])["category_uid"] == 3


def test_a_line_of_sshd_leads_to_the_entry(running: Running) -> None:
    newest, *_ = json.loads(running.run("show", "--kind", "certificate", "--json"))["entries"]
    serial = json.loads(newest["fact"])["body"]["serial"]
    key = json.loads(newest["detail"])["key"]
    ca = f"CA ED25519 SHA256:{'c' * 43}"
    by_serial = running.run("find", f"Failed publickey for deploy from ::1 port 1 ssh2: ID x (serial {serial}) {ca}")
    assert by_serial.startswith("sshd says: it was refused\n")
    assert f"certificate {serial} for " in by_serial
    revoked = f"error: Authentication key ED25519-CERT {key} revoked by file /etc/ssh/ssh-jit/krl"
    assert f"certificate {serial} for " in running.run("find", *revoked.split(" "))
    assert [each["index"] for each in json.loads(running.run("find", revoked, "--json"))["entries"]][-1:]
    unknown = f'certificate ID "x" serial={serial + 1} signed by ED25519 CA SHA256:{"c" * 43}'
    other = running.run("find", unknown, code=1)
    assert f"no entry of this log is the certificate {serial + 1}" in other
    assert "says nothing of a certificate" in running.run("find", "Connection closed", code=2)


def test_nothing_is_old_enough_to_be_forgotten(running: Running) -> None:
    assert "0 details would be erased" in running.run("forget", "--older-than", "400d", "--dry-run")
    assert "kept for" in running.run("forget", "--older-than", "2d", code=2)


def numbers(output: Iterable[str], last: int) -> list[int]:
    """The entries that a follower prints, up to ``last``."""
    found: list[int] = []
    for line in output:
        found.append(json.loads(line)["index"])
        if found[-1] >= last:
            break
    return found


def test_who_follows_waits_for_a_ca_that_restarts_and_loses_and_doubles_nothing(running: Running) -> None:
    known = running.happen()
    follower = running.start("log", "tail", "-f", "--json", "--after", str(known))
    assert follower.stdout is not None
    assert follower.stderr is not None
    first = running.happen()
    found = numbers(follower.stdout, first)
    for _ in range(2):
        running.stop()
        assert "waiting for the CA" in follower.stderr.readline()
        running.begin()
        found += numbers(follower.stdout, running.happen())
        assert follower.stderr.readline() == "ssh-jit-ca: the CA answers again\n"
    assert found == list(range(known + 1, found[-1] + 1))
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=PATIENCE) == ("", "")
    assert follower.returncode == 130
    again = running.run("tail", "--json", "--after", str(first)).splitlines()
    assert numbers(again, found[-1]) == list(range(first + 1, found[-1] + 1))


def test_who_follows_ends_when_nobody_reads_though_nothing_happens(running: Running) -> None:
    follower = running.start("log", "tail", "-f", "-n", "1")
    assert follower.stdout is not None
    assert follower.stderr is not None
    follower.stdout.readline()
    follower.stdout.close()
    assert follower.wait(timeout=PATIENCE) == 1
    assert follower.stderr.read() == ""
    follower.stderr.close()


@pytest.mark.parametrize(("lost", "said"), [(1, "is not what it was"), (30, "the log became shorter")])
def test_who_follows_is_told_that_the_log_was_restored_from_an_older_copy(
    running: Running, lost: int, said: str
) -> None:
    database = running.home / "ca" / "ca.db"
    running.stop()
    shutil.copy(database, running.home / "older.db")
    running.begin()
    last = [running.happen() for _ in range(lost)][-1]
    follower = running.start("log", "tail", "-f", "--json")
    assert follower.stdout is not None
    assert follower.stderr is not None
    numbers(follower.stdout, last)
    running.stop()
    assert "waiting for the CA" in follower.stderr.readline()
    restored = running.start("restore", running.home / "older.db", "--accept-loss", "--reason", "drill")
    assert restored.communicate(timeout=PATIENCE)[1] == ""
    running.begin()
    _, err = follower.communicate(timeout=PATIENCE)
    assert follower.returncode == 1
    assert said in err
    assert "older copy" in err
    assert "became shorter" in running.run("tail", "--after", "100000", code=1)

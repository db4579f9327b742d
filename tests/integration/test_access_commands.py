"""``ssh-jit-ca host``, ``lock``, ``revoke``, ``hardware-key``: the commands, at a CA that runs."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import ALICE, Installation, make_key
from tests.support.issuer import serving
from tests.support.softkey import SoftKey
from tests.support.waiting import wait_until

INVALID, REFUSED = 2, 4
"""Exit codes."""


@dataclass
class Operator:
    """Somebody at the CA's machine."""

    home: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        """Runs ``ssh-jit-ca``; what it said."""
        return run_command(self.home / "ca.toml", *arguments, code=code)

    def read(self, *arguments: str) -> Any:
        """The same, as JSON."""
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """A CA that runs, after Alice signed in."""
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time())
        ca.add_host("web1", env="staging")
        ca.ask(ca.native(ALICE), "web1")
        ca.stop()
        running = CaProcess.start(tmp_path / "ca.toml", tmp_path / "admin.sock")
        try:
            wait_until(running.ready)
            yield Operator(tmp_path)
        finally:
            running.end()


def test_a_person_is_locked_and_unlocked(operator: Operator) -> None:
    assert operator.run("locks") == "nothing is locked\n"
    said = operator.run("lock", "--person", "acme/alice@example.com", "--reason", "laptop stolen")
    assert "a-1 (acme) is locked" in said
    assert "revoked: 1 grant, 1 sign-in, 1 valid certificate" in said
    (lock,) = operator.read("locks")["locks"]
    assert (lock["kind"], lock["reason"], lock["by"]) == ("person", "laptop stolen", "the operator")
    assert lock["id"] in said
    assert "a-1 (acme)" in operator.run("locks")
    assert "already locked" in operator.run("lock", "--person", "acme/a-1", "--reason", "x", code=INVALID)
    assert lock["id"] in operator.run("unlock", lock["id"], "--reason", "laptop found")
    assert operator.read("locks")["locks"] == []
    operator.run("unlock", lock["id"], "--reason", "again", code=INVALID)
    log = operator.run("log", "show")
    assert 'locked by the operator: "laptop stolen"' in log
    assert 'removed by the operator: "laptop found"' in log


def test_everything_and_a_sign_in(operator: Operator) -> None:
    assert "everything is locked" in operator.run("lock", "--everything", "--reason", "intruder")
    assert "everything is locked since" in operator.run(
        "host", "add", "web2", "--address", "192.0.2.2", "--label", "env=staging", code=REFUSED
    )
    lock = operator.read("locks")["locks"][0]["id"]
    operator.run("unlock", lock, "--reason", "over")
    facts = [json.loads(entry["fact"]) for entry in operator.read("log", "show")["entries"]]
    login = next(fact["body"]["login"] for fact in facts if fact["kind"] == "login")
    assert "revoked" in operator.run("revoke", "--login", login, "--reason", "laptop lost")
    assert "already ended" in operator.run("revoke", "--login", login, "--reason", "laptop lost", code=INVALID)


@pytest.mark.parametrize("arguments", [(), ("--person", "x", "--everything"), ("--host", "web1")])
def test_a_lock_is_one_thing_with_a_reason(operator: Operator, arguments: tuple[str, ...]) -> None:
    reason = () if arguments == ("--host", "web1") else ("--reason", "x")
    operator.run("lock", *arguments, *reason, code=2)


def test_a_host_from_its_token_to_its_end(operator: Operator) -> None:
    said = operator.run("host", "add", "web9", "--address", "192.0.2.9", "--label", "env=staging")
    token = re.search(r"one-time token to join +(\S{43})\n", said)
    assert token
    assert token.group(1) not in operator.run("log", "show", "--json")
    assert token.group(1) not in operator.run("host", "invite", "web9")
    operator.run("host", "label", "web9", "env=prod", "role=db")
    assert "env=prod role=db" in operator.run("host", "list")
    assert "no keys yet" in operator.run("host", "sign", "web9")
    operator.run("host", "remove", "web9", "--reason", "scrapped")
    assert "web9" not in operator.run("host", "list")
    again = operator.read("host", "add", "web9", "--address", "192.0.2.9", "--label", "env=staging")
    assert again["host"]["id"] == "web9~2"


def test_a_host_s_keys_are_certified_again(operator: Operator) -> None:
    keys = [make_key(operator.home / f"host-{kind}", kind) for kind in ("ed25519", "ecdsa")]
    files = [part for key in keys for part in ("--host-key", f"{key}.pub")]
    operator.run("host", "add", "web9", "--address", "192.0.2.9", "--label", "env=staging", *files)
    first = [Path(f"{key}-cert.pub").read_text() for key in keys]
    assert len(operator.run("host", "sign", "web9", *files).splitlines()) == 2
    second = [Path(f"{key}-cert.pub").read_text() for key in keys]
    assert not set(first) & set(second)
    for key in keys:
        shown = subprocess.run(
            ["ssh-keygen", "-L", "-f", f"{key}-cert.pub"], check=True, capture_output=True, text=True
        )
        assert "host certificate" in shown.stdout
    other = make_key(operator.home / "other")
    assert "is not one of the keys of web9" in operator.run(
        "host", "sign", "web9", "--host-key", f"{other}.pub", code=INVALID
    )


def test_a_hardware_key_is_vouched_for(operator: Operator) -> None:
    key = operator.home / "device.pub"
    key.write_text(SoftKey().line + " alice's device\n")
    said = operator.run("hardware-key", "add", "acme/alice@example.com", str(key))
    fingerprint = re.search(r"SHA256:\S+", said)
    assert fingerprint
    assert "sk-ssh-ed25519@openssh.com" in operator.run("hardware-key", "list")
    operator.run("hardware-key", "add", "acme/alice@example.com", str(key), code=INVALID)
    operator.run("hardware-key", "remove", fingerprint.group(), "--reason", "lost")
    assert "no hardware key" in operator.run("hardware-key", "list")

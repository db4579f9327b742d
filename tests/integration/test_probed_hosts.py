"""``ssh-jit-ca host probe`` on a server that has joined: CA, front end, host program and a newest sshd are real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import joining_machine, processes
from tests.support.host_machine import Authority, free_port
from tests.support.joining_machine import PROGRAM, Machine
from tests.support.processes import BIN, Processes
from tests.support.waiting import wait_until

LOG = "/var/log/sshd.log"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Processes]:
    """A CA that allows probes, and a front end."""
    folder = tmp_path / "parts"
    folder.mkdir()
    with processes.build(folder) as started:
        path = started.paths.etc / "ca.toml"
        path.write_text(f"{path.read_text()}\n[probe]\nenabled = true\n")
        start_anew(started)
        yield started


@pytest.fixture
def machine(parts: Processes, tmp_path: Path) -> Iterator[Machine]:
    """A server that has joined for ``deploy``, by the line of the CA, with sshd's own penalties."""
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    with joining_machine.machine(Authority(tmp_path), nothing, name="web9", port=free_port()) as made:
        made.path(PROGRAM).unlink()
        made.path("/etc/ssh/sshd_config.d/90-owner.conf").unlink()
        words = ("--address", "127.0.0.1", "--port", str(made.port), "--label", "env=staging", "--login", "deploy")
        text = parts.operator("host", "add", "web9", *words, "--url", parts.url)
        made.sh(text.rstrip("\n").splitlines()[-1].replace(" | sudo ", " | ") + " 2>&1")
        yield made


def start_anew(parts: Processes) -> None:
    """Starts the CA again, which also forgets that it must wait between two probes."""
    parts.stop("ca")
    parts.start("ca")


def probe(parts: Processes, *words: str, code: int = 0) -> dict[str, Any]:
    """The command, which must end with this code; what it says of web9."""
    command = [str(BIN / "ssh-jit-ca"), "host", "probe", *(words or ("web9",)), "--json"]
    done = subprocess.run(command, env=parts._env(), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    hosts: dict[str, Any] = {host["name"]: host for host in json.loads(done.stdout)["hosts"]}
    return dict(hosts["web9"])


def line_of(parts: Processes) -> str:
    """What ``host list`` prints of web9."""
    return next(row for row in parts.operator("host", "list").splitlines() if row.startswith("web9 "))


def test_a_probe_is_the_login_that_only_certificates_needs_and_then_passwords_are_bad(
    parts: Processes, machine: Machine
) -> None:
    closing = ("join", "--only-certificates", "--log", LOG)
    assert "shows no login by a certificate of our CA" in machine.program(*closing, code=1)
    assert line_of(parts).endswith("never")
    found = probe(parts)
    assert (found["verdict"], found["login"], found["banner"][:15]) == ("ok", "deploy", "SSH-2.0-OpenSSH")
    assert any(name.startswith("mlkem") for name in found["post_quantum"])
    assert " ok (" in line_of(parts)
    machine.program(*closing)
    start_anew(parts)
    assert probe(parts)["methods"] == ["publickey"]
    watching = machine.argv("/usr/bin/python3", "-IS", PROGRAM, "watch")
    with subprocess.Popen(watching, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watch:
        try:
            wait_until(lambda: "host-report" in parts.operator("log", "show"), "the host reported nothing")
        finally:
            watch.kill()
    first = machine.path("/etc/ssh/sshd_config.d/01-owner.conf")
    first.write_text("Match User deploy\nPasswordAuthentication yes\nMatch all\n")
    machine.sh("kill -HUP $(cat /run/sshd.pid)")
    machine.wait_for_sshd()
    start_anew(parts)
    found = probe(parts, "--all", code=5)
    assert (found["problems"], sorted(found["methods"])) == (["other_ways"], ["password", "publickey"])
    assert "BAD: other_ways (" in line_of(parts)
    log = parts.operator("log", "show")
    assert "PROBE certificate" in log
    assert "web9 (other_ways)" in log
    assert "the log is whole" in parts.operator("log", "verify")


def test_t91_two_probes_shut_nobody_out_where_the_host_enforces_or_not(parts: Processes, machine: Machine) -> None:
    """One after the other, without the pause, at an sshd with its own penalties, from the address of everybody here."""
    assert "persourcepenalties" in machine.sh("/usr/sbin/sshd -T").lower()
    for _ in range(2):
        assert probe(parts)["verdict"] == "ok"
        start_anew(parts)
    assert machine.owner() == 0
    machine.path("/etc/ssh/ssh-jit/user_ca.pub").write_text("")
    for _ in range(2):
        assert probe(parts, code=5)["problems"] == ["not_let_in"]
        start_anew(parts)
    assert machine.owner() == 0

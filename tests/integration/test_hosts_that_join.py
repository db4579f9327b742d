"""A server joins a real CA by the line that the CA prints, and leaves it: line, front end and sshd are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import joining_machine, processes
from tests.support.host_machine import Authority, free_port, make_key, run
from tests.support.joining_machine import PROGRAM, Machine
from tests.support.processes import Processes


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A CA and a front end, running."""
    with processes.build(tmp_path_factory.mktemp("parts")) as started:
        yield started


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A server without the program, which reaches the front end."""
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    with joining_machine.machine(Authority(tmp_path), nothing, name="web9", port=free_port()) as made:
        made.path(PROGRAM).unlink()
        yield made


def added(parts: Processes, machine: Machine, command: str = "add", *more: str) -> str:
    words = ("--address", "127.0.0.1", "--port", str(machine.port), "--label", "env=staging", *more)
    given = words if command == "add" else ()
    text = parts.operator("host", command, "web9", *given, "--login", "deploy", "--url", parts.url)
    return text.rstrip("\n").splitlines()[-1].replace(" | sudo ", " | ") + " 2>&1"


def key_of(parts: Processes, purpose: str) -> Path:
    """The private key file of one of the CA's keys."""
    return parts.paths.ca / "keys" / purpose


def test_the_line_that_the_ca_prints_joins_a_server_and_leave_takes_all_away(
    parts: Processes, machine: Machine
) -> None:
    before = machine.snapshot()
    said = machine.sh(added(parts, machine))
    assert "as web9 (host id web9), for deploy" in said
    user_ca, host_ca = key_of(parts, "user_ca"), key_of(parts, "host_ca")
    key = make_key(machine.keys / "alice")
    run("ssh-keygen", "-q", "-s", user_ca, "-I", "t", "-n", "deploy@web9", "-z", "1", "-V", "-1m:+5m", f"{key}.pub")
    known = machine.keys / "known_hosts"
    public = run("ssh-keygen", "-y", "-f", host_ca).split()
    known.write_text(f"@cert-authority web9 {public[0]} {public[1]}\n")
    trusting = [f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=none", "StrictHostKeyChecking=yes"]
    assert machine.ssh(key, options=[*trusting, "HostKeyAlias=web9"]) == 0, machine.log()
    assert machine.owner() == 0
    assert "nothing was changed" in machine.program("join")
    said = machine.program("leave")
    assert "the CA knows that web9 left" in said
    assert "web9" not in parts.operator("host", "list")
    assert machine.snapshot() == before
    assert machine.owner() == 0
    assert machine.ssh(key) == 255

    said = machine.sh(added(parts, machine))
    assert "as web9 (host id web9~2)" in said, "another machine of the same name, by its id"
    assert machine.path("/etc/ssh/ssh-jit/principals/deploy").read_text() == "deploy@web9~2\n"
    assert machine.ssh(key) == 255, "what opened the one that left opens nothing here"
    machine.program("leave")


def test_a_joining_that_failed_after_the_token_was_used_goes_on_by_the_same_line(
    parts: Processes, machine: Machine
) -> None:
    line = added(parts, machine)
    sshd = machine.path("/usr/sbin/sshd.picky")
    refusing = "grep -qs HostCertificate /etc/ssh/sshd_config.d/10-ssh-jit.conf && exit 255"
    sshd.write_text(f'#!/bin/sh\n{refusing}\nexec /usr/sbin/sshd "$@"\n')
    sshd.chmod(0o755)
    before = machine.snapshot()
    failing = line.replace("--token-file", "--sshd /usr/sbin/sshd.picky --token-file")
    assert "everything is put back as it was" in machine.sh(failing, code=5)
    assert machine.snapshot() == before
    assert "as web9 (host id web9~" in machine.sh(line), "the third machine of this name"
    assert "web9" in parts.operator("host", "list")
    machine.program("leave")

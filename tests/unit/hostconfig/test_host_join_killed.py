"""``join`` and ``leave`` killed before each of their changes, as by a loss of power (T36).

After each: a sshd that starts anew lets the owner in, and ``leave``, or ``join`` again, puts all in order. Every run
takes some of the places, ``make test-matrix`` takes all.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import joining_machine
from tests.support.host_machine import Authority
from tests.support.joining_machine import PROGRAM, TOKEN, Machine

STRIDE = 1 if "SSH_JIT_TEST_SUITES" in os.environ else 13
KILLER = """import os, runpy, signal, sys
at, program, *words = sys.argv[1:]
changes = iter(range(1, 10000))
kinds = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "subprocess.Popen"}
def hook(event, _):
    if event in kinds and next(changes) == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
sys.argv = [program, *words]
sys.addaudithook(hook)
runpy.run_path(program, run_name="__main__")
"""
"""Runs the program, and kills it before its Nth change of the file system or call of another program."""


@pytest.fixture(scope="module", params=["bare", "with units"])
def machine(request: pytest.FixtureRequest, authority: Authority, program: Path) -> Iterator[Machine]:
    """A server that has not joined; one with units has a session daemon too, and PAM that asks it."""
    with joining_machine.machine(authority, program) as made:
        made.path("/root/killer.py").write_text(KILLER)
        if request.param == "with units":
            made.stand_in_systemd()
        yield made
        made.end_units()


def killed(machine: Machine, at: int, *words: str) -> bool:
    """Run the program, killed at a place; whether there was such a place."""
    machine.install()
    argv = machine.argv("/usr/bin/python3", "-IS", "/root/killer.py", str(at), PROGRAM, *words)
    done = subprocess.run(argv, input=f"{TOKEN}\n".encode(), capture_output=True, check=False)
    assert done.returncode in (0, -9, 137), done.stderr.decode()
    return done.returncode != 0


def power_is_back(machine: Machine) -> None:
    """Start sshd anew from what is on the disk; it lets the owner in."""
    machine.end_units()
    machine.sh("rm -rf /run/ssh-jit-host")
    machine.sh("kill $(cat /run/sshd.pid); while [ -e /run/sshd.pid ]; do sleep 0.01; done; /usr/sbin/sshd -t")
    machine.start_sshd()
    assert machine.owner() == 0


def test_t36_join_killed_anywhere(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    for number, at in enumerate(itertools.count(1, STRIDE)):
        machine.ca.joined = []
        was_killed = killed(machine, at, *machine.line())
        power_is_back(machine)
        if number % 2:
            assert "joined lab as web1" in machine.join() or not was_killed
            assert machine.ssh(authority.certificate("deploy@web1", 20)) == 0
        machine.program("leave")
        assert machine.snapshot() == before, at
        assert machine.owner() == 0
        if not was_killed:
            break
    assert at > 30, "there were fewer changes than joining makes"


def test_t36_leave_killed_anywhere(machine: Machine) -> None:
    before = machine.snapshot()
    for at in itertools.count(1, STRIDE):
        machine.ca.joined = []
        machine.join()
        was_killed = killed(machine, at, "leave")
        power_is_back(machine)
        machine.program("leave")
        assert machine.snapshot() == before, at
        assert machine.owner() == 0
        if not was_killed:
            break
    assert at > 10, "there were fewer changes than leaving makes"

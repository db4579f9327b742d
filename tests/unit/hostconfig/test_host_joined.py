"""A server that has joined, on whole machines of every age: CA keys change, broken things come, the owner gets in.

Every run has the newest Debian (sid). With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of others.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root, joining_machine
from tests.support.host_machine import Authority, line
from tests.support.joining_machine import Machine

PYTHON = {"bullseye": "3.9.", "bookworm": "3.11.", "trixie": "3.13."}
"""The Python that runs the program in each release; sid has the newest."""


@pytest.fixture(params=debian_root.SUITES)
def machine(request: pytest.FixtureRequest, authority: Authority, program: Path) -> Iterator[Machine]:
    """A server of that release that has not joined."""
    with joining_machine.machine(authority, program, suite=str(request.param)) as made:
        yield made


def other_authority(machine: Machine, name: str) -> Authority:
    """Somebody with another user CA."""
    folder = machine.keys / name
    folder.mkdir()
    return Authority(folder)


def test_the_program_runs_by_the_python_of_the_release(machine: Machine) -> None:
    said = machine.sh("/usr/bin/python3 --version").split()[1]
    expected = PYTHON.get(machine.suite)
    if expected is None:
        assert tuple(int(part) for part in said.split(".")[:2]) >= (3, 13)
    else:
        assert said.startswith(expected)
    assert "ssh-jit-host" in machine.program("--version")


def test_a_new_ca_key_opens_beside_the_old_one_and_then_alone(authority: Authority, machine: Machine) -> None:
    new = other_authority(machine, "new")
    machine.join()
    by_old, by_new = authority.certificate("deploy@web1", 60), new.certificate("deploy@web1", 61)
    assert (machine.ssh(by_old), machine.ssh(by_new)) == (0, 255)
    keys = [line(authority.user_ca), line(new.user_ca)]
    machine.front.serve(authority.offer(sequence=2, user_ca=keys))
    machine.program("refresh")
    assert (machine.ssh(by_old), machine.ssh(by_new)) == (0, 0)
    machine.front.serve(authority.offer(sequence=3, user_ca=keys[1:], retired=keys[:1]))
    machine.program("refresh")
    assert (machine.ssh(by_old), machine.ssh(by_new)) == (255, 0), "sshd reads it at each login, without a reload"
    assert machine.owner() == 0


def test_a_change_says_which_accounts_it_shuts_and_which_are_not_there(machine: Machine) -> None:
    machine.join()
    said = machine.program("join", "--login", "root")
    assert "certificates open root from now on, and no longer deploy" in said
    assert "changed: logins\n" in said, "not what was said again"
    said = machine.program("join", "--login", "deploy", "--login", "root", "--jump-login", "nobody-here", "--no-beside")
    assert "no longer" not in said
    assert "BAD: there is no account nobody-here" in said
    assert "changed: jump_login, logins\n" in said


def test_beside_another_ca_too_a_new_key_takes_the_place_of_the_old_one(authority: Authority, machine: Machine) -> None:
    new, theirs = other_authority(machine, "new"), other_authority(machine, "theirs")
    others = machine.path("/etc/ssh/others.pub")
    others.write_text(f"{line(theirs.user_ca)}\n")
    machine.path("/etc/ssh/sshd_config.d/50-others.conf").write_text("TrustedUserCAKeys /etc/ssh/others.pub\n")
    before = machine.snapshot()
    machine.join("--beside")
    by_old, by_new = authority.certificate("deploy@web1", 62), new.certificate("deploy@web1", 63)
    by_them = theirs.certificate("deploy", 64)
    keys = [line(authority.user_ca), line(new.user_ca)]
    opened = [(machine.ssh(by_old), machine.ssh(by_new))]
    for sequence, held in ((2, keys), (3, keys[1:])):
        machine.front.serve(authority.offer(sequence=sequence, user_ca=held))
        machine.program("refresh")
        opened.append((machine.ssh(by_old), machine.ssh(by_new)))
        assert machine.ssh(by_them) == 0, machine.log()
    assert opened == [(0, 255), (0, 0), (255, 0)]
    assert others.read_text().splitlines() == [line(theirs.user_ca), f"{keys[1]} ssh-jit"]
    machine.program("leave")
    assert machine.snapshot() == before


def test_t31_whatever_is_broken_that_comes_the_owner_and_people_get_in(authority: Authority, machine: Machine) -> None:
    machine.join()
    good, revoked = authority.certificate("deploy@web1", 65), authority.certificate("deploy@web1", 66)
    krl = authority.krl("serial: 66\n")
    machine.front.serve(authority.offer(sequence=5, krl=base64.b64encode(krl).decode()))
    machine.program("refresh")
    broken = {
        "a list that is cut": authority.offer(sequence=6, krl=base64.b64encode(krl[:-3]).decode()),
        "a list of no bytes": authority.offer(sequence=6, krl=""),
        "an older list": authority.offer(sequence=4),
        "a page in place of a key": authority.offer(sequence=6, user_ca=["<html><body>404</body></html>"]),
        "no keys": authority.offer(sequence=6, user_ca=[]),
    }
    for what, offer in broken.items():
        machine.front.serve(offer)
        machine.program("refresh", code=4)
        machine.sh("kill -HUP $(cat /run/sshd.pid)")
        machine.wait_for_sshd()
        assert (machine.owner(), machine.ssh(good), machine.ssh(revoked)) == (0, 0, 255), what
    machine.front.body = b"<html>Sign in to the wireless network</html>"
    machine.program("refresh", code=4)
    assert (machine.owner(), machine.ssh(good), machine.ssh(revoked)) == (0, 0, 255)


@pytest.mark.parametrize("first", ["keys", "principals"])
def test_t33_a_command_for_principals_that_an_old_sshd_does_not_run_is_named(
    first: str, authority: Authority, machine: Machine
) -> None:
    """Before 9.4; the newest is played by one that says that it is old."""
    lines = {
        "keys": "AuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser nobody\n",
        "principals": "AuthorizedPrincipalsCommand /usr/bin/true\nAuthorizedPrincipalsCommandUser nobody\n",
    }
    second = {"keys": "principals", "principals": "keys"}[first]
    machine.path("/etc/ssh/sshd_config.d/40-commands.conf").write_text(lines[first] + lines[second])
    old = machine.path("/usr/sbin/sshd.old")
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo OpenSSH_9.3p2 && exit 1\nexec /usr/sbin/sshd "$@"\n')
    old.chmod(0o755)
    version = debian_root.OPENSSH[machine.suite]
    is_old = version < (9, 4)
    options = () if is_old else ("--sshd", "/usr/sbin/sshd.old")
    shown = f"{version[0]}.{version[1]}" if is_old else "9.3"
    said = machine.join(*options)
    warned = f"AuthorizedKeysCommand above AuthorizedPrincipalsCommand, which this sshd ({shown}) therefore" in said
    assert warned is (first == "keys")
    assert machine.ssh(authority.certificate("deploy@web1", 67)) == 0, "our principals are in files"
    machine.program("leave")
    if not is_old:
        machine.ca.joined = []
        assert "therefore does not run" not in machine.join()

"""What ``join`` and ``leave`` go by: settings that only root can write, folders that are ours alone, what sshd took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import joining_machine
from tests.support.host_machine import Authority, run
from tests.support.joining_machine import Machine


@pytest.fixture
def machine(authority: Authority, program: Path) -> Iterator[Machine]:
    """A server that has not joined."""
    with joining_machine.machine(authority, program) as made:
        yield made


@pytest.mark.parametrize("refreshed", [False, True], ids=["at once", "after a refresh"])
def test_t36_a_host_of_an_older_release_keeps_what_sshd_reads_until_sshd_forgot_it(
    refreshed: bool,  # noqa: FBT001 - a parameter of pytest
    machine: Machine,
) -> None:
    """An older release, or somebody by hand, left no word that sshd took the drop-in."""
    before = machine.snapshot()
    machine.join()
    machine.path("/etc/ssh/ssh-jit/loaded").unlink()
    if refreshed:
        machine.program("refresh")
        assert machine.path("/etc/ssh/ssh-jit/loaded").exists()
    settings = machine.path("/etc/ssh-jit/host.json")
    joined = settings.read_text()
    settings.write_text(json.dumps({**json.loads(joined), "reload": ["/bin/false"]}))
    assert "sshd could not be reloaded" in machine.program("leave", code=1)
    assert machine.owner() == 0, "sshd, which still goes by our revocation list, finds it"
    assert machine.path("/etc/ssh/ssh-jit/krl").exists()
    settings.write_text(joined)
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.owner() == 0


def picky(machine: Machine) -> None:
    """An sshd that answers no question any more once it has seen a host certificate."""
    seen = "grep -qs HostCertificate /etc/ssh/sshd_config.d/10-ssh-jit.conf && : >/run/broken"
    path = machine.path("/usr/sbin/sshd.picky")
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -T ] && {seen}\n[ "$1" = -T ] && [ -e /run/broken ] && echo broken && exit 255\n'
        'exec /usr/sbin/sshd "$@"\n'
    )
    path.chmod(0o755)


def test_t36_an_sshd_that_answers_nothing_any_more_keeps_nothing_from_being_put_back(machine: Machine) -> None:
    picky(machine)
    before = machine.snapshot()
    said = machine.join("--sshd", "/usr/sbin/sshd.picky", code=5)
    assert "Traceback" not in said
    assert "not all could be put back" not in said
    assert machine.snapshot() == before
    assert machine.owner() == 0


def test_a_broken_configuration_of_sshd_is_told_in_two_lines(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    machine.join()
    ca = run("ssh-keygen", "-l", "-f", authority.user_ca).split()[1]
    accepted = "Accepted publickey for deploy from 10.0.0.1 port 5 ssh2: ED25519-CERT SHA256:x ID x CA ED25519"
    machine.path("/root/log").write_text(f"{accepted} {ca}\n")
    broken = machine.path("/etc/ssh/sshd_config.d/95-owner.conf")
    broken.write_text("NoSuchKeyword yes\n")
    closing = ("join", "--only-certificates", "--log", "/root/log")
    for words in (("sessions", "--install"), ("sessions", "--remove"), closing, ("refresh",), ("leave",)):
        code = 0 if words == ("sessions", "--remove") else 5
        said = machine.program(*words, code=code)
        assert "Traceback" not in said
        assert code == 0 or ("sshd refuses its configuration" in said and "NoSuchKeyword" in said), said
    assert "sshd refuses its configuration" in machine.program("doctor", code=1)
    broken.unlink()
    machine.path("/root/log").unlink()
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.owner() == 0


def test_a_joined_host_is_not_changed_by_settings_that_others_can_write(machine: Machine) -> None:
    before = machine.snapshot()
    machine.join()
    joined = machine.snapshot()
    for name in ("host.json", "joined.json"):
        path = machine.path(f"/etc/ssh-jit/{name}")
        mode = path.stat().st_mode
        path.chmod(0o666)
        for command in ("join", "leave"):
            said = machine.program(command, code=2 if name == "host.json" else 1)
            assert f"others can write /etc/ssh-jit/{name}" in said
        path.chmod(mode)
        assert machine.snapshot() == joined
    twice = machine.path("/etc/ssh-jit/host.json").read_text()
    machine.path("/etc/ssh-jit/host.json").write_text(twice.replace("{", '{"name": "web2", ', 1))
    assert "host.json: " in machine.program("join", "--no-host-certificates", code=2)
    machine.path("/etc/ssh-jit/host.json").write_text(twice)
    record = machine.path("/etc/ssh-jit/joined.json").read_text()
    broken = json.dumps({**json.loads(record), "step": "joining", "settings": "{}"})
    machine.path("/etc/ssh-jit/joined.json").write_text(broken)
    for command in ("join", "leave"):
        assert "joined.json cannot be used" in machine.program(command, code=1)
    machine.path("/etc/ssh-jit/joined.json").write_text(record)
    machine.program("leave")
    assert machine.snapshot() == before


def test_a_folder_that_holds_the_settings_is_not_ours_alone(machine: Machine) -> None:
    """By ``--config`` they may lie anywhere."""
    words = ("--home", "/srv/access", "--config", "/srv/access/host.json")
    assert "/srv/access holds more than what is ours" in machine.join(*words, code=1)
    assert "/etc/pam.d holds more than what is ours" in machine.join("--home", "/etc/pam.d", code=1)
    assert machine.ca.asked == []


def test_a_folder_of_systemds_that_is_there_keeps_its_mode(machine: Machine) -> None:
    path = machine.path("/usr/local/bin/systemctl")
    path.write_text("#!/bin/sh\n[ $1 != is-active ]\n")
    path.chmod(0o755)
    machine.sh("mkdir -p /run/systemd/system /etc/systemd/system/multi-user.target.wants")
    machine.path("/etc/systemd/system/multi-user.target.wants").chmod(0o751)
    machine.sh("sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config")  # no daemon of sessions runs here
    before = machine.snapshot()
    machine.join()
    assert machine.path("/etc/systemd/system/multi-user.target.wants").stat().st_mode & 0o777 == 0o751
    machine.program("leave")
    assert machine.snapshot() == before

"""``--beside``: our lines in the files of an owner who trusts another CA, and only in those that are root's alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root, joining_machine
from tests.support.host_machine import Authority, line, make_key
from tests.support.joining_machine import Machine

TRUSTED = "TrustedUserCAKeys /etc/ssh/others.pub\n"
PRINCIPALS = "AuthorizedPrincipalsFile /etc/ssh/principals/%u\n"


@pytest.fixture(params=debian_root.SUITES)
def machine(request: pytest.FixtureRequest, authority: Authority, program: Path) -> Iterator[Machine]:
    """A server of that release, whose owner trusts another CA, for the principals that files name."""
    with joining_machine.machine(authority, program, suite=str(request.param)) as made:
        others = make_key(made.keys / "others_ca")
        made.path("/etc/ssh/others.pub").write_text(f"{line(others)} the owner's\n")
        made.path("/etc/ssh/principals").mkdir()
        (made.path("/etc/ssh/principals") / "deploy").write_text("# theirs\noperators")  # without a line end
        (made.path("/etc/ssh/principals") / "postgres").write_text("dba\n")
        made.sh("cd /etc/ssh/principals && chgrp postgres postgres && chmod 640 postgres")
        owned(made, TRUSTED + PRINCIPALS)
        yield made


def owned(machine: Machine, text: str) -> None:
    """What the owner's configuration says, in effect."""
    machine.path("/etc/ssh/sshd_config.d/50-others.conf").write_text(text)
    machine.sh("kill -HUP $(cat /run/sshd.pid)")
    machine.wait_for_sshd()


def by_them(machine: Machine, principal: str, serial: int) -> Path:
    """A certificate by the owner's CA."""
    folder = machine.keys / "theirs"
    folder.mkdir(exist_ok=True)
    theirs = Authority(folder)
    theirs.user_ca = machine.keys / "others_ca"
    return theirs.certificate(principal, serial)


def questions(machine: Machine) -> int:
    """How often a refresh asks sshd what is in effect."""
    counting = machine.path("/usr/sbin/sshd.counting")
    counting.write_text('#!/bin/sh\n[ "$1" != -T ] || echo x >>/run/asked\nexec /usr/sbin/sshd "$@"\n')
    counting.chmod(0o755)
    settings = machine.path("/etc/ssh-jit/host.json")
    usual = settings.read_text()
    settings.write_text(json.dumps({**json.loads(usual), "sshd": "/usr/sbin/sshd.counting"}))
    machine.program("refresh")
    settings.write_text(usual)
    counting.unlink()
    return len(machine.path("/run/asked").read_text().split())


def test_with_principals_files_both_cas_open_and_leaving_takes_exactly_our_lines_out(
    authority: Authority, machine: Machine
) -> None:
    before = machine.snapshot()
    machine.join("--beside")
    for number, (login, theirs) in enumerate((("deploy", "operators"), ("postgres", "dba"))):
        assert machine.ssh(by_them(machine, theirs, number), login) == 0, machine.log()
        assert machine.ssh(authority.certificate(f"{login}@web1", 50 + number), login) == 0, machine.log()
    assert machine.ssh(by_them(machine, "deploy", 5)) == 255, "the account's name is no principal where files say which"
    assert machine.ssh(authority.certificate("deploy@web2", 55)) == 255
    held = machine.path("/etc/ssh/principals/deploy").read_text()
    assert held == "# theirs\noperators\ndeploy@web1\n"
    assert machine.sh("stat -c '%a %G' /etc/ssh/principals/postgres") == "640 postgres\n"
    joined = machine.snapshot()
    machine.program("refresh")
    assert machine.snapshot() == joined
    assert questions(machine) == 2, "one for each account"
    machine.path("/etc/ssh/principals/deploy").write_text(f"{held}later\n")
    machine.program("leave")
    assert machine.path("/etc/ssh/principals/deploy").read_text() == "# theirs\noperators\nlater\n"
    machine.path("/etc/ssh/principals/deploy").write_text("# theirs\noperators")
    assert machine.snapshot() == before


def test_an_end_of_a_line_that_became_the_owners_stays(machine: Machine) -> None:
    """A file without an end of its last line got one from us; where the owner wrote more, the end is theirs."""
    place = machine.path("/etc/ssh/principals/deploy")
    machine.join("--beside")
    place.write_text(place.read_text().replace("operators\n", "operators\nlater\n"))
    machine.program("refresh")
    machine.program("leave")
    assert place.read_text() == "# theirs\noperators\nlater\n"


def test_beside_another_ca_a_bastion_lets_nobody_of_theirs_pass(authority: Authority, machine: Machine) -> None:
    """And in the principals file of the owner there is nothing of ours for that account."""
    machine.sh("useradd --no-create-home --shell /bin/sh jump")
    (machine.path("/etc/ssh/principals") / "jump").write_text("operators\n")
    before = machine.snapshot()
    rows = [["web1", "via/app1@web1", machine.address, 22]]
    machine.front.serve(authority.offer(bundle=2, bastions=rows))
    machine.join("--beside", "--jump-login", "jump")
    assert machine.path("/etc/ssh/ssh-jit/principals/jump").read_text() == (
        f'restrict,port-forwarding,permitopen="{machine.address}:22" via/app1@web1\n'
    )
    assert (machine.path("/etc/ssh/principals") / "jump").read_text() == "operators\n"
    passing = authority.certificate("via/app1@web1", 91)
    assert passes(machine, passing, machine.address) == b"SSH-"
    assert passes(machine, passing, "127.0.0.1") == b""
    assert passes(machine, by_them(machine, "operators", 92), machine.address) == b"", "their CA opens it no more"
    assert machine.ssh(by_them(machine, "operators", 93), "deploy") == 0
    assert machine.ssh(authority.certificate("deploy@web1", 94), "deploy") == 0
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.ssh(by_them(machine, "operators", 95), "jump") == 0


def passes(machine: Machine, key: Path, address: str) -> bytes:
    """What answers at port 22 of an address, through the machine's account ``jump``."""
    argv = ["nsenter", "-t", str(machine.pid), "-n", "--", "ssh", "-F", "none", "-q", "-i", str(key), "-l", "jump"]
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
    argv += [word for option in options for word in ("-o", option)]
    with subprocess.Popen([*argv, "-W", f"{address}:22", machine.address], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            return process.stdout.read(4)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("text", "prepare", "reason"),
    [
        (
            TRUSTED + "AuthorizedPrincipalsFile %h/.ssh/principals\n",
            "mkdir -p ~deploy/.ssh && ln -s /etc/shadow ~deploy/.ssh/principals && chown -Rh deploy ~deploy/.ssh",
            "/home/deploy/.ssh belongs to another user",
        ),
        (TRUSTED + PRINCIPALS, "chown deploy /etc/ssh/principals/deploy", "deploy belongs to another user"),
        (TRUSTED + PRINCIPALS, "chmod 666 /etc/ssh/principals/deploy", "others can write /etc/ssh/principals/deploy"),
        (
            TRUSTED + "AuthorizedPrincipalsFile /srv/principals/%u\n",
            "mkdir -p /home/deploy/real && chown deploy /home/deploy/real && ln -s /home/deploy/real /srv/principals",
            "/srv/principals belongs to another user",
        ),
        (
            TRUSTED + "AuthorizedPrincipalsFile /srv/within/%u\n",
            "mkdir -p /home/deploy/real/in && chown deploy /home/deploy/real && ln -s /home/deploy/real/in /srv/within",
            "/home/deploy/real belongs to another user",
        ),
        (
            "TrustedUserCAKeys /srv/open/ca.pub\n" + PRINCIPALS,
            "mkdir -m 777 /srv/open && cp /etc/ssh/others.pub /srv/open/ca.pub",
            "others can write /srv/open",
        ),
    ],
    ids=["home", "owned", "writable", "link", "link above", "ca keys"],
)
def test_files_that_others_can_change_are_refused_before_the_token_is_used(
    text: str, prepare: str, reason: str, machine: Machine
) -> None:
    machine.sh(prepare)
    owned(machine, text)
    before = machine.snapshot()
    said = machine.join("--beside", code=5)
    assert "conflict: " in said
    assert "is not root's alone: " in said
    assert reason in said
    assert machine.ca.asked == []
    assert machine.snapshot() == before
    assert machine.owner() == 0


@pytest.mark.parametrize("change", ["its folder", "a link to it", "a file that is no longer named"])
def test_a_file_that_others_can_change_since_is_not_touched_any_more(change: str, machine: Machine) -> None:
    machine.sh("mkdir /srv/way && ln -s /etc/ssh/principals /srv/way/principals && cp -a /etc/ssh/principals /srv/new")
    owned(machine, TRUSTED + "AuthorizedPrincipalsFile /srv/way/principals/%u\n")
    before = machine.snapshot()
    machine.join("--beside")
    place = "/srv/way" if change == "a link to it" else "/etc/ssh/principals"
    machine.path(place).chmod(0o777)
    if change == "a file that is no longer named":
        owned(machine, TRUSTED + "AuthorizedPrincipalsFile /srv/new/%u\n")
    joined = machine.snapshot()
    said = machine.program("refresh", code=5)
    shown = "/srv/way/principals" if change == "its folder" else place
    assert f"is not root's alone: others can write {shown}" in said
    now = machine.snapshot()
    for state in (now, joined):
        state.pop("etc/ssh/ssh-jit/problem.json", None)
        state.pop("etc/ssh/ssh-jit/beside.json")
    assert now == joined
    if change == "its folder":
        assert "is not root's alone" in machine.program("leave", code=5)
        assert machine.owner() == 0
    machine.path(place).chmod(0o755)
    owned(machine, TRUSTED + "AuthorizedPrincipalsFile /srv/way/principals/%u\n")
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.owner() == 0


def test_what_says_which_lines_are_ours_is_root_s_alone(machine: Machine) -> None:
    before = machine.snapshot()
    machine.join("--beside")
    record = machine.path("/etc/ssh/ssh-jit/beside.json")
    record.chmod(0o666)
    for command in ("refresh", "leave"):
        assert "others can write /etc/ssh/ssh-jit/beside.json" in machine.program(command, code=1)
    record.chmod(0o600)
    machine.program("leave")
    assert machine.snapshot() == before

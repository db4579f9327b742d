"""``join``, ``status`` and ``leave`` on whole machines of every age: a server trusts the CA, or is exactly as it was.

Every run has the newest Debian (sid). With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of others.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root, joining_machine
from tests.support.host_machine import Authority, line, make_key
from tests.support.joining_machine import Machine


@pytest.fixture(params=debian_root.SUITES)
def machine(request: pytest.FixtureRequest, authority: Authority, program: Path) -> Iterator[Machine]:
    """A server of that release that has not joined."""
    with joining_machine.machine(authority, program, suite=str(request.param)) as made:
        yield made


def strict(machine: Machine, authority: Authority, names: str = "web1") -> list[str]:
    """Ssh's options that trust the host CA alone, for this name."""
    known = machine.keys / "known_hosts"
    known.write_text(f"@cert-authority {names} {line(authority.host_ca)}\n")
    return [
        f"UserKnownHostsFile={known}",
        "GlobalKnownHostsFile=none",
        "StrictHostKeyChecking=yes",
        "HostKeyAlias=web1",
    ]


def test_t36_the_whole_story(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    said = machine.join()
    assert "joined lab as web1 (host id web1), for deploy, postgres" in said
    assert "reloaded sshd (process" in said
    good, other = authority.certificate("deploy@web1", 1), authority.certificate("deploy@web2", 2)
    trusting = strict(machine, authority)
    assert machine.ssh(good, options=trusting) == 0, machine.log()
    assert machine.ssh(good, options=strict(machine, authority, "web2")) == 255, "by another name"
    assert machine.ssh(other) == 255, "for another host"
    assert machine.ssh(good, "postgres") == 255, "for another account"
    assert machine.owner() == 0
    state = json.loads(machine.program("status", "--json"))
    assert state["code"] == 0
    assert state["joined"] == "web1 (host id web1)"
    assert all(word.startswith("until 20") for word in state["host_certificates"].values())

    joined = machine.snapshot()
    assert "has joined lab as web1 already; nothing was changed" in machine.join()
    assert machine.snapshot() == joined
    assert [what for what, _ in machine.ca.asked] == ["join"], "nor was the CA asked again"

    revoked = base64.b64encode(authority.krl("serial: 1\n")).decode()
    machine.front.serve(authority.offer(sequence=2, krl=revoked))
    machine.program("refresh")
    assert machine.ssh(good) == 255

    said = machine.program("leave")
    assert machine.ca.left
    assert "the CA knows that web1 left" in said
    assert "this server is as it was before it joined" in said
    assert machine.snapshot() == before
    assert machine.ssh(authority.certificate("deploy@web1", 3)) == 255
    assert machine.owner() == 0
    assert not machine.path("/usr/local/sbin/ssh-jit-host").exists()


def test_t49_a_front_end_that_lies_after_joining_changes_nothing(authority: Authority, machine: Machine) -> None:
    machine.join()
    good = authority.certificate("deploy@web1", 4)
    revoked = base64.b64encode(authority.krl("serial: 4\n")).decode()
    machine.front.serve(authority.offer(sequence=5, krl=revoked))
    machine.program("refresh")
    joined = machine.snapshot()
    other_ca = make_key(authority.folder / "liars_ca")
    forged = authority.offer(sequence=6, user_ca=[line(other_ca)])
    for lie in (
        {**forged, "signature": authority.sign(forged["bundle"], key=other_ca)},
        authority.offer(sequence=4),
        {**authority.offer(sequence=7), "bundle": authority.offer(sequence=7)["bundle"].replace("lab", "bal")},
    ):
        machine.front.serve(lie)
        machine.program("refresh", code=4)
        now = machine.snapshot()
        assert now.pop("etc/ssh/ssh-jit/problem.json"), "what is wrong is kept"
        assert now == joined
    machine.front.refuse(502, {})
    machine.program("refresh", code=8)
    assert machine.ssh(good) == 255, "revoked it stays"
    assert machine.ssh(authority.certificate("deploy@web1", 5)) == 0, "and everybody else gets in"


def test_only_certificates_after_one_was_seen(authority: Authority, machine: Machine) -> None:
    keys = make_key(machine.keys / "left_behind")
    machine.sh("mkdir -p ~deploy/.ssh && cat >>~deploy/.ssh/authorized_keys", given=f"{line(keys)}\n")
    machine.sh("chown -R deploy ~deploy/.ssh && chmod -R go= ~deploy/.ssh")
    assert "comes after a certificate opened an account" in machine.join("--only-certificates", code=2)
    machine.join()
    before = machine.snapshot()
    closing = ("join", "--only-certificates", "--log", "/var/log/sshd.log")
    assert machine.ssh(keys) == 0
    assert "shows no login by a certificate of our CA" in machine.program(*closing, code=1)
    assert machine.snapshot() == before
    good = authority.certificate("deploy@web1", 6)
    assert machine.ssh(good) == 0
    said = machine.program(*closing)
    assert "a certificate of our CA opened deploy (/var/log/sshd.log)" in said
    assert machine.ssh(keys) == 255, "the key that was left behind"
    assert machine.ssh(good) == 0
    assert machine.owner() == 0, "another account is not ours to close"
    for name in ("passwordauthentication", "kbdinteractiveauthentication"):
        assert f"{name} no" in machine.sh("/usr/sbin/sshd -T -C user=deploy,host=x,addr=10.0.0.1").lower()
    # What the owner writes behind our drop-in counts for everybody, as if our Match were not there.
    machine.path("/etc/ssh/sshd_config.d/95-owner.conf").write_text("X11Forwarding no\nMaxAuthTries 3\n")
    for user in ("owner", "deploy"):
        assert "maxauthtries 3\n" in machine.sh(f"/usr/sbin/sshd -T -C user={user},host=x,addr=10.0.0.1").lower()
    machine.program("join", "--no-only-certificates")
    assert machine.ssh(keys) == 0


def test_beside_another_ca(authority: Authority, machine: Machine) -> None:
    others = make_key(machine.keys / "others_ca")
    machine.path("/etc/ssh/others.pub").write_text(line(others))  # without a line end
    machine.path("/etc/ssh/sshd_config.d/50-others.conf").write_text("TrustedUserCAKeys /etc/ssh/others.pub\n")
    machine.sh("kill -HUP $(cat /run/sshd.pid)")
    machine.wait_for_sshd()
    theirs = Authority(_folder(machine, "theirs"))
    theirs.user_ca = others
    by_them, by_us = theirs.certificate("deploy", 1), authority.certificate("deploy@web1", 7)
    assert machine.ssh(by_them) == 0, machine.log()
    before = machine.snapshot()
    assert "50-others.conf:1 sets TrustedUserCAKeys" in machine.join(code=5)
    assert machine.snapshot() == before
    assert machine.ca.asked == [], "the token is not used up"
    machine.join("--beside")
    assert machine.ssh(by_us) == 0, machine.log()
    assert machine.ssh(by_them) == 0
    assert machine.ssh(by_them, "owner") == 255
    assert machine.ssh(theirs.certificate("owner", 2), "owner") == 0, "accounts that are not ours go on as before"
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.ssh(by_them) == 0
    assert machine.ssh(by_us) == 255


def _folder(machine: Machine, name: str) -> Path:
    folder = machine.keys / name
    folder.mkdir()
    return folder

"""Joining that does not get to its end (T36): nothing is changed, the owner gets in, and joining again works."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import joining_machine
from tests.support.host_machine import Authority, line, make_key, run
from tests.support.joining_machine import PROGRAM, TOKEN, Machine
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def machine(authority: Authority, program: Path) -> Iterator[Machine]:
    """A server that has not joined, and has not when the test is over."""
    with joining_machine.machine(authority, program) as made:
        before = made.snapshot()
        yield made
        assert made.snapshot() == before
        assert made.owner() == 0


def unjoined(machine: Machine, before: dict[str, Any], said: str) -> None:
    """Nothing is changed, and sshd is as it was."""
    assert machine.snapshot() == before, said
    assert machine.owner() == 0


def _html(_: list[str]) -> list[str]:
    return ["<html><body>Please sign in</body></html>"]


def test_t49_an_answer_that_is_not_the_cas_is_not_believed(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    ca = machine.ca
    other_ca, other_key = make_key(machine.keys / "liar"), make_key(machine.keys / "elsewhere")
    lies: dict[str, dict[str, Any]] = {
        "holds something that is no certificate": {"change": _html},
        "is not signed by a host CA of the bundle": {
            "change": lambda _: [ca.certificate(key, ca=other_ca) for key in ca.joined[:1]]
        },
        "is not for a key of this host": {"change": lambda _: [ca.certificate(line(other_key))]},
        "does not name web1": {"change": lambda _: [ca.certificate(key, names="web2") for key in ca.joined]},
        "or names more than hosts": {"change": lambda _: [ca.certificate(key, names="web1,web*") for key in ca.joined]},
        "is an old one": {"change": lambda _: [ca.certificate(key, times="-3d:+4d") for key in ca.joined]},
        "names no host id": {"key_id": "somebody"},
        "is of another host's id": {"key_id": "host db1"},
        "is not a host's": {"kind": ["-q"]},
        "holds no certificates of one host": {"change": lambda _: []},
    }
    for complaint, how in lies.items():
        ca.joined, ca.how = [], how
        said = machine.join(code=4)
        assert complaint in said
        unjoined(machine, before, said)
    ca.joined, ca.how = [], {"without": ("ecdsa-sha2-nistp256",)}
    said = machine.join(code=1)
    assert "would shut out people who pinned another" in said
    unjoined(machine, before, said)


def test_a_forged_signature_inside_a_certificate_is_seen(machine: Machine) -> None:
    import base64

    def forged(lines: list[str]) -> list[str]:
        kind, text = lines[0].split()
        blob = bytearray(base64.b64decode(text))
        blob[-1] ^= 1
        return [f"{kind} {base64.b64encode(bytes(blob)).decode()}", *lines[1:]]

    before = machine.snapshot()
    machine.ca.how = {"change": forged}
    assert "is not signed by its CA" in machine.join(code=4)
    unjoined(machine, before, "")


def test_what_comes_instead_of_a_bundle_or_an_answer(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    machine.front.body = b"<html>Sign in to the wireless network</html>"
    assert "is not a bundle" in machine.join(code=4)
    forged = authority.offer()
    machine.front.serve({**forged, "signature": authority.sign(forged["bundle"], key=authority.user_ca)})
    machine.join(code=4)
    machine.front.serve(authority.offer())
    other = make_key(machine.keys / "other_root")
    root = run("ssh-keygen", "-l", "-f", other).split()[1]
    pinned = [*machine.line()[:4], root, *machine.line()[5:]]
    assert "pinned to" in machine.program(*pinned, code=4, given=TOKEN)
    assert machine.ca.asked == [], "no token was used up by that"
    machine.front.posted = lambda _path, _body: (200, {"certificates": "<html>"})
    assert "holds no certificates" in machine.join(code=8)
    machine.front.posted = lambda _path, _body: (502, {})
    assert "answers with status 502" in machine.join(code=8)
    machine.front.posted = machine.ca.answer
    assert "the token was used" in machine.join(token="B" * 42 + "A", code=4)
    assert "no joining token" in machine.join(token="<html>", code=2)
    unjoined(machine, before, "")


def test_a_joining_that_failed_after_the_token_was_used_goes_on(machine: Machine) -> None:
    """The keys are enrolled then, and prove themselves."""
    before = machine.snapshot()
    machine.ca.how = {"change": _html}
    machine.join(code=4)
    unjoined(machine, before, "")
    machine.ca.how = {}
    assert "joined lab as web1" in machine.join()
    assert [what for what, _ in machine.ca.asked] == ["join", "join", "renew"]
    machine.program("leave")


def test_conflicts_are_named_with_what_to_do_and_no_token_is_used(machine: Machine) -> None:
    before = machine.snapshot()
    config, dropins = machine.path("/etc/ssh/sshd_config"), machine.path("/etc/ssh/sshd_config.d")
    text, shadow = config.read_text(), dropins / "05-owner.conf"
    cases = {
        "TrustedUserCAKeys /etc/ca.pub": "sets TrustedUserCAKeys /etc/ca.pub, which would not count any more",
        "AuthorizedPrincipalsFile /etc/p/%u": "sets AuthorizedPrincipalsFile /etc/p/%u, which would not count any more",
        "NoSuchKeyword yes": "NoSuchKeyword",
        "Match User deploy\nRevokedKeys /etc/other": "sets RevokedKeys /etc/other, which counts instead of ours",
        "HostKey /etc/ssh/ssh_host_rsa_key\nHostKey /etc/ssh/missing": "/etc/ssh/missing is no private key",
    }
    for setting, complaint in cases.items():
        shadow.write_text(f"{setting}\n")
        code = 1 if setting.startswith("HostKey") else 5
        assert complaint in machine.join(code=code)
        shadow.unlink()
        unjoined(machine, before, setting)
    config.write_text(text.replace("Include ", "#Include "))
    assert "does not include /etc/ssh/sshd_config.d/10-ssh-jit.conf" in machine.join(code=5)
    config.write_text(text)
    machine.path("/etc/ssh").chmod(0o777)
    assert "others can write /etc/ssh" in machine.join(code=5)
    machine.path("/etc/ssh").chmod(0o755)
    foreign = machine.path("/etc/ssh/ssh_host_rsa_key-cert.pub")
    foreign.write_text("of another CA\n")
    assert "is there already, and is not ours" in machine.join(code=1)
    foreign.unlink()
    assert machine.ca.asked == []


def test_an_sshd_that_refuses_the_drop_in_at_the_last_moment(machine: Machine) -> None:
    """Its trial copy passes, and so does the drop-in without certificates."""
    before = machine.snapshot()
    sshd = machine.path("/usr/sbin/sshd.picky")
    sshd.write_text(
        "#!/bin/sh\ngrep -qs HostCert /etc/ssh/sshd_config.d/10-ssh-jit.conf && echo no certificates && exit 255\n"
        'exec /usr/sbin/sshd "$@"\n'
    )
    sshd.chmod(0o755)
    said = machine.join("--sshd", "/usr/sbin/sshd.picky", code=5)
    assert "everything is put back as it was" in said
    sshd.unlink()
    unjoined(machine, before, said)


def test_a_full_disk(machine: Machine) -> None:
    """``/etc`` has room for less and less."""
    before = machine.snapshot()
    for room in (4, 16, 32, 48, 64, 80):
        machine.sh(
            "mkdir -p /small && mount -t tmpfs -o mode=0755,size=1m tmpfs /small && cp -a /etc/ssh/. /small/ && "
            "mount --move /small /etc/ssh && "
            f"free=$(df --output=avail -k /etc/ssh | tail -1) && fallocate -l $((free - {room}))K /etc/ssh/ballast"
        )
        held = machine.snapshot()
        machine.ca.joined = []
        machine.install()
        done = subprocess.run(
            machine.argv("/usr/bin/python3", "-IS", PROGRAM, *machine.line()),
            input=f"{TOKEN}\n".encode(), capture_output=True, check=False,
        )  # fmt: skip
        said = done.stderr.decode()
        assert machine.owner() == 0
        if done.returncode:
            assert "No space left" in said
            assert machine.snapshot() == held, said
        else:
            machine.program("leave")
            assert machine.snapshot() == held
        machine.sh("umount /etc/ssh && rmdir /small")
    unjoined(machine, before, "")


def test_sigterm_in_the_middle_undoes(machine: Machine) -> None:
    before = machine.snapshot()
    slow = machine.path("/usr/sbin/sshd.slow")
    slow.write_text(
        "#!/bin/sh\ngrep -qs HostCertificate /etc/ssh/sshd_config.d/10-ssh-jit.conf && : >/run/reached && sleep 20\n"
        'exec /usr/sbin/sshd "$@"\n'
    )
    slow.chmod(0o755)
    machine.install()
    argv = machine.argv("/usr/bin/python3", "-IS", PROGRAM, *machine.line("--sshd", "/usr/sbin/sshd.slow"))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(f"{TOKEN}\n".encode())
        process.stdin.close()
        wait_until(machine.path("/run/reached").exists, "the trial was not reached")
        slow.write_text('#!/bin/sh\nexec /usr/sbin/sshd "$@"\n')
        inside = machine.sh("pgrep -f 'ssh-jit-host join' || ps ax | grep '[s]sh-jit-host join' | cut -c1-7").split()
        machine.sh(f"kill -TERM {inside[0]}")
        process.wait(timeout=PATIENCE)
    slow.unlink()
    machine.path("/run/reached").unlink()
    unjoined(machine, before, "")


def test_a_host_that_left_is_not_set_up_again_by_a_watch_that_still_runs(machine: Machine) -> None:
    machine.join()
    argv = machine.argv("/usr/bin/python3", "-IS", PROGRAM, "watch")
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as watch:
        machine.program("leave")
        wait_until(lambda: not machine.path("/etc/ssh/ssh-jit").exists(), "its home stays")
        watch.terminate()


def test_leaving_while_the_front_end_is_away_says_what_to_do(machine: Machine) -> None:
    machine.join()
    machine.ca.how = {"down": True}
    said = machine.program("leave")
    assert "warning: the CA could not be told" in said
    assert "hint: on the CA's machine: ssh-jit-ca host remove web1 --reason 'it left'" in said
    assert "has not joined; there is nothing to take away" in machine.program("leave")
    assert "joined: no" in machine.program("status", code=3)
    assert json.loads(machine.program("status", "--json", code=3))["code"] == 3


def test_host_certificates_can_be_left_out_put_in_and_left_out_again(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    said = machine.join("--no-host-certificates")
    assert machine.ca.asked[-1][1]["host_certificates"] is False
    assert "no authorities for hostname" not in said
    assert not list(machine.path("/etc/ssh").glob("*-cert.pub"))
    assert "HostCertificate" not in machine.path("/etc/ssh/sshd_config.d/10-ssh-jit.conf").read_text()
    assert json.loads(machine.program("status", "--json"))["host_certificates"] == "left out"
    plain = machine.snapshot()
    said = machine.program("join", "--host-certificates")
    words = ("no authorities for hostname", "MINA", "--no-host-certificates", "ssh-mldsa44-ed25519")
    assert all(word in said for word in words)
    assert said.index("no authorities") < said.index("wrote /etc/ssh/ssh_host"), "it is said before"
    assert machine.ca.asked[-1][1]["host_certificates"] is True, "once sshd shows them"
    assert "host_certificates" not in machine.ca.asked[-2][1]
    certified = {path.name for path in machine.path("/etc/ssh").glob("*-cert.pub")}
    assert certified == {f"ssh_host_{kind}_key-cert.pub" for kind in ("rsa", "ecdsa", "ed25519")}, "all that it can"
    known = machine.keys / "known_hosts_of_a_bystander"
    pinned = machine.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
    known.write_text(f"{machine.address} {pinned[0]} {pinned[1]}\n")
    options = [f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=none", "StrictHostKeyChecking=yes"]
    assert machine.ssh(authority.certificate("deploy@web1", 40), options=options) == 0
    machine.program("join", "--no-host-certificates")
    assert machine.ca.asked[-1][1]["host_certificates"] is False, "clients have to know its keys"
    again = machine.snapshot()
    changing = ("etc/ssh/ssh-jit/loaded", "etc/ssh-jit/host.json", "etc/ssh-jit/joined.json")
    assert {n: v for n, v in again.items() if n not in changing} == {
        n: v for n, v in plain.items() if n not in changing
    }
    machine.program("leave")
    unjoined(machine, before, "")


def test_t88_a_change_that_fails_leaves_the_host_as_it_had_joined(machine: Machine) -> None:
    before = machine.snapshot()
    machine.join("--no-host-certificates")
    joined = machine.snapshot()
    machine.ca.how = {"without": ("ssh-rsa",)}
    assert "would shut out people" in machine.program("join", "--host-certificates", code=1)
    assert machine.snapshot() == joined
    machine.ca.how = {}
    sshd = machine.path("/usr/sbin/sshd.picky")
    refusing = "[ $1 = -t ] && grep -q HostCert /etc/ssh/sshd_config.d/10* && exit 255"
    sshd.write_text(f'#!/bin/sh\n{refusing}\nexec /usr/sbin/sshd "$@"\n')
    sshd.chmod(0o755)
    machine.program("join", "--host-certificates", "--sshd", "/usr/sbin/sshd.picky", code=5)
    sshd.unlink()
    assert machine.snapshot() == joined
    assert machine.program("leave")
    unjoined(machine, before, "")


def test_fewer_certificates_than_keys_only_when_it_is_said(machine: Machine) -> None:
    short = machine.path("/etc/ssh/ssh_host_short_key")
    machine.sh("ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f /etc/ssh/ssh_host_short_key")
    owners = machine.path("/etc/ssh/sshd_config.d/20-owner.conf")
    owners.write_text("HostKey /etc/ssh/ssh_host_short_key\nHostKey /etc/ssh/ssh_host_ed25519_key\n")
    before = machine.snapshot()
    said = machine.join(code=1)
    assert "is an RSA key of 2048 bits" in said
    assert "--some-keys" in said
    assert machine.ca.asked == []
    machine.join("--some-keys")
    assert machine.path("/etc/ssh/ssh_host_ed25519_key-cert.pub").exists()
    machine.program("leave")
    unjoined(machine, before, "")
    for path in (short, short.with_suffix(".pub"), owners):
        path.unlink()


def test_selinux_labels_are_put_back_where_there_are_any(machine: Machine) -> None:
    tools = {"getenforce": "echo Enforcing", "restorecon": 'echo "$*" >>/run/labelled'}
    for name, script in tools.items():
        machine.path(f"/usr/local/bin/{name}").write_text(f"#!/bin/sh\n{script}\n")
        machine.path(f"/usr/local/bin/{name}").chmod(0o755)
    before = machine.snapshot()
    machine.join()
    labelled = machine.path("/run/labelled").read_text()
    for place in ("/etc/ssh/ssh-jit", "sshd_config.d/10-ssh-jit.conf", "/etc/ssh-jit/host.json", "_key-cert.pub"):
        assert place in labelled
    machine.program("leave")
    machine.path("/usr/local/bin/restorecon").unlink()
    assert "SELinux is on and there is no restorecon" in machine.join()
    machine.program("leave")
    machine.path("/usr/local/bin/restorecon").write_text(f"#!/bin/sh\n{tools['restorecon']}\n")
    machine.path("/usr/local/bin/restorecon").chmod(0o755)
    unjoined(machine, before, "")
    for name in tools:
        machine.path(f"/usr/local/bin/{name}").unlink()
    machine.path("/run/labelled").unlink()


def test_a_fleets_host_says_its_own_name_and_where_it_is(machine: Machine) -> None:
    words = machine.line("--invitation", "inv-1234abcd", "--address", "192.0.2.7", "--port", "2222")
    at = words.index("--name")
    machine.program(*words[:at], *words[at + 2 :], given=TOKEN)
    _, asked = machine.ca.asked[-1]
    assert asked["name"] == "web1", "the short host name"
    assert (asked["invitation"], asked["address"], asked["port"]) == ("inv-1234abcd", "192.0.2.7", 2222)
    machine.program("leave")


def test_a_joined_host_is_not_joined_to_another(machine: Machine) -> None:
    machine.join()
    joined = machine.snapshot()
    for option in (("--url", "http://other.example"), ("--root", "SHA256:" + "A" * 43), ("--name", "web2")):
        words = machine.line()
        words[words.index(option[0]) + 1] = option[1]
        assert f"and {option[0]} says" in machine.program(*words, code=2, given=TOKEN)
    assert "--beside is chosen when a host joins" in machine.program("join", "--beside", code=2)
    assert machine.snapshot() == joined
    machine.program("join", "--login", "deploy", "--login", "postgres", "--login", "owner")
    assert machine.path("/etc/ssh/ssh-jit/principals/owner").read_text() == "owner@web1\n"
    machine.program("leave")


def test_a_folder_that_is_not_ours_alone_is_neither_used_nor_removed(machine: Machine) -> None:
    before = machine.snapshot()
    assert "holds more than what is ours" in machine.join("--home", "/etc/ssh", code=1)
    assert machine.snapshot() == before
    machine.join()
    settings = json.loads(machine.path("/etc/ssh-jit/host.json").read_text())
    machine.path("/etc/ssh-jit/joined.json").unlink()  # as if it had been set up by hand, and badly
    machine.path("/etc/ssh-jit/host.json").write_text(json.dumps({**settings, "home": "/etc/ssh"}))
    assert "holds more than what is ours" in machine.program("leave", code=1)
    machine.path("/etc/ssh-jit/host.json").write_text(json.dumps(settings))
    machine.program("leave")
    machine.path("/etc/ssh-jit").rmdir()  # nothing says that joining made it


def test_t36_what_was_set_up_by_hand_and_then_changed_leaves_nothing_of_ours(machine: Machine) -> None:
    """Our drop-in must not come back when the revocation list that it names is gone: sshd would refuse everybody."""
    machine.join()
    machine.path("/etc/ssh-jit/joined.json").unlink()  # as if it had been set up by hand
    machine.join("--no-host-certificates")
    machine.program("leave")
    assert not machine.path("/etc/ssh/sshd_config.d/10-ssh-jit.conf").exists()
    assert not machine.path("/etc/ssh-jit/host.json").exists()
    assert machine.owner() == 0
    machine.path("/etc/ssh-jit").rmdir()  # nothing says that joining made it

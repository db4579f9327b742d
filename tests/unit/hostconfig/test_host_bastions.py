"""A server that is a bastion: what it writes from the bundle, and what its sshd then lets through; on every OpenSSH."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo import debian
from sshjit_host import config
from sshjit_host.formats import passages
from tests.support import debian_root, host_machine
from tests.support.host_machine import Authority, Front, Host, free_port, run
from tests.support.session_host import GRANT, SessionHost, session_host
from tests.support.waiting import wait_until

ROWS = [
    ["web1", "via/app1@web1", "10.0.0.5", 22],
    ["web1", "via/app2~3@web1", "fd77::5", 2222],
    ["web1", "via/app4@web1", "app4.internal", 22],
    ["other", "via/app3@other", "10.0.0.6", 22],
    ["web1~2", "via/app5@web1~2", "10.0.0.7", 22],
]


def line_for(place: str, principal: str) -> str:
    return f'restrict,port-forwarding,permitopen="{place}" {principal}\n'


@pytest.fixture
def bastion(authority: Authority, front: Front, host: Host) -> Host:
    """A host that lets people pass through by the account ``daemon``."""
    host.settings["jump_login"] = "daemon"
    front.serve(authority.offer(bundle=2, bastions=ROWS))
    host.refresh()
    return host


def test_the_file_of_the_account_has_a_line_for_each_host_behind_this_one(bastion: Host) -> None:
    written = (bastion.home / "principals" / "daemon").read_text()
    assert written == (
        line_for("10.0.0.5:22", "via/app1@web1")
        + line_for("[fd77::5]:2222", "via/app2~3@web1")
        + line_for("app4.internal:22", "via/app4@web1")
    )
    assert (bastion.home / "principals" / host_machine.ME).read_text() == f"{host_machine.ME}@web1\n"


def test_rows_that_are_gone_go_and_so_does_the_file_of_a_bastion_that_is_none_any_more(
    authority: Authority, front: Front, bastion: Host
) -> None:
    front.serve(authority.offer(bundle=2, sequence=2, bastions=ROWS[3:]))
    bastion.refresh()
    assert (bastion.home / "principals" / "daemon").read_text() == ""
    assert "Match User daemon" in bastion.dropin.read_text()
    bastion.settings["jump_login"] = ""
    bastion.refresh()
    assert not (bastion.home / "principals" / "daemon").exists()
    assert "daemon" not in bastion.dropin.read_text()


def test_a_host_that_named_no_account_writes_nothing_of_it(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer(bundle=2, bastions=ROWS))
    host.refresh()
    assert [path.name for path in (host.home / "principals").iterdir()] == [host_machine.ME]


def test_the_account_may_forward_and_nothing_else_whatever_the_owner_wrote(bastion: Host) -> None:
    theirs = "AllowTcpForwarding no\nPermitTunnel yes\nX11Forwarding yes\nMatch User daemon\nPermitTTY yes\n"
    bastion.write_sshd_config(after=theirs)
    bastion.refresh()
    asked = run(
        str(bastion.settings["sshd"]), "-T", "-f", bastion.sshd_config, "-C", "user=daemon,host=a,addr=10.1.1.1"
    )
    counts = dict(line.lower().split(" ", 1) for line in asked.splitlines() if " " in line)
    wanted = {"allowtcpforwarding": "local", "allowstreamlocalforwarding": "no", "allowagentforwarding": "no"}
    wanted |= {"x11forwarding": "no", "permittunnel": "no", "permittty": "no"}
    assert {name: counts[name] for name in wanted} == wanted


def test_a_line_before_ours_that_opens_the_account_is_refused(bastion: Host) -> None:
    bastion.write_sshd_config(before="Match User daemon\nAllowStreamLocalForwarding yes\nMatch all\n")
    said = bastion.refresh(code=5)
    assert "sets AllowStreamLocalForwarding yes, which counts instead of ours" in said
    bastion.write_sshd_config()
    bastion.refresh()
    (bastion.dropins / "05-owner.conf").write_text("Match User daemon\nPermitTTY yes\n")  # a Match ends with its file
    assert "05-owner.conf:2 sets PermitTTY yes, which counts instead of ours" in bastion.refresh(code=5)


@pytest.mark.parametrize("line", ["DisableForwarding yes", "PermitOpen 10.0.0.5:22"])
def test_the_doctor_names_what_lets_nobody_pass(line: str, bastion: Host) -> None:
    bastion.write_sshd_config(after=f"{line}\n")
    said = bastion.doctor(code=1)
    number = bastion.sshd_config.read_text().splitlines().index(line) + 1
    assert f"BAD   {bastion.sshd_config}:{number} sets {line}, which lets " in said
    assert "the shell of daemon" not in said, "it needs one that exists, not one that does anything"
    bastion.write_sshd_config(after=f"Match User {host_machine.ME}\n{line}\n")
    assert line not in bastion.doctor(code=1), "an account that people work in needs no forwarding"


@pytest.mark.parametrize("name", [host_machine.ME, "a b", "-x", "a,b"])
def test_the_account_is_another_than_those_that_people_work_in(name: str) -> None:
    text = (
        '{"version": 1, "name": "web1", "host_id": "web1", "url": "https://a.example", '
        f'"root": "SHA256:{"A" * 43}", "logins": ["{host_machine.ME}"], "jump_login": "{name}"}}'
    )
    with pytest.raises(ValueError, match="jump_login"):
        config.parse(text)


@pytest.mark.parametrize(
    "row",
    [
        ["web1", "deploy@web1", "10.0.0.5", 22],
        ["web1", "via/app1@other", "10.0.0.5", 22],
        ["web1", "via/app1@web1\nroot", "10.0.0.5", 22],
        ["web1", "via/app1@web1 x", "10.0.0.5", 22],
        ["web1", "via/app1@web1", '10.0.0.5",permitopen="*', 22],
        ["web1", "via/app1@web1", "*", 22],
        ["web1", "via/app1@web1", "10.0.0.5", 0],
        ["web1", "via/app1@web1", "10.0.0.5", True],
        ["web1", "via/app1@web1", "10.0.0.5"],
        ["web1", "via/app1@web1", "FD77::5", 22],
        ["web1", "via/app1@web1", "fe80::1%eth0", 22],
        ["web1", "via/app1@web1", f"{'a.' * 127}a", 22],
        ["web1", f"via/{'a.' * 128}a@web1", "10.0.0.5", 22],
        "web1",
    ],
)
def test_t2_a_row_that_would_write_something_else_is_refused_and_nothing_is_taken(
    row: Any, authority: Authority, front: Front, bastion: Host
) -> None:
    before = (bastion.home / "principals" / "daemon").read_text()
    with pytest.raises(ValueError, match="bastions"):
        passages.read({"bastions": [row]}, "bastions")
    front.serve(authority.offer(bundle=2, sequence=2, bastions=[*ROWS, row]))
    assert "the bundle is not sound" in bastion.refresh(code=4)
    assert (bastion.home / "principals" / "daemon").read_text() == before


# ------------------------------------------------------------------------------------- on the sshd of every release


@pytest.fixture(scope="module", params=debian_root.SUITES)
def gate(request: pytest.FixtureRequest, authority: Authority, program: Any) -> Iterator[SessionHost]:
    """A bastion of that release, with its sshd, its session hook and its daemon running."""
    base = debian_root.system(str(request.param))
    with (
        host_machine.front() as front,
        session_host(base, debian.cache(), program, front, authority, jump_login="jump") as place,
        place.sshd(),
        place.daemon(),
    ):
        yield place


@contextlib.contextmanager
def passing(
    gate: SessionHost, serial: int, principal: str, port: int, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    key = gate.certificate(serial, principals=principal, **more)
    argv = gate.ssh(key, login="jump")
    argv[1:1] = ["-W", f"127.0.0.1:{port}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def first(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.read(4)


def test_one_place_is_open_to_one_principal_on_every_openssh(gate: SessionHost) -> None:
    other = free_port()
    gate.tell(
        bastions=[["web1", "via/app1@web1", "127.0.0.1", gate.port], ["web1", "via/app2@web1", "127.0.0.1", other]]
    )
    with passing(gate, 41, "via/app1@web1", gate.port) as process:
        assert first(process) == b"SSH-", (gate.folder / "sshd.log").read_text()
    for serial, (principal, port) in enumerate(
        {
            "via/app1@web1": other,
            "via/app2@web1": gate.port,
            "via/app3@web1": gate.port,
            "deploy@web1": gate.port,
        }.items(),
        42,
    ):
        with passing(gate, serial, principal, port) as process:
            assert first(process) == b"", principal
            assert process.wait(30) == 255
    denied = (gate.folder / "sshd.log").read_text().count("but the request was denied")
    assert denied == 2, "the other two did not come in at all"


def test_a_session_that_only_passes_through_ends_with_the_grant(gate: SessionHost) -> None:
    grant = "req-passing000000"
    rows = [["web1", "via/app1@web1", "127.0.0.1", gate.port]]
    gate.tell(bastions=rows)
    with (
        passing(gate, 51, "via/app1@web1", gate.port, grant=grant) as ends,
        passing(gate, 52, "via/app1@web1", gate.port, grant=GRANT) as stays,
    ):
        assert (first(ends), first(stays)) == (b"SSH-", b"SSH-")
        wait_until(lambda: gate.sessions() == 2, gate.daemon_log)
        gate.tell(bastions=rows, ended=[[grant, int(time.time())]])
        assert ends.wait(60) == 255
        wait_until(lambda: gate.sessions() == 1, gate.daemon_log)
        assert stays.poll() is None

"""Sessions end with their grants, on a real sshd with real PAM; nobody else's do."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import debian
from sshjit_host.machine import control_groups
from sshjit_host.machine.processes import NO_AUDIT, Table
from sshjit_host.openssh import pam_hook
from sshjit_host.sessions import hook, session_processes
from sshjit_host.sessions.registry import Session
from tests.support import debian_root, host_machine
from tests.support.host_machine import Authority, Front, free_port, line, make_key, run
from tests.support.post_quantum import PostQuantumCA
from tests.support.post_quantum import bundle as post_quantum_bundle
from tests.support.post_quantum import program as of_release
from tests.support.session_host import GRANT, SessionHost, session_host, user_certificate
from tests.support.waiting import wait_until

LONG = "600"
URGENT = "urgent-0123456789abcdef"


@pytest.fixture(scope="module", params=debian_root.SUITES)
def base(request: pytest.FixtureRequest) -> debian_root.System:
    """A Debian release."""
    return debian_root.system(str(request.param))


@pytest.fixture(scope="module")
def host(base: debian_root.System, authority: Authority, program: Path) -> Iterator[SessionHost]:
    """A host with its hook in PAM, its sshd and its daemon running."""
    with (
        host_machine.front() as front,
        session_host(base, debian.cache(), program, front, authority) as place,
        place.sshd(),
        place.daemon(),
    ):
        yield place
        assert "unexpected" not in place.daemon_log()


@pytest.fixture
def own(base: debian_root.System, authority: Authority, front: Front, program: Path) -> Iterator[SessionHost]:
    """A host for one test, with nothing running yet."""
    with session_host(base, debian.cache(), program, front, authority) as place:
        yield place


def gone(host: SessionHost, mark: str) -> None:
    wait_until(lambda: not host.runs(mark), host.daemon_log)


def sleeping(host: SessionHost, mark: str) -> str:
    return f"echo ready; exec sleep {host.seconds(mark)}"


def scattered(host: SessionHost, mark: str) -> str:
    """A command that starts what outlives it in every way there is."""
    seconds = host.seconds(mark)
    return (
        f"nohup sleep {seconds} >/dev/null 2>&1 & setsid sleep {seconds} >/dev/null 2>&1 & "
        f"env -i setsid nohup sleep {seconds} </dev/null >/dev/null 2>&1 & sleep 0.2; {sleeping(host, mark)}"
    )


def test_t34_a_revoked_session_ends_whole_and_nobody_else_s(host: SessionHost) -> None:
    with (
        host.session(host.owner_key, sleeping(host, "711"), login="owner") as owner,
        host.session(host.certificate(11), scattered(host, "712")) as session,
    ):
        wait_until(lambda: len(host.runs("712")) == 4)
        assert host.sessions() == 1
        host.revoke(11)
        gone(host, "712")
        session.wait(60)
        wait_until(lambda: host.sessions() == 0, host.daemon_log)
        assert "ends: revoked" in host.daemon_log()
        assert (owner.poll(), len(host.runs("711"))) == (None, 1)


def test_t34_what_somebody_left_behind_goes_with_the_grant(host: SessionHost) -> None:
    """They log out; their programs may go on until the grant is over, and no longer."""
    grant = "req-leftbehind00"
    left = f"setsid nohup sleep {host.seconds('721')} </dev/null >/dev/null 2>&1 & echo ready"
    with host.session(host.certificate(12, grant=grant), left) as session:
        session.wait(60)
    wait_until(lambda: len(host.runs("721")) == 1, host.daemon_log)
    time.sleep(1)
    assert (len(host.runs("721")), host.sessions()) == (1, 1)
    host.tell(ended=[[grant, int(time.time())]])
    gone(host, "721")
    wait_until(lambda: host.sessions() == 0, host.daemon_log)


COMET = "import os\nwhile True:\n    if os.fork():\n        os._exit(0)"
"""A program whose processes live for less than it takes to look at them."""
HEADLESS = """import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)"""
"""A program whose first thread has ended: the kernel calls it a zombie, and shows no command and environment."""


@contextlib.contextmanager
def started(program: str, group: str = "", **variables: str) -> Iterator[int]:
    """The first process of a program, which has begun, in a control group."""
    argv = ["sh", "-c", 'read x; exec "$0" -c "$1"', sys.executable, program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env={**os.environ, **variables}) as process:
        try:
            if group:
                Path(group, "cgroup.procs").write_text(str(process.pid))
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
            state = Path(f"/proc/{process.pid}/stat")
            wait_until(lambda: ") Z " in state.read_text())
            yield process.pid
        finally:
            process.kill()


def entry(**fields: Any) -> Session:
    """A session without anything but what a test says of it."""
    empty: dict[str, Any] = dict.fromkeys((field.name for field in dataclasses.fields(Session)), "")
    return Session(**{**empty, "pid": 0, "started": 0, "uid": os.geteuid(), "audit": NO_AUDIT, **fields})


@pytest.mark.parametrize("word", ["cgroup.kill", "cgroup.kill-of-newer-kernels"])
@pytest.mark.parametrize("program", [COMET, HEADLESS], ids=["comet", "headless"])
def test_t34_a_group_is_ended_whole_whatever_runs_in_it(
    program: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by kernels before 5.14, which cannot end a group at once."""
    monkeypatch.setattr(control_groups, "KILL", word)
    fence = control_groups.Fence(tmp_path)
    assert fence.place is not None, "this machine's control groups can be used"
    group = fence.place / "session"
    group.mkdir(parents=True)
    session = entry(group=str(group))
    try:
        with started(program, str(group)):
            for gently in (True, True, False):
                over = session_processes.end(session, Table(), gently=gently)
                assert not over or not control_groups.members(str(group)), "it is not over while something runs"
            wait_until(lambda: session_processes.end(session, Table(), gently=False))
            assert control_groups.members(str(group)) == set()
            assert not session_processes.left_behind(session, Table())
    finally:
        (group / "cgroup.kill").write_text("1")
        control_groups.remove(str(group))
        fence.close()


def test_t34_a_program_without_its_first_thread_is_found_without_control_groups() -> None:
    connection = "192.0.2.7 4711 192.0.2.8 22"
    session = entry(connection=connection)
    with started(HEADLESS, SSH_CONNECTION=connection) as pid:
        assert [process.pid for process in session_processes.members(session, Table())[0]] == [pid]
        wait_until(lambda: session_processes.end(session, Table(), gently=False))


def test_t34_a_master_with_its_children_and_forwards_goes(host: SessionHost) -> None:
    key, control, port = host.certificate(13, grant="req-master0000000"), host.folder / "master", free_port()
    back = free_port()
    local, remote = (
        f"LocalForward={port} 127.0.0.1:{host.port}",
        f"RemoteForward=127.0.0.1:{back} 127.0.0.1:{host.port}",
    )
    forward = ("ControlMaster=yes", f"ControlPath={control}", local, remote)
    through = (f"ControlPath={control}",)
    with (
        host.session(key, sleeping(host, "731"), options=forward) as master,
        host.session(key, sleeping(host, "731"), options=through) as child,
        socket.create_connection(("127.0.0.1", port)) as forwarded,
    ):
        assert forwarded.recv(4) == b"SSH-"
        socket.create_connection(("127.0.0.1", back)).close()
        assert (len(host.runs("731")), host.sessions()) == (2, 1)
        host.tell(ended=[["req-master0000000", int(time.time())]])
        gone(host, "731")
        forwarded.settimeout(60)
        while forwarded.recv(4096):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", back))
        assert (master.wait(60), child.wait(60)) == (255, 255)


def test_the_window_ends_it_after_a_warning_and_an_extension_keeps_it(host: SessionHost) -> None:
    grant = "req-extended00000"
    longer = host.certificate(15, grant=grant, seconds=20)
    with (
        host.session(
            host.certificate(14, seconds=20), f"echo ready; sleep {host.seconds('741')}", options=("RequestTTY=force",)
        ) as first,
        host.session(longer, sleeping(host, "742")),
    ):
        host.tell(extended=[[grant, int(time.time()) + 3600]])
        gone(host, "741")
        assert len(host.runs("742")) == 1
        output = first.stdout.read() if first.stdout is not None else b""
        assert b"ssh-jit: this session ends in" in output
        assert b"The time of your access is over." in output
        host.tell(ended=[[grant, int(time.time())]])
        wait_until(lambda: host.sessions() == 0, host.daemon_log)


@pytest.mark.parametrize("seconds", [4, 0])
def test_when_people_are_warned_is_a_setting(seconds: int, own: SessionHost) -> None:
    own.settings["warn"] = seconds
    key, command = own.certificate(18, seconds=10), f"echo ready; sleep {own.seconds('743')}"
    with own.sshd(), own.daemon(), own.session(key, command, options=("RequestTTY=force",)) as session:
        shown = session.stdout.read().decode() if session.stdout is not None else ""
    left = re.findall(r"this session ends in (\d+) s", shown)
    assert len(left) == (1 if seconds else 0), shown
    assert all(int(number) <= seconds for number in left)
    assert "The time of your access is over." in shown


def test_an_emergency_session_ends_with_its_certificate(host: SessionHost) -> None:
    times = "-1m:+9s"
    key = host.certificate(16, grant=URGENT, key_id=f"{URGENT} operator emergency", times=times, seconds=3600)
    with host.session(key, sleeping(host, "751")):
        assert "EMERGENCY session" in host.daemon_log()
        assert "opened by emergency certificates" in host.doctor()
        gone(host, "751")
    assert "ends: certificate" in host.daemon_log()


def test_a_probe_s_session_is_nobody_s_and_ends_with_its_certificate(host: SessionHost) -> None:
    """As the CA makes them, but for what it runs; it is reported, and neither an emergency nor counted."""
    name = "probe-0123456789abcdef"
    key = host.certificate(29, grant=name, key_id=f"{name} operator probe", seconds=9)
    with host.session(key, sleeping(host, "752")):
        (begun,) = (said for said in host.daemon_log().splitlines() if name in said)
        assert "EMERGENCY" not in begun
        assert host.sessions() == 0
        gone(host, "752")
    assert "ends: window" in host.daemon_log()


def test_a_hundred_sessions_of_ten_grants_and_one_is_revoked(host: SessionHost) -> None:
    grants = [f"req-{number:016}" for number in range(10)]
    keys = [host.certificate(100 + number, grant=grant) for number, grant in enumerate(grants)]
    argv = [host.ssh(key, f"exec sleep {host.seconds(f'76{number}')}") for number, key in enumerate(keys)]
    sessions: list[list[subprocess.Popen[bytes]]] = []
    try:
        for number, each in enumerate(argv):
            sessions.append([subprocess.Popen(each, stdout=subprocess.DEVNULL) for _ in range(10)])
            wait_until(lambda number=number: host.sessions() == 10 * number + 10, host.daemon_log)  # type: ignore[misc]
        wait_until(lambda: all(len(host.runs(f"76{number}")) == 10 for number in range(10)))
        host.tell(ended=[[grants[3], int(time.time())]])
        gone(host, "763")
        wait_until(lambda: host.sessions() == 90, host.daemon_log)
        assert [len(host.runs(f"76{number}")) for number in range(10)] == [10, 10, 10, 0, 10, 10, 10, 10, 10, 10]
        assert [process.wait(60) for process in sessions[3]] == [255] * 10
        assert all(process.poll() is None for n, group in enumerate(sessions) if n != 3 for process in group)
        host.tell(ended=[[grant, int(time.time())] for grant in grants])
        wait_until(lambda: host.sessions() == 0, host.daemon_log)
    finally:
        for process in (each for group in sessions for each in group):
            process.kill()
            process.wait()
        host.clear()


def test_t36_an_sshd_that_was_started_within_a_session_goes_on(host: SessionHost) -> None:
    """As after ``service ssh restart`` by somebody with root: it is the owner's way in from then on."""
    port, config = free_port(), host.folder / "second_sshd_config"
    config.write_text(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host.folder}/host_key\nPidFile {config}.pid\n")
    key = host.certificate(17, grant="req-restarts00000", principals="root@web1")
    start = f"/usr/sbin/sshd -f {config} && {sleeping(host, '771')}"
    with host.session(key, start, login="root"):
        wait_until(Path(f"{config}.pid").exists)
        pid = int(Path(f"{config}.pid").read_text())
        try:
            host.tell(ended=[["req-restarts00000", int(time.time())]])
            gone(host, "771")
            wait_until(lambda: host.sessions() == 0, host.daemon_log)
            with socket.create_connection(("127.0.0.1", port)) as to:
                assert to.recv(4) == b"SSH-"
        finally:
            os.kill(pid, signal.SIGTERM)


def test_t58_with_the_daemon_dead_ours_are_refused_and_others_are_not(own: SessionHost) -> None:
    """Another CA's certificates and plain keys open as ever; the next daemon finds the sessions of the last one."""
    other = make_key(own.authority.folder / "other_ca")
    (own.folder / "owner_keys").write_text(f"{line(own.owner_key)}\ncert-authority {line(other)}\n")
    foreign = user_certificate(own.authority, 21, grant="", ends=0, principals="owner", ca=other)
    ours = own.certificate(22)
    with own.sshd(), own.daemon() as daemon, own.session(ours, scattered(own, "781")):
        daemon.kill()
        daemon.wait()
        wait_until(lambda: len(own.runs("781")) == 4)
        assert subprocess.run(own.ssh(own.owner_key, "true", login="owner"), check=False, timeout=60).returncode == 0
        assert subprocess.run(own.ssh(foreign, "true", login="owner"), check=False, timeout=60).returncode == 0
        assert subprocess.run(own.ssh(ours, "true"), check=False, timeout=60).returncode not in (0, 255)
        assert "the session daemon does not answer" in own.doctor(code=1)
        with own.daemon():
            assert own.sessions() == 1
            assert subprocess.run(own.ssh(ours, "true"), check=False, timeout=60).returncode == 0
            own.revoke(22)
            gone(own, "781")


def test_an_emergency_certificate_opens_a_host_whose_daemon_is_broken_and_ends(own: SessionHost) -> None:
    with own.sshd():
        key = own.certificate(23, grant=URGENT, key_id=f"{URGENT} operator emergency", times="-1m:+8s")
        with own.session(key, scattered(own, "791")):
            wait_until(lambda: len(own.runs("791")) == 4)
            gone(own, "791")


def opens(host: SessionHost, key: Path, login: str = "deploy") -> bool:
    argv = host.ssh(key, "true", login=login)
    return subprocess.run(argv, check=False, timeout=120, capture_output=True).returncode == 0


def other_ways_in(host: SessionHost, serial: int) -> Path:
    """A certificate of another CA that opens ``owner``."""
    other = make_key(host.authority.folder / "other_ca")
    (host.folder / "owner_keys").write_text(f"{line(host.owner_key)}\ncert-authority {line(other)}\n")
    return user_certificate(host.authority, serial, grant="", ends=0, principals="owner", ca=other)


def test_t58_a_daemon_that_hangs_keeps_nobody_else_out_nor_an_emergency(own: SessionHost) -> None:
    foreign, ours = other_ways_in(own, 31), own.certificate(32)
    urgent = own.certificate(33, grant=URGENT, key_id=f"{URGENT} operator emergency")
    with own.sshd(), own.daemon() as daemon:
        inside = hook.ask(own.folder / "run" / hook.SOCKET, {"ask": "status"}, 5)
        assert inside["sessions"] == 0
        hung = daemons(own)
        for process in hung:
            os.kill(process, signal.SIGSTOP)
        try:
            assert opens(own, own.owner_key, "owner")
            assert opens(own, foreign, "owner")
            assert not opens(own, ours)
            assert opens(own, urgent)
        finally:
            for process in hung:
                os.kill(process, signal.SIGCONT)
        assert daemon.poll() is None
        wait_until(lambda: opens(own, ours), own.daemon_log)


def daemons(host: SessionHost) -> list[int]:
    """The processes of the host's session daemon."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if str(host.folder / "host.json").encode() in words and b"sessions" in words:
                found.append(int(path.parent.name))
    assert found
    return found


def test_t58_a_program_that_is_broken_keeps_nobody_else_out(own: SessionHost) -> None:
    foreign, ours = other_ways_in(own, 34), own.certificate(35)
    whole = own.program.read_bytes()
    with own.sshd(), own.daemon():
        own.program.write_bytes(b"<html>")
        assert opens(own, own.owner_key, "owner")
        assert opens(own, foreign, "owner")
        assert not opens(own, ours)
        own.program.write_bytes(whole)
        assert opens(own, ours)


def test_accounts_of_a_directory_are_registered_by_the_line_that_counts_for_every_name(
    base: debian_root.System, authority: Authority, front: Front, program: Path
) -> None:
    """A directory may know them by several, and ``Match User`` fits one."""
    with session_host(base, debian.cache(), program, front, authority, logins=["deploy", "first.last"]) as place:
        assert pam_hook.MARK in (place.folder / "etc/pam.d/sshd").read_text()
        assert not (place.folder / "etc/pam.d" / pam_hook.SERVICE).exists()


def test_t57_a_line_of_somebody_s_does_not_let_in_certificates_for_other_hosts_and_accounts(own: SessionHost) -> None:
    """Who was in once writes that our CA's certificates for another host open this account."""
    planted = own.folder / "deploy_keys"
    names = "deploy@web2,postgres@web1,deploy,via/app1@web1,deploy@web1"
    planted.write_text(f'cert-authority,principals="{names}" {line(own.authority.user_ca)}\n')
    own.write_sshd_config(after=f"UsePAM yes\nMatch User deploy\nAuthorizedKeysFile {planted}")
    with own.sshd(), own.daemon():
        assert opens(own, own.certificate(41))
        for number, name in enumerate(names.split(",")[:-1]):
            assert not opens(own, own.certificate(42 + number, principals=name)), name
        assert own.daemon_log().count("session ses-") == 1


@pytest.mark.parametrize("running", [True, False], ids=["with the daemon", "without it"])
@pytest.mark.parametrize("how", ["by its key", "by its key id"])
def test_a_recovery_certificate_opens_and_ends_by_itself(how: str, running: bool, own: SessionHost) -> None:  # noqa: FBT001 - a case
    """Of a CA that no bundle ever named; or of one that the bundle names, with a key id that says what it is."""
    recovery = make_key(own.authority.folder / "recovery_ca")
    by_key = how == "by its key"
    if by_key:
        (own.folder / "deploy_keys").write_text(f"cert-authority {line(recovery)}\n")
        own.write_sshd_config(after=f"UsePAM yes\nMatch User deploy\nAuthorizedKeysFile {own.folder}/deploy_keys")
        (own.home / "recovery.pub").write_text(f"{line(recovery)} in the safe\n")
        own.install()
    more = {"ca": recovery, "key_id": "of the safe", "principals": "deploy"} if by_key else {"key_id": "recovery 2026"}
    key = own.certificate(36, grant="", times="-1m:+12s", **more)
    with contextlib.ExitStack() as stack:
        stack.enter_context(own.sshd())
        if running:
            stack.enter_context(own.daemon())
        with own.session(key, scattered(own, "792")):
            wait_until(lambda: len(own.runs("792")) == 4)
            gone(own, "792")
    assert ("EMERGENCY session" in own.daemon_log()) == running


def test_without_control_groups_everything_is_found_all_the_same(
    base: debian_root.System, authority: Authority, front: Front, program: Path
) -> None:
    with (
        session_host(base, debian.cache(), program, front, authority, groups=False) as host,
        host.sshd(),
        host.daemon(),
        host.session(host.owner_key, sleeping(host, "801"), login="owner"),
        host.session(host.certificate(24), scattered(host, "802")),
    ):
        assert "held together by audit sessions" in host.doctor()
        brief = f"env -i setsid nohup sleep {host.seconds('803')} </dev/null >/dev/null 2>&1 & echo ready"
        with host.session(host.certificate(26, grant="req-brief00000000"), brief) as short:
            short.wait(60)
        wait_until(lambda: len(host.runs("803")) == 1, host.daemon_log)
        host.tell(ended=[["req-brief00000000", int(time.time())]])
        gone(host, "803")
        wait_until(lambda: len(host.runs("802")) == 4)
        host.revoke(24)
        gone(host, "802")
        assert len(host.runs("801")) == 1


def test_sessions_are_reported_once_and_kept_while_the_front_end_is_away(own: SessionHost) -> None:
    asked: list[dict[str, Any]] = []
    answers = [503]

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert path == "/api/v1/host/sessions"
        if answers:
            return answers.pop(), {"error": {"message": "away", "hint": ""}}
        asked.append(body)
        return 200, {"taken": body["events"][-1]["number"]}

    own.front.posted = answer
    with own.sshd(), own.daemon():
        run(*own.ssh(own.certificate(25), "true"))
        wait_until(lambda: sum(len(body["events"]) for body in asked) == 2, own.daemon_log)
        wait_until(lambda: (own.status() or {}).get("reports") == 0)
    start, end = (event for body in asked for event in body["events"])
    assert (start["kind"], start["login"], start["grant"], start["serial"]) == ("start", "deploy", GRANT, 25)
    assert (end["kind"], end["why"], end["session"]) == ("end", "logout", start["session"])
    assert end["number"] > start["number"]
    assert start["source"] == "127.0.0.1"
    assert asked[0]["host_key"] == line(own.folder / "host_key")


def pam(host: SessionHost) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (host.folder / "etc/pam.d").iterdir()}


@pytest.mark.parametrize("added", ["", "account optional pam_access.so\n"], ids=["as it is", "by the service's name"])
def test_the_hook_comes_into_pam_and_out_again_byte_for_byte(
    added: str, base: debian_root.System, authority: Authority, front: Front, program: Path
) -> None:
    """Where sshd can be told of a service, no file of others is touched; where it cannot, or must not, one line is."""
    with session_host(base, debian.cache(), program, front, authority) as host:
        run(*host.command("sessions", "--remove"))
        service = host.folder / "etc/pam.d/sshd"
        service.write_text(service.read_text() + added)
        before, dropin = pam(host), host.dropin.read_bytes()
        assert "PAM does not run our hook" in host.doctor()
        host.install()
        asked = ("/usr/sbin/sshd", "-T", "-f", str(host.sshd_config), "-C", "user=deploy,host=a,addr=127.0.0.1")
        knows_services = "pamservicename" in run(*host.inside(*asked)).lower()
        changed = {name for name, data in pam(host).items() if before.get(name) != data}
        assert changed == ({"ssh-jit"} if knows_services and not added else {"sshd"})
        if "sshd" in changed:
            lines = [each for each in service.read_bytes().splitlines() if each not in before["sshd"].splitlines()]
            assert len(lines) == 1
        after = pam(host)
        host.install()
        assert pam(host) == after
        run(*host.command("sessions", "--remove"))
        assert (pam(host), host.dropin.read_bytes()) == (before, dropin)


def test_the_doctor_says_when_the_hook_comes_too_late_or_pam_is_off(own: SessionHost) -> None:
    service = own.folder / "etc/pam.d/sshd"
    with own.sshd(), own.daemon():
        assert "sessions end with their grants: 0 open" in own.doctor()
        run(*own.command("sessions", "--remove"))
        service.write_text(service.read_text() + "account optional pam_access.so\n")
        own.install()
        service.write_text("session optional pam_env.so user_readenv=1\n" + service.read_text())
        assert "pam_env.so comes before our rule" in own.doctor(code=1)
        own.install()
        own.write_sshd_config(after="UsePAM no")
        assert "sshd does not use PAM" in own.doctor()


def test_the_stub_is_plain_sh(own: SessionHost) -> None:
    stub = shutil.copy(own.home / "pam-session", own.folder / "stub")
    for shell in ("sh", "bash"):
        run(shell, "-n", stub)


def test_a_session_by_a_post_quantum_key_ends_as_any_other(
    own: SessionHost, base: debian_root.System, authority: Authority
) -> None:
    """Its certificate's type has no version in it, by which the rule in PAM knew the others."""
    if debian_root.OPENSSH[base.suite] < (10, 6):
        return  # such a certificate opens nothing there
    pq = PostQuantumCA(authority.folder)
    own.tell(**post_quantum_bundle(pq.part()))
    grant = f"extension:grant@ssh-jit={GRANT} {int(time.time()) + 3600}"
    key = pq.certify(pq.user_ca, pq.key(authority.folder / "pq_person"), "deploy@web1", 791, "-O", grant)
    argv = [*of_release("sid", "ssh"), *own.ssh(key, sleeping(own, "791"))[1:]]
    with (
        own.sshd(),
        own.daemon(),
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as session,
    ):
        wait_until(lambda: len(own.runs("791")) == 1, own.daemon_log)
        assert own.sessions() == 1
        own.tell(**post_quantum_bundle(pq.part("serial: 791")))
        gone(own, "791")
        session.wait(60)
        wait_until(lambda: own.sessions() == 0, own.daemon_log)
    assert "ends: revoked" in own.daemon_log()

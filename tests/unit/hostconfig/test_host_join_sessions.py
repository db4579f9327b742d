"""Joining has sessions end with their grants, or says why it cannot; leaving puts PAM back, byte for byte."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root, joining_machine
from tests.support.host_machine import Authority
from tests.support.joining_machine import PROGRAM, Machine
from tests.support.session_host import user_certificate
from tests.support.waiting import wait_until

SESSIONS = "ssh-jit-host-sessions.service"
PAM = "/etc/pam.d/sshd"


@pytest.fixture(params=debian_root.SUITES)
def machine(request: pytest.FixtureRequest, authority: Authority, program: Path) -> Iterator[Machine]:
    """A server of that release that has not joined, without systemd."""
    with joining_machine.machine(authority, program, suite=str(request.param)) as made:
        yield made
        made.end_units()


def certificate(authority: Authority, serial: int) -> Path:
    return user_certificate(authority, serial, grant=f"req-{serial:016}", ends=4_000_000_000)


@contextlib.contextmanager
def session(machine: Machine, key: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A session that stays; it has begun when the block does."""
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
    argv = ["nsenter", "-t", str(machine.pid), "-n", "--", "ssh", "-F", "none", "-q", "-i", str(key), "-l", "deploy"]
    argv += [word for option in options for word in ("-o", option)]
    with subprocess.Popen([*argv, machine.address, "echo ready; exec sleep 600"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", machine.log()
            yield process
        finally:
            process.kill()


def open_sessions(machine: Machine) -> str:
    return str(json.loads(machine.program("status", "--json"))["sessions"])


def test_join_starts_the_daemon_and_then_has_pam_ask_it(authority: Authority, machine: Machine) -> None:
    machine.stand_in_systemd()
    before, key = machine.snapshot(), certificate(authority, 801)
    said = machine.join()
    asked = machine.path("/run/asked").read_text()
    assert said.index(f"started {SESSIONS}") < said.index("/etc/pam.d/"), "the daemon comes first"
    assert f"restart {SESSIONS}" in asked
    assert open_sessions(machine) == "end with their grants; 0 open"
    assert "sessions end with their grants: 0 open" in machine.program("doctor")
    assert machine.owner() == 0
    with session(machine, key) as open_now:
        assert open_sessions(machine) == "end with their grants; 1 open"
        joined = machine.snapshot()
        assert "nothing was changed" in machine.join()
        assert machine.snapshot() == joined
        assert f"started {SESSIONS}" in machine.program("join", "--no-host-certificates"), "a change keeps it"
        assert open_sessions(machine) == "end with their grants; 1 open"
        revoked = base64.b64encode(authority.krl("serial: 801\n")).decode()
        machine.front.serve(authority.offer(sequence=2, krl=revoked))
        machine.program("refresh")
        assert open_now.wait(60) == 255
    said = machine.program("leave")
    assert said.index("/etc/pam.d/") < said.index(f"stopped {SESSIONS}"), "the daemon goes last"
    assert machine.snapshot() == before
    assert machine.sh("ls /run/units") == "", "nothing of ours runs"
    assert not machine.path("/run/ssh-jit-host").exists()
    assert machine.owner() == 0


def test_leave_says_what_becomes_of_open_sessions_and_ends_none(authority: Authority, machine: Machine) -> None:
    machine.stand_in_systemd()
    before = machine.snapshot()
    machine.join()
    with session(machine, certificate(authority, 802)) as open_now:
        said = machine.program("leave")
        assert "warning: the session of deploy from 10.77.0.1 goes on, and nothing ends it: `kill " in said
        assert open_now.poll() is None
        assert machine.snapshot() == before
        machine.sh("kill " + said.partition("`kill ")[2].partition("`")[0])
        assert open_now.wait(60) == 255


@pytest.mark.parametrize("added", ["", "account optional pam_access.so\n"], ids=["as it is", "by the service's name"])
def test_t36_a_daemon_that_does_not_answer_undoes_the_joining(added: str, machine: Machine) -> None:
    """With the hook in PAM, certificates would be refused."""
    machine.path(PAM).write_text(machine.path(PAM).read_text() + added)
    machine.stand_in_systemd()
    systemctl = machine.path("/usr/local/bin/systemctl")
    systemctl.write_text(systemctl.read_text().replace("setsid ", "setsid true "))
    before = machine.snapshot()
    said = machine.join(code=1)
    assert f"{SESSIONS} was started, and does not answer, so PAM was not changed" in said
    assert machine.snapshot() == before
    machine.stand_in_systemd()
    machine.ca.joined = []
    assert "joined lab as web1" in machine.join()
    machine.program("leave")


def test_t36_what_fails_behind_the_hook_puts_pam_back(machine: Machine) -> None:
    """The reload fails that has sshd use a PAM service of ours; an older sshd needs none."""
    hang_up = "kill -HUP $(cat /run/sshd.pid)"
    machine.stand_in_systemd()
    before = machine.snapshot()
    machine.stand_in_systemd(f"[ -e /etc/ssh/ssh-jit/pam-service ] && echo broken && exit 1; {hang_up}")
    if "pamservicename" not in machine.sh("/usr/sbin/sshd -T").lower():
        assert "added a line to" in machine.join()
    else:
        assert "sshd could not be reloaded: broken" in machine.join(code=1)
        assert not machine.path("/etc/pam.d/ssh-jit").exists()
        assert machine.owner() == 0
    machine.stand_in_systemd()
    machine.program("leave")
    assert machine.snapshot() == before


def test_without_pam_it_says_what_does_not_work(authority: Authority, machine: Machine) -> None:
    machine.stand_in_systemd()
    config = machine.path("/etc/ssh/sshd_config")
    config.write_text(config.read_text().replace("UsePAM yes", "UsePAM no"))
    machine.sh("kill -HUP $(cat /run/sshd.pid)")
    machine.wait_for_sshd()
    before = machine.snapshot()
    said = machine.join()
    assert "sshd does not use PAM (UsePAM no), so that sessions do not end with their grants" in said
    assert "set `UsePAM yes` in sshd_config, reload sshd, then ssh-jit-host sessions --install" in said
    assert SESSIONS not in machine.path("/run/asked").read_text()
    assert open_sessions(machine) == "do not end with their grants: sshd does not use PAM"
    assert machine.ssh(certificate(authority, 803)) == 0
    config.write_text(config.read_text().replace("UsePAM no", "UsePAM yes"))
    machine.sh("kill -HUP $(cat /run/sshd.pid)")
    machine.wait_for_sshd()
    assert "PAM does not run our hook" in machine.program("doctor")
    machine.program("sessions", "--install")
    assert machine.ssh(certificate(authority, 803)) == 0
    assert open_sessions(machine).startswith("end with their grants; ")
    machine.program("leave")
    config.write_text(config.read_text().replace("UsePAM yes", "UsePAM no"))
    assert machine.snapshot() == before


def test_an_sshd_that_refuses_its_configuration_is_said_and_nothing_is_changed(machine: Machine) -> None:
    machine.stand_in_systemd()
    machine.join()
    machine.program("sessions", "--remove")
    broken = machine.path("/etc/ssh/sshd_config.d/95-owner.conf")
    broken.write_text("NoSuchKeyword yes\n")
    before = machine.snapshot()
    said = machine.program("sessions", "--install", code=5)
    assert "NoSuchKeyword" in said
    assert "hint: /usr/sbin/sshd -t -f /etc/ssh/sshd_config" in said
    assert machine.snapshot() == before
    broken.unlink()
    machine.program("leave")


SUPERVISORS = {
    "": ("true", "your own supervisor, or from cron: @reboot"),
    "OpenRC": ("mkdir /run/openrc", "OpenRC: an /etc/init.d/ssh-jit-host-sessions with supervisor=supervise-daemon"),
    "runit": ("ln -s /bin/true /usr/local/bin/sv", "runit: an /etc/sv/ssh-jit-host-sessions/run that execs it"),
    "s6": ("ln -s /bin/true /usr/local/bin/s6-svc", "s6: a service folder ssh-jit-host-sessions whose run execs it"),
}


def test_without_systemd_it_says_how_the_daemon_is_run(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    for setup, how in SUPERVISORS.values():
        machine.sh(setup)
        said = machine.join()
        assert how in said
        assert "`/usr/local/sbin/ssh-jit-host --config /etc/ssh-jit/host.json sessions`" in said
        assert "warning: sessions do not end with their grants until that runs" in said
        assert machine.ssh(certificate(authority, 804)) == 0, "nobody is asked, so nobody is refused"
        machine.program("leave")
        machine.ca.joined = []
        machine.sh("rm -rf /run/openrc /usr/local/bin/sv /usr/local/bin/s6-svc")
        assert machine.snapshot() == before
    machine.join()
    assert "PAM does not run our hook" in machine.program("doctor")
    with subprocess.Popen(machine.argv("/usr/bin/python3", "-IS", PROGRAM, "sessions")) as daemon:
        try:
            wait_until(machine.path("/run/ssh-jit-host/sessions.sock").exists, "no daemon")
            machine.program("sessions", "--install")
            assert open_sessions(machine) == "end with their grants; 0 open"
            said = machine.program("leave")
            assert "the session daemon still runs, since systemd did not start it: stop it where it was started" in said
        finally:
            daemon.terminate()
    assert machine.snapshot() == before


def test_what_the_owner_changed_in_pam_stays_when_a_host_leaves(machine: Machine) -> None:
    service = machine.path(PAM)
    service.write_text(service.read_text() + "account optional pam_access.so\n")
    machine.stand_in_systemd()
    machine.join()
    assert service.read_text().count("# ssh-jit-host\n") == 1
    service.write_text("# of the owner\n" + service.read_text())
    machine.program("leave")
    text = service.read_text()
    assert text.startswith("# of the owner\n")
    assert "ssh-jit" not in text


def test_t36_a_change_whose_units_do_not_start_puts_their_files_back(machine: Machine) -> None:
    machine.stand_in_systemd()
    machine.join()
    unit = machine.path("/etc/systemd/system/ssh-jit-host.service")
    unit.write_text(unit.read_text() + "# by hand\n")
    joined = machine.snapshot()
    systemctl = machine.path("/usr/local/bin/systemctl")
    whole = systemctl.read_text()
    once = '"restart ssh-jit-host.service") if [ ! -e /run/failed ]; then : >/run/failed; exit 7; fi;;& \n'
    systemctl.write_text(
        whole.replace("#!/bin/sh\n", "#!/bin/bash\n").replace(
            '"restart ssh-jit-host"*)', f'{once}"restart ssh-jit-host"*)'
        )
    )
    said = machine.program("join", "--no-host-certificates", code=1)
    assert "systemctl restart ssh-jit-host.service: status 7" in said
    assert "wrote /etc/systemd/system/ssh-jit-host.service anew: your own changes belong into" in said
    assert "started ssh-jit-host.service anew" in said
    systemctl.write_text(whole)
    assert machine.snapshot() == joined
    machine.program("leave")


def test_a_packaged_unit_is_used_where_it_fits_this_host(machine: Machine) -> None:
    machine.stand_in_systemd()
    machine.join()
    own, packaged = machine.path(f"/etc/systemd/system/{SESSIONS}"), machine.path(f"/usr/lib/systemd/system/{SESSIONS}")
    link = machine.path(f"/etc/systemd/system/multi-user.target.wants/{SESSIONS}")
    fits = own.read_bytes()
    machine.program("leave")
    for text, used in ((fits, packaged), (fits + b"# older", own)):
        packaged.parent.mkdir(parents=True, exist_ok=True)
        packaged.write_bytes(text)
        machine.ca.joined = []
        machine.join()
        assert own.exists() == (used == own)
        assert str(link.readlink()) == f"/{used.relative_to(machine.root)}"
        machine.program("leave")
        assert not own.exists()
        assert packaged.read_bytes() == text
    packaged.unlink()


def test_leaving_without_our_folder_takes_the_line_out_all_the_same(machine: Machine) -> None:
    """It refuses every certificate, also of other CAs, when what it runs is gone."""
    service = machine.path(PAM)
    service.write_text(service.read_text() + "account optional pam_access.so\n")
    machine.stand_in_systemd()
    before = machine.snapshot()
    machine.join()
    machine.sh("rm -rf /etc/ssh/ssh-jit")
    machine.program("leave")
    assert machine.snapshot() == before


def test_the_hook_can_be_taken_out_and_put_in_again(machine: Machine) -> None:
    machine.stand_in_systemd()
    before = machine.snapshot()
    machine.join()
    joined = machine.snapshot()
    said = machine.program("sessions", "--remove")
    assert said.index("/etc/pam.d/") < said.index(f"stopped {SESSIONS}")
    assert not machine.path(f"/etc/systemd/system/{SESSIONS}").exists()
    assert open_sessions(machine) == "do not end with their grants: PAM does not ask"
    machine.program("join", "--no-host-certificates")
    assert open_sessions(machine) == "do not end with their grants: PAM does not ask", "nor does a change put it in"
    machine.program("join", "--host-certificates")
    machine.program("sessions", "--install")
    asked = machine.path("/run/asked").read_text().count(f"restart {SESSIONS}")
    machine.program("sessions", "--install")
    assert machine.path("/run/asked").read_text().count(f"restart {SESSIONS}") == asked, "it is in force already"
    again = machine.snapshot()
    changed = {name for name in joined.keys() | again.keys() if joined.get(name) != again.get(name)}
    assert not {name for name in changed if "/pam.d/" in name or "systemd" in name}
    assert "PAMServiceName" not in str(joined) or "PAMServiceName" in str(again)
    machine.program("leave")
    assert machine.snapshot() == before

"""How sshd is made to read its configuration again: the supervisor is asked in its own way, a bare daemon gets SIGHUP.

The supervisors' commands are played by scripts that note what they are asked; sshd is real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import joining_machine
from tests.support.host_machine import Authority
from tests.support.joining_machine import Machine

HANG_UP = "kill -HUP $(cat /run/sshd.pid)"
SUPERVISORS = {
    "OpenRC": (
        "mkdir -p /run/openrc",
        "rc-service",
        f'case "$*" in "--exists sshd"|"sshd status") exit 0;; "sshd reload") {HANG_UP};; *) exit 1;; esac',
        "OpenRC, sshd",
    ),
    "runit": (
        "mkdir -p /etc/service/ssh/supervise && : >/etc/service/ssh/supervise/stat",
        "sv",
        f'case "$*" in "status /etc/service/ssh") echo "run: ssh:";; "hup /etc/service/ssh") {HANG_UP};; esac',
        "runit, /etc/service/ssh",
    ),
    "s6": (
        (
            "mkdir -p /run/service/sshd/supervise && : >/run/service/sshd/supervise/control && "
            "printf '#!/bin/sh\\necho true\\n' >/usr/local/bin/s6-svstat && chmod +x /usr/local/bin/s6-svstat"
        ),
        "s6-svc",
        f'[ "$*" = "-h /run/service/sshd" ] && {HANG_UP}',
        "s6, /run/service/sshd",
    ),
    "systemd": (
        "mkdir -p /run/systemd/system",
        "systemctl",
        (
            'case "$*" in "is-active --quiet ssh.service") exit 0;; is-active*) exit 3;; '
            f'"reload ssh.service") {HANG_UP};; '
            'daemon-reload|"restart ssh-jit-host.service"|stop*) exit 0;; *) exit 1;; esac'
        ),
        "systemd, ssh.service",
    ),
    "systemd's service of a socket": (
        "mkdir -p /run/systemd/system",
        "systemctl",
        (
            'case "$*" in "is-active --quiet ssh.service"|"is-active --quiet ssh.socket") exit 0;; '
            "is-active*) exit 3;; "
            f'"restart ssh.service") {HANG_UP};; '
            'daemon-reload|"restart ssh-jit-host.service"|stop*) exit 0;; *) exit 1;; esac'
        ),
        "systemd, ssh.service, started again since ssh.socket starts it",
    ),
    "systemd's socket": (
        "mkdir -p /run/systemd/system",
        "systemctl",
        (
            'case "$*" in "is-active --quiet ssh.socket") exit 0;; is-active*) exit 3;; '
            'daemon-reload|"restart ssh-jit-host.service"|stop*) exit 0;; *) exit 1;; esac'
        ),
        "systemd, ssh.socket: the next connection starts it with its new configuration",
    ),
}


@pytest.fixture
def machine(authority: Authority, program: Path) -> Iterator[Machine]:
    """A server."""
    with joining_machine.machine(authority, program) as made:
        yield made


DAEMON = """case "$*" in "restart ssh-jit-host-sessions.service")
setsid /usr/local/sbin/ssh-jit-host sessions </dev/null >/dev/null 2>&1 & echo $! >/run/daemon; exit 0;;
"is-active --quiet ssh-jit-host-sessions.service") kill -0 $(cat /run/daemon); exit;;
"stop ssh-jit-host-sessions.service") kill $(cat /run/daemon); while kill -0 $(cat /run/daemon); do sleep 0.1; done
exit 0;; esac
"""
"""What a systemctl does about the session daemon, which join waits for."""


def stand_in(machine: Machine, name: str, script: str) -> None:
    path = machine.path(f"/usr/local/bin/{name}")
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>/run/asked\n{script}\n')
    path.chmod(0o755)


def test_every_way(authority: Authority, machine: Machine) -> None:
    good = authority.certificate("deploy@web1", 30)
    for name, (setup, command, script, shown) in SUPERVISORS.items():
        machine.sh(setup)
        stand_in(machine, command, (DAEMON if command == "systemctl" else "") + script)
        before = machine.snapshot()
        said = machine.join()
        assert f"reloaded sshd ({shown})" in said, name
        if name != "systemd's socket":
            assert machine.ssh(good) == 0, name
        if name == "systemd":
            unit = machine.path("/etc/systemd/system/ssh-jit-host.service").read_text()
            assert "ExecStart=/usr/local/sbin/ssh-jit-host --config" in unit
            link = machine.path("/etc/systemd/system/multi-user.target.wants/ssh-jit-host.service")
            assert str(link.readlink()) == "/etc/systemd/system/ssh-jit-host.service"
            assert "restart ssh-jit-host.service" in machine.path("/run/asked").read_text()
        elif "systemd" not in name:
            assert "there is no systemd here" in said
        machine.program("leave")
        assert machine.snapshot() == before, name
        assert machine.owner() == 0
        machine.sh(f"rm -rf /run/openrc /run/systemd /run/service /etc/service /usr/local/bin/{command}")


def test_t36_a_reload_that_fails_undoes_all(machine: Machine) -> None:
    machine.sh("mkdir -p /run/openrc")
    stand_in(
        machine,
        "rc-service",
        'case "$*" in "sshd reload") echo broken; exit 1;; "--exists sshd"|*status);; *) exit 1;; esac',
    )
    before = machine.snapshot()
    said = machine.join(code=1)
    assert "sshd could not be reloaded: broken" in said
    assert "run ssh-jit-host leave" in said
    # sshd may go by the drop-in that is gone, so what it named must stay until a reload was heard.
    assert machine.path("/etc/ssh/ssh-jit/krl").exists()
    assert machine.owner() == 0
    machine.sh("rm -r /run/openrc")
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.owner() == 0


def test_without_a_running_sshd_there_is_nothing_to_reload(machine: Machine) -> None:
    machine.sh("kill $(cat /run/sshd.pid); while [ -e /run/sshd.pid ]; do sleep 0.01; done")
    machine.sh("rmdir /run/sshd")  # as before the first connection, where a socket starts sshd
    assert "no sshd runs here" in machine.join()
    machine.start_sshd()
    assert machine.owner() == 0
    machine.program("leave")


def test_sshd_with_other_settings_is_not_reloaded(machine: Machine) -> None:
    machine.sh("kill $(cat /run/sshd.pid); while [ -e /run/sshd.pid ]; do sleep 0.01; done")
    machine.sh("cp /etc/ssh/sshd_config /etc/ssh/other_config")
    machine.sh("/usr/sbin/sshd -f /etc/ssh/other_config")
    machine.wait_for_sshd()
    before = machine.snapshot()
    assert "and not with /etc/ssh/sshd_config" in machine.join(code=1)
    machine.sh("kill $(cat /run/sshd.pid); while [ -e /run/sshd.pid ]; do sleep 0.01; done")
    machine.program("leave")
    assert machine.snapshot() == before

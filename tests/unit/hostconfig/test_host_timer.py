"""Bundles by a systemd timer instead of by the daemon: chosen when a host joins, or later; gone when it leaves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import joining_machine
from tests.support.host_machine import Authority
from tests.support.joining_machine import Machine
from tests.support.waiting import wait_until

OWN = "/etc/systemd/system"
TIMER, REFRESH, WATCH = "ssh-jit-host-refresh.timer", "ssh-jit-host-refresh.service", "ssh-jit-host.service"


@pytest.fixture
def machine(authority: Authority, program: Path) -> Iterator[Machine]:
    with joining_machine.machine(authority, program) as made:
        made.stand_in_systemd()
        yield made
        made.end_units()


def state(machine: Machine, code: int = 0) -> dict[str, object]:
    fields: dict[str, object] = json.loads(machine.program("status", "--json", code=code))
    return fields


def enabled(machine: Machine) -> set[str]:
    return {path.name for path in machine.path(OWN).glob("*.wants/ssh-jit-*")}


def test_a_timer_takes_bundles_where_it_is_asked_for(authority: Authority, machine: Machine) -> None:
    before = machine.snapshot()
    said = machine.join("--refresh-every", "10")
    assert f"started {TIMER}" in said
    assert WATCH not in said
    assert enabled(machine) == {TIMER, "ssh-jit-host-sessions.service"}
    timer = machine.path(f"{OWN}/{TIMER}").read_text()
    assert ("OnUnitInactiveSec=10s\n" in timer, "RandomizedDelaySec=1s\n" in timer) == (True, True)
    now = state(machine)
    assert now["refresh"] == "by a timer, every 10 s"
    assert now["units"] == {TIMER: "running", "ssh-jit-host-sessions.service": "running"}

    revoked = base64.b64encode(authority.krl("serial: 871\n")).decode()
    machine.front.serve(authority.offer(sequence=2, krl=revoked))
    held = machine.path("/etc/ssh/ssh-jit/bundle.json")
    wait_until(lambda: '"sequence":2' in held.read_text(), "the timer took no bundle")

    machine.sh(f"systemctl stop {TIMER}")
    assert f"{TIMER} does not run, so that this host hears of no revocations" in machine.program("doctor", code=1)
    findings = state(machine, code=1)["findings"]
    assert f"systemctl start {TIMER}" in json.dumps(findings)

    said = machine.program("join", "--refresh-every", "0")
    assert "changed: refresh_every" in said
    assert enabled(machine) == {WATCH, "ssh-jit-host-sessions.service"}
    assert not machine.path(f"{OWN}/{REFRESH}").exists()
    assert state(machine)["refresh"] == "by the daemon, which waits for bundles"
    assert "does not run" not in machine.program("doctor")
    assert "nothing was changed" in machine.program("join", "--refresh-every", "0")

    said = machine.program("join", "--refresh-every", "600")
    assert said.index(f"started {TIMER}") < said.index(f"stopped {WATCH}"), "there is always one that takes bundles"
    assert machine.sh("ls /run/units").split() == [TIMER, "ssh-jit-host-sessions.service"]
    machine.program("leave")
    assert machine.snapshot() == before
    assert machine.sh("ls /run/units") == ""


def test_t36_a_timer_that_does_not_start_leaves_the_daemon(machine: Machine) -> None:
    machine.join()
    joined = machine.snapshot()
    systemctl = machine.path("/usr/local/bin/systemctl")
    whole = systemctl.read_text()
    systemctl.write_text(whole.replace(f'"restart {TIMER}")', f'"restart {TIMER}") exit 7;;\n"never {TIMER}")'))
    said = machine.program("join", "--refresh-every", "60", code=1)
    assert f"systemctl restart {TIMER}: status 7" in said
    systemctl.write_text(whole)
    assert machine.snapshot() == joined
    assert state(machine)["units"] == {WATCH: "running", "ssh-jit-host-sessions.service": "running"}
    machine.program("leave")


def test_t36_a_change_that_was_cut_off_is_put_back_and_the_daemon_runs_again(machine: Machine) -> None:
    """As when power is lost between the timer's start and the end of the change."""
    machine.join()
    joined = machine.snapshot()
    systemctl = machine.path("/usr/local/bin/systemctl")
    whole = systemctl.read_text()
    systemctl.write_text(
        whole.replace('"stop ssh-jit-host"*)', f'"stop {WATCH}") end $1; kill -KILL $PPID;;\n"stop ssh-jit-host"*)')
    )
    machine.program("join", "--refresh-every", "60", code=-9)
    systemctl.write_text(whole)
    said = machine.program("join", "--refresh-every", "0")
    assert "an earlier run was cut off while changing" in said
    assert machine.snapshot() == joined
    assert state(machine)["units"] == {WATCH: "running", "ssh-jit-host-sessions.service": "running"}
    assert machine.sh("ls /run/units").split() == ["ssh-jit-host-sessions.service", WATCH]
    machine.program("leave")


@pytest.mark.parametrize("seconds", ["9", "1801", "-5"])
def test_a_time_that_makes_no_sense_is_refused(machine: Machine, seconds: str) -> None:
    assert "refresh_every is neither 0 (by the daemon) nor between 10 and 1800" in machine.join(
        f"--refresh-every={seconds}", code=2
    )


def test_without_systemd_cron_is_named(authority: Authority, program: Path) -> None:
    with joining_machine.machine(authority, program) as machine:
        said = machine.join("--refresh-every", "300")
        assert (
            "have cron run `/usr/local/sbin/ssh-jit-host --config /etc/ssh-jit/host.json refresh` every 300 s" in said
        )
        machine.program("leave")

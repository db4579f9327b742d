"""The CA's machine: its units come up under their confinement, reload, and come back after a reboot."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.booted_installation import UNITS, Site
from tests.support.booted_root import Booted
from tests.support.waiting import wait_until


def entries(site: Site) -> int:
    return int(json.loads(site.operator("status", "--json"))["size"])


def test_the_units_run_reload_and_come_back(site: Site) -> None:
    ca = site.ca
    assert ca.sh("systemctl --failed --no-legend --plain") == ""
    assert "ssh-jit-ca.service" in ca.sh("systemctl list-unit-files --state=enabled --no-legend")
    for unit in UNITS:
        assert ca.active(unit), ca.journal(unit)
    site.operator("doctor")  # which ends with 1 if anything is wrong

    policy = ca.path("/etc/ssh-jit/policy.toml")
    before = json.loads(site.operator("status", "--json"))["policy"]
    policy.write_text(policy.read_text().replace('grant = "1h"', 'grant = "2h"'))
    ca.sh("systemctl reload ssh-jit-ca")
    wait_until(lambda: json.loads(site.operator("status", "--json"))["policy"] != before, "it was not read again")
    policy.write_text(policy.read_text().replace('grant = "2h"', 'grant = "1h"'))
    ca.sh("systemctl reload ssh-jit-ca")
    wait_until(lambda: json.loads(site.operator("status", "--json"))["policy"] == before, "it was not read again")

    held, epoch = entries(site), json.loads(site.operator("status", "--json"))["epoch"]
    ca.reboot()
    site.wait_for_front_end()
    for unit in UNITS:
        wait_until(lambda unit=unit: ca.active(unit), lambda unit=unit: ca.journal(unit))  # type: ignore[misc]
    assert ca.sh("systemctl --failed --no-legend --plain") == ""
    assert entries(site) >= held
    assert json.loads(site.operator("status", "--json"))["epoch"] > epoch
    site.operator("log", "verify")
    site.alice.runs("login")


def test_the_front_end_cannot_see_what_is_the_cas(site: Site) -> None:
    """As its unit runs it, and the notifications: neither the keys nor the operator's socket."""
    for unit in UNITS[1:]:
        pid = site.ca.sh(f"systemctl show -P MainPID {unit}").strip()
        inside = f"nsenter -t {pid} -m -S $(id -u ssh-jit-web) -G $(id -g ssh-jit-web)"
        assert "ermission denied" in site.ca.sh(f"{inside} ls /var/lib/ssh-jit-ca 2>&1 || true")
        assert "ermission denied" in site.ca.sh(f"{inside} cat /run/ssh-jit-ca/admin.sock 2>&1 || true")


@pytest.mark.parametrize(
    ("unit", "file", "old", "new"),
    [
        (UNITS[0], "ca.toml", "installation =", "instalation ="),
        (UNITS[0], "providers.toml", "issuer =", "isuer ="),
        (UNITS[1], "web.toml", "public_url =", "public_ulr ="),
        (UNITS[2], "web.toml", "[notify", "# [notify"),
    ],
)
def test_a_unit_that_cannot_start_says_so_and_is_not_started_again(
    site: Site, unit: str, file: str, old: str, new: str
) -> None:
    """``systemctl start`` fails, and nothing spins; once the file is right, it starts."""
    ca, path = site.ca, site.ca.path(f"/etc/ssh-jit/{file}")
    text = path.read_text()
    ca.sh(f"systemctl stop {unit}")
    path.write_text(re.sub(r"(?m)^(channels|topics|webhook|secret_file) =", r"# \1 =", text).replace(old, new))
    try:
        ca.sh(f"systemctl start {unit}", code=1)
        wait_until(lambda: state(ca, unit) == ("failed", "0"), lambda: ca.journal(unit))
        assert "\nhint: " in ca.journal(unit) or file in ca.journal(unit)
    finally:
        path.write_text(text)
    ca.sh(f"systemctl start {unit}")
    site.wait_for_front_end()


@pytest.mark.parametrize("unit", UNITS)
def test_a_database_that_is_away_is_waited_for_however_long_that_is(site: Site, unit: str) -> None:
    """Systemd itself would give up at the sixth start within ten seconds."""
    ca, program = site.ca, "ca" if unit == UNITS[0] else "web"
    file = f"/var/lib/ssh-jit-{program}/{program}.db"
    ca.sh(f"systemctl stop {' '.join(UNITS[1:])} {unit}; mv {file} {file}.away")
    ca.sh(f"install -d -m 0700 -o ssh-jit-{program} -g ssh-jit-{program} {file}")  # cannot be opened
    try:
        ca.sh(f"systemctl start {unit}", code=1)
        wait_until(lambda: int(state(ca, unit)[1]) >= 6, lambda: ca.journal(unit))
    finally:
        ca.sh(f"rmdir {file}; mv {file}.away {file}")
    wait_until(lambda: ca.active(unit), lambda: ca.journal(unit))
    ca.sh(f"systemctl start {' '.join(UNITS)}")
    site.wait_for_front_end()


def state(ca: Booted, unit: str) -> tuple[str, str]:
    """How systemd sees a unit, and how often it started it again by itself."""
    lines = ca.sh(f"systemctl show -p ActiveState -p NRestarts {unit}").split()
    values = dict(line.split("=") for line in lines)
    return values["ActiveState"], values["NRestarts"]


def test_a_reload_names_what_is_wrong_with_the_policy_and_what_takes_a_restart(site: Site) -> None:
    ca = site.ca
    policy, providers = ca.path("/etc/ssh-jit/policy.toml"), ca.path("/etc/ssh-jit/providers.toml")
    good, listed = policy.read_text(), providers.read_text()
    policy.write_text(f"{good}[[allow]]\nname = 7\n")
    providers.write_text(f"{listed}# another line\n")
    try:
        ca.sh("systemctl reload ssh-jit-ca")
        number = good.count("\n") + 2
        wait_until(lambda: f"policy.toml:{number}: " in ca.journal(UNITS[0]), lambda: ca.journal(UNITS[0]))
        wait_until(lambda: "/etc/ssh-jit/providers.toml has changed" in ca.journal(UNITS[0]), "it is ignored")
    finally:
        policy.write_text(good)
        providers.write_text(listed)
        ca.sh("systemctl reload ssh-jit-ca")

"""The CA's machine: its units come up under their confinement, reload, and come back after a reboot."""

from __future__ import annotations

import json

from tests.support.booted_installation import UNITS, Site
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

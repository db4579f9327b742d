"""The day without a CA: the recovery key opens a host, and the CA's alarm sounds once it is back."""

from __future__ import annotations

import subprocess

from tests.support.booted_installation import UNITS, Site
from tests.support.waiting import wait_until

PROGRAM = "/opt/ssh-jit/bin/ssh-jit-ca"


def test_its_use_is_an_alarm_once_the_ca_is_back(site: Site) -> None:
    ca = site.ca
    site.operator("keys", "add", "user_ca", "--recovery-key", "/root/safe")
    key = site.alice.home / "recovery_person"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with site.host("bookworm") as host:
        site.join(host)
        ca.path("/root/person.pub").write_text(key.with_suffix(".pub").read_text())
        ca.sh(f"systemctl stop {' '.join(reversed(UNITS))}; mv /etc/ssh-jit /var/lib/ssh-jit-ca /root/")
        try:
            words = f"--key /root/safe --host {host.name} --login deploy --reason 'the CA burnt down' /root/person.pub"
            assert "connect by:" in ca.sh(f"{PROGRAM} recovery-sign {words}")
            certificate = key.with_name(f"{key.name}-cert.pub")
            certificate.write_text(ca.path("/root/person-cert.pub").read_text())
            options = ["-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-F", "none"]
            options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            login = site.stage.argv("ssh", *options, "deploy@127.0.0.1", "hostname")
            done = subprocess.run(login, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout.strip()) == (0, host.name), done.stderr
            assert "EMERGENCY session" in host.journal("ssh-jit-host-sessions.service")
        finally:
            ca.sh("mv /root/ssh-jit /etc/; mv /root/ssh-jit-ca /var/lib/")
            ca.sh(f"systemctl start {' '.join(UNITS)}")
        site.wait_for_front_end()
        wait_until(lambda: "RECOVERY" in site.operator("log", "show", "--host", host.name), "it is not reported")
        alarms = "journalctl --no-pager -o cat -p alert"
        wait_until(lambda: "RECOVERY" in ca.sh(alarms), lambda: ca.sh(alarms))

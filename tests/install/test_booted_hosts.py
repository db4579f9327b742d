"""Hosts that are booted: the joining line, the units under their confinement, sessions that end, a reboot, leaving.

Nothing is played here: systemd is the first process, logind makes scopes of sessions, PAM and sshd are Debian's.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.booted_installation import Site
from tests.support.booted_root import Booted
from tests.support.host_machine import make_key, run
from tests.support.waiting import wait_until

WATCH, SESSIONS = "ssh-jit-host.service", "ssh-jit-host-sessions.service"
REFRESH, TIMER = "ssh-jit-host-refresh.service", "ssh-jit-host-refresh.timer"
SUITES = ("bookworm", "sid")
"""The oldest OpenSSH that Debian supports, with a line in PAM's file of sshd; the newest, with a service of our own."""
SCATTERED = (
    "nohup sleep 6611 >/dev/null 2>&1 & setsid sleep 6611 >/dev/null 2>&1 & "
    "env -i setsid nohup sleep 6611 </dev/null >/dev/null 2>&1 & echo ready; sleep 6611"
)
"""What outlives a login in every way there is."""


@pytest.fixture(params=[(suite, by) for suite in SUITES for by in ("service", "socket")], ids="-".join)
def host(request: pytest.FixtureRequest, site: Site) -> Iterator[Booted]:
    """A booted host that has not joined; its sshd is a service, or is started by a socket for each connection."""
    suite, by = request.param
    with site.host(suite, by_socket=by == "socket") as made:
        yield made


@contextlib.contextmanager
def session(site: Site, host: Booted, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A session of alice's with a terminal, in which a command runs that says ``ready``."""
    argv = site.alice.argv("-tt", host.name, command)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None
            seen = b""
            while b"ready" not in seen:
                line = process.stdout.readline()
                assert line, seen + host.sh("journalctl --no-pager -n 40").encode()
                seen += line
            yield process
        finally:
            process.kill()


def asleep(host: Booted) -> int:
    """How many of the scattered programs run."""
    return len(host.sh("pgrep -fx 'sleep 6611' || true").split())


def rest(process: subprocess.Popen[bytes]) -> str:
    """What a session still shows until it ends."""
    assert process.stdout is not None
    return process.stdout.read().decode(errors="replace")


def joined(site: Site, host: Booted, *options: str, label: str = "env=staging") -> str:
    said = site.join(host, *options, label=label)
    assert f"joined booted as {host.name}" in said
    for unit in (WATCH, SESSIONS):
        assert host.active(unit), host.journal(unit)
    assert "end with their grants; 0 open" in host.sh("ssh-jit-host status")
    return said


def in_order(host: Booted) -> None:
    """Nothing failed, and nothing complains."""
    assert host.sh("systemctl --failed --no-legend --plain") == ""
    assert "BAD" not in host.sh("ssh-jit-host doctor")


def test_a_booted_host_from_its_joining_to_its_leaving(site: Site, host: Booted) -> None:
    before = host.snapshot()
    joined(site, host)
    in_order(host)
    assert site.alice.runs(host.name, "whoami").splitlines()[-1] == "deploy"
    wait_until(lambda: host.name in site.notified(), lambda: site.ca.journal("ssh-jit-notify.service"))

    # The grant ends: the unit of refresh hears of it by its long poll, the unit of sessions ends all that it began.
    with session(site, host, SCATTERED) as open_now:
        wait_until(lambda: asleep(host) == 4)
        assert "session-" in host.sh("cat /proc/$(pgrep -fx 'sleep 6611' | head -1)/cgroup"), (
            "logind's scope is its fence"
        )
        site.alice.runs("done", host.name)
        shown = rest(open_now)
        assert "This session ends now." in shown, "it can write on the terminal"
        wait_until(lambda: asleep(host) == 0, lambda: host.journal(SESSIONS))
        assert open_now.wait(60) == 255
    wait_until(lambda: "0 open" in host.sh("ssh-jit-host status"), lambda: host.journal(SESSIONS))
    for unit in (WATCH, SESSIONS):
        assert "unexpected" not in host.journal(unit)
        assert "warning" not in host.journal(unit)

    # A daemon that is started anew, or stopped, ends no session; the next one goes on with those that are there.
    with session(site, host, "echo ready; sleep 6611") as open_now:
        host.sh(f"systemctl restart {SESSIONS}")
        wait_until(lambda: "1 open" in host.sh("ssh-jit-host status"), lambda: host.journal(SESSIONS))
        host.sh(f"systemctl stop {SESSIONS}")
        assert open_now.poll() is None
        assert asleep(host) == 1
        host.sh(f"systemctl start {SESSIONS}")
        wait_until(lambda: "1 open" in host.sh("ssh-jit-host status"), lambda: host.journal(SESSIONS))

    host.reboot()
    assert host.path("/run/sshd").is_dir(), (
        "sshd's own folder: without it the units cannot even check its configuration"
    )
    in_order(host)
    assert "end with their grants; 0 open" in host.sh("ssh-jit-host status")
    assert site.alice.runs(host.name, "whoami").splitlines()[-1] == "deploy"

    said = host.sh("ssh-jit-host leave")
    assert f"the CA knows that {host.name} left" in said
    assert host.snapshot() == before
    assert host.sh("systemctl list-units --all --no-legend --plain 'ssh-jit*'") == ""
    assert host.sh("systemctl --failed --no-legend --plain") == ""
    assert host.sh("ls /run | grep ssh-jit || true") == ""
    assert "session" in site.operator("log", "show", "--host", host.name), "the CA was told of them"


@pytest.mark.parametrize("suite", SUITES)
def test_the_end_of_the_window_under_the_units(site: Site, suite: str) -> None:
    """Half a minute of access: warned at once, since two minutes are not left, and ended whole."""
    with site.host(suite) as host:
        joined(site, host, label="env=prod")
        shown = site.alice.runs("-tt", host.name, SCATTERED, code=255)
        assert "ssh-jit: this session ends in" in shown
        assert "The time of your access is over." in shown
        wait_until(lambda: asleep(host) == 0, lambda: host.journal(SESSIONS))
        host.sh("ssh-jit-host leave")


@pytest.mark.parametrize("suite", SUITES)
def test_without_logind_the_groups_of_the_unit_hold_a_session_together(site: Site, suite: str) -> None:
    """They are below the unit's own: to start it anew ends nothing, and the next daemon ends them all the same."""
    with site.host(suite) as host:
        host.sh("sed -i /pam_systemd/d /etc/pam.d/common-session")
        joined(site, host)
        with session(site, host, SCATTERED) as open_now:
            group = host.sh("cat /proc/$(pgrep -fx 'sleep 6611' | head -1)/cgroup | grep ^0:")
            assert f"{SESSIONS}/ssh-jit-" in group
            host.sh(f"systemctl restart {SESSIONS}")
            wait_until(lambda: "1 open" in host.sh("ssh-jit-host status"), lambda: host.journal(SESSIONS))
            assert asleep(host) == 4
            site.alice.runs("done", host.name)
            assert "This session ends now." in rest(open_now)
            wait_until(lambda: asleep(host) == 0, lambda: host.journal(SESSIONS))
        host.sh("ssh-jit-host leave")


@pytest.mark.parametrize("suite", SUITES)
def test_with_the_daemon_dead_the_owner_and_an_emergency_get_in(site: Site, suite: str) -> None:
    with site.host(suite) as host:
        joined(site, host)
        key = make_key(site.stage.folder / f"emergency-{suite}")
        host.sh("mkdir -p /root/.ssh && cat >>/root/.ssh/authorized_keys", given=key.with_suffix(".pub").read_text())
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
        words = [word for option in options for word in ("-o", option)]
        ssh = ["ssh", "-F", "none", "-q", *words, "-i", str(key)]
        host.sh(f"systemctl kill --signal=KILL {SESSIONS}; systemctl mask --runtime --now {SESSIONS}")
        site.alice.runs(host.name, "true", code=254)  # PAM opens no session
        run(*site.stage.argv(*ssh, "root@127.0.0.1", "true"))
        site.ca.path("/root/key.pub").write_text(key.with_suffix(".pub").read_text())
        site.operator(
            "sign-emergency",
            "--login",
            "deploy",
            "--host",
            host.name,
            "--key",
            "/root/key.pub",
            "--reason",
            "it is down",
        )
        key.with_name(f"{key.name}-cert.pub").write_text(site.ca.path("/root/key-cert.pub").read_text())
        run(*site.stage.argv(*ssh, "deploy@127.0.0.1", "true"))
        assert "EMERGENCY certificate" in host.sh("journalctl --no-pager -p alert"), "it is an alarm on the host"
        host.sh(f"systemctl unmask {SESSIONS} && systemctl start {SESSIONS}")
        site.alice.runs(host.name, "true")
        host.sh("ssh-jit-host leave")


@pytest.mark.parametrize("suite", SUITES)
def test_beside_another_ca_the_unit_writes_where_the_owners_files_are(site: Site, suite: str) -> None:
    """Outside ``/etc/ssh``: in a folder of their own, with a file of another group, and below root's home."""
    with site.host(suite) as host:
        host.sh(
            "mkdir -p /root/trust /srv/principals && ssh-keygen -q -t ed25519 -N '' -f /root/their_ca"
            " && cp /root/their_ca.pub /root/trust/ca.pub"
            " && echo theirs >/srv/principals/deploy && chgrp deploy /srv/principals/deploy"
            " && chmod 0640 /srv/principals/deploy"
            " && printf 'TrustedUserCAKeys /root/trust/ca.pub\\nAuthorizedPrincipalsFile /srv/principals/%%u\\n'"
            " >/etc/ssh/sshd_config.d/50-owner.conf && systemctl reload ssh"
        )
        before = host.snapshot()
        trust = host.path("/root/trust/ca.pub").read_bytes()
        joined(site, host, "--beside")
        site.alice.runs(host.name, "true")
        host.sh("sed -i '/@/d' /srv/principals/deploy && sed -i '/ssh-jit$/d' /root/trust/ca.pub")
        added = site.operator("keys", "add", "user_ca", "--new", "ed25519")
        assert added
        wait_until(
            lambda: host.path("/root/trust/ca.pub").read_text().count(" ssh-jit\n") >= 2,
            lambda: host.journal(WATCH) + host.sh("cat /root/trust/ca.pub; systemctl cat ssh-jit-host"),
        )
        assert f"deploy@{host.name}" in host.sh("cat /srv/principals/deploy")
        assert host.sh("stat -c '%U:%G %a' /srv/principals/deploy").strip() == "root:deploy 640"

        # The timer's unit may write the same, and nothing waits for bundles beside it.
        host.sh("ssh-jit-host join --refresh-every 10")
        assert (host.active(TIMER), host.active(WATCH)) == (True, False)
        host.sh("sed -i '/ssh-jit$/d' /root/trust/ca.pub")
        wait_until(lambda: " ssh-jit\n" in host.path("/root/trust/ca.pub").read_text(), lambda: host.journal(REFRESH))
        assert "unexpected" not in host.journal(REFRESH)
        assert host.sh("systemctl --failed --no-legend --plain") == ""
        host.sh("ssh-jit-host leave")
        assert host.sh("systemctl list-units --all --no-legend --plain 'ssh-jit*'") == ""
        assert host.path("/root/trust/ca.pub").read_bytes() == trust
        assert host.snapshot() == before

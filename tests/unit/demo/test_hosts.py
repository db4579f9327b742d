"""A lab host is a real sshd: a person gets in by a plain key that the test allows, and stop leaves nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import debian, hosts, isolate, machine, openssh, processes
from demo.lab import hosting
from demo.openssh import Sshd
from tests.support.waiting import wait_until


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder where sshd trusts files: not below a world-writable one, as pytest's own are."""
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=debian.cache()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def key(place: Path) -> Path:
    path = place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def db1(place: Path, key: Path) -> Iterator[hosts.Host]:
    """A running host that lets the test's key in, by a drop-in as ``ssh-jit-host`` would write one."""
    host = hosts.Host("db1", place / "db1", openssh.sshd(), hosts.login("postgres"), labels={"env": "prod"})
    host.prepare()
    allowed = host.folder / "allowed"
    allowed.write_text(key.with_suffix(".pub").read_text())
    host.drop_in.write_text(f'AuthorizedKeysFile "{allowed}"\n')
    host.start()
    yield host
    host.stop()


def ssh(host: hosts.Host, key: Path, command: str, *, login: str | None = None) -> subprocess.CompletedProcess[str]:
    known = host.folder / "known"
    known.write_text(f"[{hosts.ADDRESS}]:{host.port} {host.public_key.read_text()}")
    options = ["-F", "none", "-i", str(key), "-p", str(host.port), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    options += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
    return subprocess.run(
        ["ssh", *options, f"{login or host.login}@{hosts.ADDRESS}", command],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


def served(host: hosts.Host) -> set[int]:
    """Processes that carry this host's port in ``SSH_CONNECTION``."""
    return processes.with_environment(b"SSH_CONNECTION", f" {hosts.ADDRESS} {host.port}".encode())


def test_person_gets_in_as_the_login_and_sshd_names_the_key(db1: hosts.Host, key: Path) -> None:
    done = ssh(db1, key, "id -un; echo $SSH_CONNECTION")
    assert done.returncode == 0, db1.said()
    user, connection = done.stdout.splitlines()
    assert user == db1.login
    assert connection.endswith(f"{hosts.ADDRESS} {db1.port}")
    fingerprint = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True)
    assert fingerprint.stdout.split()[1] in db1.said()


def test_another_key_is_refused(db1: hosts.Host, place: Path) -> None:
    stranger = place / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    done = ssh(db1, stranger, "true")
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_the_migration_runs_and_counts(db1: hosts.Host, key: Path) -> None:
    command = str(hosts.migrate(db1.folder))
    answers = [ssh(db1, key, command).stdout for _ in range(2)]
    assert answers == [f"migrated the schema from version {n} to {n + 1}\n" for n in (1, 2)]


def test_reload_reads_the_drop_in_again_and_keeps_pid_and_port(db1: hosts.Host, key: Path) -> None:
    before = db1.pid
    db1.drop_in.write_text("AuthorizedKeysFile none\n")
    assert ssh(db1, key, "true").returncode == 0
    db1.reload()
    assert db1.pid == before
    assert ssh(db1, key, "true").returncode == 255


def test_the_reload_command_reloads(db1: hosts.Host) -> None:
    since = db1.mark()
    subprocess.run(db1.reload_command, check=True)
    wait_until(lambda: "Server listening" in db1.said(since))


def test_sshd_accepts_its_own_configuration_inside(db1: hosts.Host) -> None:
    test = db1.inside([str(db1.server.path), "-T", "-f", str(db1.config)])
    done = subprocess.run(test, check=True, capture_output=True, text=True, env=db1.environment)
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "loglevel VERBOSE"} <= set(
        done.stdout.splitlines()
    )


def test_stop_ends_sessions_and_what_they_left_in_the_background(db1: hosts.Host, key: Path) -> None:
    assert ssh(db1, key, "setsid sleep 600 >/dev/null 2>&1 </dev/null &").returncode == 0
    wait_until(lambda: served(db1))
    port = db1.port
    db1.stop()
    assert not served(db1)
    with socket.socket() as probe:
        assert probe.connect_ex((hosts.ADDRESS, port)) != 0


def test_a_broken_configuration_is_told_with_the_log(db1: hosts.Host) -> None:
    db1.stop()
    db1.drop_in.write_text("NoSuchKeyword yes\n")
    with pytest.raises(hosts.HostFailed, match="NoSuchKeyword"):
        db1.start()


def test_the_accounts_exist_only_on_the_host(db1: hosts.Host, key: Path) -> None:
    """Root's lab has accounts of its own; anybody else's lets in nobody but that person."""
    if isolate.possible():
        answer = ssh(db1, key, "getent passwd deploy postgres; ls /opt; ls -A /run").stdout
        assert f"deploy:x:{machine.ACCOUNTS[0].number}:" in answer
        assert answer.splitlines()[2:] == ["app", "sshd", "utmp"]
        assert str(machine.ACCOUNTS[0].number) not in Path("/etc/passwd").read_text()
        assert db1.folder.name not in Path("/proc/self/mountinfo").read_text()
        assert processes.namespace(db1.pid) != processes.namespace()
    else:
        assert db1.login == hosts.login("deploy")
        assert ssh(db1, key, "true", login="nobody").returncode == 255
    assert db1.folder.stat().st_uid == os.geteuid()


def test_t91_one_host_of_the_lab_keeps_sshds_own_penalties() -> None:
    """From OpenSSH 9.8 on: people meet them on every server, so the lab shows them too."""

    def text(version: tuple[int, int], *, penalties: bool) -> str:
        server = Sshd(Path("/usr/sbin/sshd"), version)
        place = {"address": "127.0.0.1", "port": 22, "own_accounts": False}
        return machine.sshd_config(Path("/srv"), server=server, penalties=penalties, **place)  # type: ignore[arg-type]

    assert "PerSourcePenalties no" in text((10, 0), penalties=False)
    assert "PerSourcePenalties" not in text((10, 0), penalties=True)
    assert "PerSourcePenalties" not in text((9, 2), penalties=False)
    assert hosting.STERN in hosting.SHAPES

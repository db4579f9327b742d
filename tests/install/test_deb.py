"""The Debian packages of ``make deb``: looked at by lintian, installed without a network, run, removed and purged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from tests.support import booted_installation, booted_root, debian_root
from tests.support.booted_root import Booted
from tests.support.waiting import wait_until

NAMES = ("ssh-jit", "ssh-jit-host", "ssh-jit-server")
UNITS = ("ssh-jit-ca.service", "ssh-jit-web.service")
_HEALTHY = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=5)"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files, by the packages' names."""
    folder = tmp_path_factory.mktemp("deb")
    folder.chmod(0o755)
    subprocess.run([sys.executable, "-m", "tools.deb", folder], cwd=REPOSITORY, check=True)
    files = {path.name.split("_")[0]: path for path in folder.glob("*.deb")}
    assert sorted(files) == sorted(NAMES)
    return files


@pytest.fixture(scope="module")
def machine(packages: dict[str, Path]) -> Iterator[Booted]:
    """A Debian without a network, with Python and OpenSSH and nothing of ours."""
    system = debian_root.system_with(booted_installation.SUITE, booted_root.PACKAGES)
    with booted_root.stage() as stage:
        option = f"--bind-ro={packages['ssh-jit'].parent}:/dist"
        yield stage.boot(system, "packaged", options=[option])


def test_lintian_has_nothing_against_them(packages: dict[str, Path]) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", *map(str, packages.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_client_and_host_program_need_python_and_openssh_alone(packages: dict[str, Path], machine: Booted) -> None:
    before = machine.snapshot()
    machine.sh("dpkg -i /dist/ssh-jit_*.deb /dist/ssh-jit-host_*.deb")
    assert machine.sh("ssh-jit --version").startswith("ssh-jit ")
    assert machine.sh("ssh-jit-host --version").startswith("ssh-jit-host ")
    assert "__pycache__" in machine.sh("ls /usr/share/ssh-jit/sshjit_client"), "root's files are compiled once"
    assert "disabled" in machine.sh("systemctl is-enabled ssh-jit-host.service || true")
    machine.sh("dpkg --purge ssh-jit ssh-jit-host")
    machine.sh("! ls -d /usr/share/ssh-jit /usr/bin/ssh-jit /usr/sbin/ssh-jit-host")
    gone = machine.snapshot()
    assert {name for name in before.keys() ^ gone.keys() if "dpkg" not in name} == set()


def test_the_server_is_installed_run_upgraded_removed_and_purged(packages: dict[str, Path], machine: Booted) -> None:
    machine.sh("dpkg -i /dist/*.deb")
    assert not any(machine.active(unit) for unit in UNITS), "nothing starts before it is set up"
    said = machine.sh("ssh-jit-ca init --front-end https://access.example.com --with-web")
    assert "pin the bundle key: SHA256:" in said
    assert "unit made" not in said, "the package has them"
    machine.sh("for name in acme partner; do echo secret-0123456789 >/etc/ssh-jit/$name-web.secret; done")
    machine.sh(f"systemctl enable --now {' '.join(UNITS)}")
    machine.sh(f'python3 -c "{_HEALTHY}"')
    assert "ssh-jit-host.pyz" in machine.sh(
        "ssh-jit-ca host add web1 --address 192.0.2.10 --label env=staging --login a"
    )

    pids = [machine.sh(f"systemctl show -P MainPID {unit}") for unit in UNITS]
    machine.sh("dpkg -i /dist/*.deb")
    for unit, pid in zip(UNITS, pids, strict=True):
        wait_until(lambda unit=unit: machine.active(unit), lambda unit=unit: machine.journal(unit))  # type: ignore[misc]
        assert machine.sh(f"systemctl show -P MainPID {unit}") != pid, "an upgrade restarts what runs"
    key = machine.sh("cat /var/lib/ssh-jit-ca/keys/user_ca.pub")

    machine.sh("dpkg -r ssh-jit-server ssh-jit ssh-jit-host")
    assert not any(machine.active(unit) for unit in UNITS)
    machine.sh("! ls -d /usr/lib/ssh-jit /usr/bin/ssh-jit-ca /usr/lib/systemd/system/ssh-jit-ca.service")
    assert machine.sh("ls /etc/ssh-jit/ca.toml /var/lib/ssh-jit-web/web.db").count("\n") == 2

    said = machine.sh("dpkg --purge ssh-jit-server 2>&1")
    assert "ssh-jit-server: /var/lib/ssh-jit-ca stays" in said
    assert machine.sh("cat /var/lib/ssh-jit-ca/keys/user_ca.pub") == key, "nobody could make it again"
    machine.sh("! ls -d /var/lib/ssh-jit-web")
    assert machine.sh("systemctl list-unit-files --no-legend 'ssh-jit*' || true") == ""

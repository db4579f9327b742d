"""The user data of ``hostconfig/cloud-init``, by cloud-init itself: a new server joins a real CA at its first boot."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from tests.support import debian_root, joining_machine, processes
from tests.support.host_machine import Authority, free_port, make_key, run
from tests.support.joining_machine import PROGRAM, Machine
from tests.support.processes import Processes

USER_DATA = REPOSITORY / "hostconfig" / "cloud-init" / "join.yaml"
PLACE, PAUSES = "THE LINE, AS IT WAS PRINTED", "10 20 40 80 0"
SUITE, PACKAGES = "bookworm", ("cloud-init", "sudo")
SEED = "/var/lib/cloud/seed/nocloud"
CONFIG = """
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: []
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
"""
"""Of all that cloud-init does at a boot, what the user data asks for: the rest would set up a disk and a network."""
BOOT = (
    "cloud-init init --local && cloud-init init && cloud-init modules --mode config && cloud-init modules --mode final"
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A CA and a front end, running."""
    with processes.build(tmp_path_factory.mktemp("parts")) as started:
        yield started


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A server with cloud-init that has not booted with it yet."""
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    authority = Authority(tmp_path)
    with joining_machine.machine(
        authority, nothing, suite=SUITE, packages=PACKAGES, name="auto-7", port=free_port()
    ) as made:
        made.path(PROGRAM).unlink()
        made.sh(
            "rm /etc/ssh/ssh_host_*; ssh-keygen -A; kill -HUP $(cat /run/sshd.pid); echo 127.0.1.1 auto-7 >>/etc/hosts"
        )
        made.path("/etc/cloud/cloud.cfg.d/99_test.cfg").write_text(CONFIG)
        made.path(SEED).mkdir(parents=True)
        yield made


def boot(machine: Machine, user_data: str, instance: str, *, code: int = 0) -> str:
    """The first boot of an instance, for cloud-init at least; what it logged."""
    machine.sh("cloud-init clean --logs; rm -rf /run/cloud-init")
    machine.path(f"{SEED}/user-data").write_text(user_data)
    machine.path(f"{SEED}/meta-data").write_text(f"instance-id: {instance}\n")
    machine.sh(BOOT, code=code)
    return machine.path("/var/log/cloud-init-output.log").read_text()


def test_cloud_init_takes_the_user_data(tmp_path: Path) -> None:
    for text, code in ((USER_DATA.read_text(), 0), (USER_DATA.read_text().replace("runcmd:\n  -", "runcmd:\n  a:"), 1)):
        path = tmp_path / "user-data"
        path.write_text(text)
        command = ["sh", "-c", f"LANG=C.UTF-8 cloud-init schema --config-file {path}"]
        argv = debian_root.system_with(SUITE, PACKAGES).inside(command, share=(tmp_path,))
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        assert ("Valid cloud-config" in done.stdout) == (code == 0)


def test_a_new_server_joins_at_its_first_boot_and_the_token_stays_with_root(parts: Processes, machine: Machine) -> None:
    processes.allow_by_token(parts)
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    words = ("--pattern", "auto-*", "--uses", "2", "--until", until, "--label", "env=staging", "--login", "deploy")
    line = parts.operator("host", "add", *words).splitlines()[-1]
    token = line.split()[2]
    where = f"{line} --address 127.0.0.1 --port {machine.port}"

    text = boot(machine, user_data(where.replace(parts.url, "http://127.0.0.1:1")), "first", code=1)
    assert text.count("ssh-jit: cannot install ssh-jit-host") == len(PAUSES.split()), "it is tried again"

    text = boot(machine, user_data(where), "second")
    assert "as auto-7 (host id auto-7), for deploy" in text, text
    assert "nothing was changed" not in text, "once it joined, it is not tried again"
    key = make_key(machine.keys / "alice")
    ca = parts.paths.ca / "keys" / "user_ca"
    run("ssh-keygen", "-q", "-s", ca, "-I", "t", "-n", "deploy@auto-7", "-z", "1", "-V", "-1m:+5m", f"{key}.pub")
    assert machine.ssh(key) == 0, machine.log()
    holders = machine.sh(f"grep -rlF -- {token} /var /run /etc /tmp /root || :").split()
    assert holders, "cloud-init keeps the user data"
    assert not [path for path in holders if path.startswith("/var/log")]
    # It is cloud-init that keeps it, from everybody but root.
    assert machine.sh(f"find {' '.join(holders)} -perm /077 ! -path '{SEED}/*'") == ""


def user_data(line: str) -> str:
    """The file, with the line in its place; no pauses."""
    text = USER_DATA.read_text()
    assert text.count(PLACE) == text.count(PAUSES) == 1
    return text.replace(PLACE, line).replace(PAUSES, "0 0 0 0 0")

"""The Ansible role, by Ansible itself over SSH, on servers that join a real CA and leave it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.isolate import REPOSITORY
from tests.support import joining_machine, processes
from tests.support.host_machine import Authority, free_port, make_key, run
from tests.support.joining_machine import PROGRAM, Machine
from tests.support.processes import Processes

FOLDER = REPOSITORY / "hostconfig" / "ansible"
BIN = Path(sys.executable).parent
_COUNTS = re.compile(r"^web9 +: ok=\d+ +changed=(\d+) ", re.MULTILINE)
_LINE = re.compile(r"printf '%s\\n' (\S+) .* (\S+)/host/ssh-jit-host\.pyz ([0-9a-f]{64}) join .* --root (\S+) ")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A CA and a front end, running."""
    with processes.build(tmp_path_factory.mktemp("parts")) as started:
        yield started


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A server with systemd, by a stand-in, that root reaches by a plain key."""
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    with joining_machine.machine(Authority(tmp_path), nothing, name="web9", port=free_port()) as made:
        made.path(PROGRAM).unlink()
        made.sh(
            "rm /etc/ssh/ssh_host_*; ssh-keygen -A; kill -HUP $(cat /run/sshd.pid)"
        )  # the image's are no host's own
        made.wait_for_sshd()
        made.path("/root/.ssh").mkdir(mode=0o700, exist_ok=True)
        made.path("/root/.ssh/authorized_keys").write_text((made.keys / "owner.pub").read_text())
        made.path("/run/systemd/system").mkdir(parents=True)
        made.stand_in_systemd()
        yield made
        made.end_units()


class Ansible:
    """Plays on a machine, with variables of its own."""

    def __init__(self, folder: Path, machine: Machine, variables: dict[str, Any]) -> None:
        self.folder = folder
        self.variables = variables
        key = f"ansible_ssh_private_key_file={machine.keys / 'owner'}"
        where = f"ansible_host=127.0.0.1 ansible_port={machine.port} ansible_user=root {key}"
        (folder / "inventory").write_text(f"[ssh_jit]\nweb9 {where} ansible_python_interpreter=/usr/bin/python3\n")
        (folder / "ansible.cfg").write_text(
            "[defaults]\nhost_key_checking = false\n[ssh_connection]\nssh_args = -o ControlMaster=no\n"
        )

    def play(self, *options: str, code: int = 0, piped: bool = True, **changes: Any) -> tuple[int, str]:
        """How many tasks changed something, and all that Ansible printed and logged.

        ``piped``: by the quicker way, in which its modules are no files on the server.
        """
        given = {f"ssh_jit_host_{name}": value for name, value in (self.variables | changes).items()}
        (self.folder / "variables.json").write_text(json.dumps(given))
        log = self.folder / "ansible.log"
        log.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1" if piped else "0",
        }
        words: list[str | Path] = [BIN / "ansible-playbook", "-vvv", "-i", self.folder / "inventory"]
        words += ["-e", f"@{self.folder / 'variables.json'}", FOLDER / "join.yml", *options]
        done = subprocess.run(
            words,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        (changed,) = _COUNTS.findall(done.stdout)
        return int(changed), done.stdout + log.read_text()


def line(parts: Processes, *words: str) -> dict[str, Any]:
    """The role's variables, out of the line that ``ssh-jit-ca host add`` prints."""
    text = parts.operator("host", "add", *words, "--label", "env=staging", "--login", "deploy").splitlines()[-1]
    match = _LINE.search(text)
    assert match is not None, text
    given = dict(zip(("token", "url", "digest", "root"), match.groups(), strict=True))
    invitation = re.search(r"--invitation (\S+)", text)
    return {**given, "logins": ["deploy"], **({"invitation": invitation[1]} if invitation else {"name": words[0]})}


def of_host(parts: Processes, machine: Machine, name: str) -> dict[str, Any]:
    return line(parts, name, "--address", "127.0.0.1", "--port", str(machine.port))


def opens(parts: Processes, machine: Machine, host: str) -> bool:
    """Whether a certificate for ``deploy`` on this host, by the CA's own key, opens the server."""
    key = make_key(machine.keys / "alice")
    ca = parts.paths.ca / "keys" / "user_ca"
    run("ssh-keygen", "-q", "-s", ca, "-I", "t", "-n", f"deploy@{host}", "-z", "1", "-V", "-1m:+5m", f"{key}.pub")
    return machine.ssh(key) == 0


def state_of(machine: Machine) -> dict[str, tuple[bytes, int, int, int]]:
    """All that joining might change; Ansible's own folder is not ours."""
    # What the units that run write of bundles is not the role's.
    others = ("root/.ansible", "etc/ssh/ssh-jit/")
    return {name: held for name, held in machine.snapshot().items() if not name.startswith(others)}


def sshd_of(machine: Machine) -> int:
    """The number here of the machine's listening sshd."""
    inner, space = machine.path("/run/sshd.pid").read_text().strip(), Path(f"/proc/{machine.pid}/ns/pid").readlink()
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            numbers = re.findall(r"^NSpid:\s(.*)$", status.read_text(), re.MULTILINE)[0].split()
            if numbers[-1] == inner and (status.parent / "ns" / "pid").readlink() == space:
                return int(numbers[0])
    raise AssertionError("there is no sshd in there")


@contextlib.contextmanager
def executions(machine: Machine, path: Path) -> Iterator[Path]:
    """A file with the arguments and the environment of everything that is started over sshd."""
    words = ["strace", "-f", "-v", "-s", "100000", "-e", "trace=execve", "-o", str(path), "-p", str(sshd_of(machine))]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        try:
            yield path
        finally:
            tracer.terminate()
            tracer.wait()


def test_a_server_joins_once_and_leaves_and_nothing_shows_the_token(
    parts: Processes, machine: Machine, tmp_path: Path
) -> None:
    before = state_of(machine)
    ansible = Ansible(tmp_path, machine, of_host(parts, machine, "web9"))
    token = ansible.variables["token"]
    changed, text = ansible.play("--check")
    assert state_of(machine) == before, "a trial changes nothing"
    with executions(machine, tmp_path / "executions") as path:
        changed, text = ansible.play(piped=False)
    assert changed
    assert "joined lab as web9 (host id web9), for deploy" in text
    started = path.read_text()
    assert "ssh-jit-host" in started
    assert "--token-file" in started
    assert token not in text + started
    assert opens(parts, machine, "web9")

    joined = state_of(machine)
    changed, text = ansible.play()
    assert (changed, state_of(machine)) == (0, joined), text
    assert ansible.play("--check", token="")[0] == 0, "the token is not needed any more"

    changed, text = ansible.play(state="absent")
    assert changed == 1
    assert "the CA knows that web9 left" in text
    assert state_of(machine) == before
    assert not machine.path(PROGRAM).exists()
    assert not opens(parts, machine, "web9")
    assert ansible.play(state="absent")[0] == 0
    assert machine.owner() == 0


def test_a_server_of_a_fleet_joins_by_the_invitation_and_follows_changes_of_the_variables(
    parts: Processes, machine: Machine, tmp_path: Path
) -> None:
    processes.allow_by_token(parts)
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    variables = line(parts, "--pattern", "fleet-*", "--uses", "2", "--until", until)
    where = {"name": "fleet-1", "address": "127.0.0.1", "port": machine.port}
    ansible = Ansible(tmp_path, machine, {**variables, **where})
    changed, text = ansible.play()
    assert changed
    assert variables["token"] not in text
    hosts = {host["name"]: host for host in json.loads(parts.operator("host", "list", "--json"))["hosts"]}
    assert hosts["fleet-1"]["port"] == machine.port
    assert opens(parts, machine, "fleet-1")
    assert list(machine.path("/etc/ssh").glob("*-cert.pub"))
    changed, text = ansible.play(certificates=False, jump_login="daemon")
    assert changed == 1
    assert "changed: host_certificates, jump_login" in text
    assert "Match User daemon" in machine.path("/etc/ssh/sshd_config.d/10-ssh-jit.conf").read_text()
    changed, text = ansible.play(certificates=False)
    assert "changed: jump_login" in text
    assert not list(machine.path("/etc/ssh").glob("*-cert.pub"))
    assert ansible.play(certificates=False)[0] == 0
    assert ansible.play(certificates=False, refresh_every=60)[0] == 1
    assert machine.path("/etc/systemd/system/timers.target.wants/ssh-jit-host-refresh.timer").is_symlink()


def test_another_program_than_the_pinned_one_is_replaced_and_its_services_started_anew(
    parts: Processes, machine: Machine, tmp_path: Path
) -> None:
    ansible = Ansible(tmp_path, machine, of_host(parts, machine, "web10"))
    ansible.play()
    program = machine.path(PROGRAM)
    pinned = program.read_bytes()
    program.write_bytes(pinned + b"older")
    machine.path("/run/asked").unlink()
    changed, _ = ansible.play()
    assert changed == 2
    assert program.read_bytes() == pinned
    assert "try-restart ssh-jit-host*.service\n" in machine.path("/run/asked").read_text()


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"digest": "0" * 64}, r"The checksum for \S+ did not match"),
    ({"token": ""}, "web9 has not joined, and ssh_jit_host_token is empty"),
    ({"token": "B" * 43}, "the token is for another host, has expired, or was used"),
    ({"root": "SHA256:" + "A" * 43}, "is pinned to"),
    ({"root": ""}, "are in the line that"),
    ({"logins": []}, "are in the line that"),
    ({"state": "gone"}, "value of ssh_jit_host_state must be one of: present, absent"),
)


def test_what_is_wrong_is_told_and_sshd_stays_as_it_was(parts: Processes, machine: Machine, tmp_path: Path) -> None:
    before = state_of(machine)
    ansible = Ansible(tmp_path, machine, of_host(parts, machine, "web11"))
    for changes, told in WRONG:
        _, text = ansible.play(code=2, **changes)
        assert re.search(told, text), f"{changes}: {text[-3000:]}"
        assert ansible.variables["token"] not in text
        assert not (machine.path(PROGRAM).exists() and "digest" in changes), "another program is not even put there"
        machine.path(PROGRAM).unlink(missing_ok=True)
        assert state_of(machine) == before, changes
        assert machine.owner() == 0, changes
    assert "as web11 (host id web11), for deploy" in ansible.play()[1], "none of that used the token up"

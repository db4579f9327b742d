"""Other people's programs on the written configuration, with no wrapper: each goes to a real sshd and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import fabric
import paramiko
import pytest

from demo.lab import Lab
from demo.lab.processes import Result
from tests.support.person_at_ssh import PersonAtSsh

BATCH = "put {source} copied.txt\nget copied.txt {back}\nrm copied.txt\n"
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "by ansible on {{ inventory_hostname }}", dest: ansible.txt, mode: "0600"}
    - ansible.builtin.command: cat ansible.txt
      changed_when: false
      register: shown
    - ansible.builtin.assert: {that: shown.stdout == "by ansible on " ~ inventory_hostname}
"""


@pytest.fixture(scope="module")
def dana(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PersonAtSsh]:
    """Somebody with the written configuration: web1 at once, db1 by an approval."""
    person, bob = lab.person("dana"), lab.person("bob")
    at_ssh = PersonAtSsh.make(person, tmp_path_factory.mktemp("people"))
    for who in (person, bob):
        assert who.run(["ssh-jit", "login"]).code == 0
    asked = person.run(["ssh-jit", "request", "--reason", "CHG-11 by plain ssh", "db1"])
    assert asked.code == 0, asked.stderr
    listed = bob.run(["ssh-jit", "requests"]).stdout
    request = next(line.split()[0] for line in listed.splitlines() if "CHG-11" in line)
    assert bob.run(["ssh-jit", "approve", "--yes", request]).code == 0
    fine(at_ssh.run("ssh-jit", "web1", "true"))  # its configuration is kept, and made before the line is there
    written = at_ssh.run("ssh-jit", "config", "--write")
    assert written.code == 0, written.stderr
    yield at_ssh
    assert at_ssh.run("ssh-jit", "config", "--remove").code == 0
    assert not (at_ssh.home / ".ssh" / "config").exists()
    person.run(["ssh-jit", "done", "--all"])


def fine(result: Result) -> str:
    """What a program printed that ended well."""
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def test_ssh_itself(lab: Lab, dana: PersonAtSsh) -> None:
    for name in ("web1", "db1"):
        assert fine(dana.run("ssh", name, "whoami")).strip() == lab.hosting.hosts[name].login
    assert "by the first line" in dana.run("ssh-jit", "config", "--check").stderr


def test_the_wrapper_s_own_connections_use_nothing_of_it(dana: PersonAtSsh) -> None:
    """Else ssh would show the certificate for a shell where an action was asked for."""
    fine(dana.run("ssh", "web1", "true"))
    for _ in range(2):
        done = dana.run("ssh-jit", "-v", "web1", "whoami")
        fine(done)
        assert "/plain/" not in done.stderr
    own = dana.home / ".ssh" / "config"
    own.write_text(f"{own.read_text()}Host web1\n    SetEnv CHANGED=1\n")
    assert "setenv CHANGED=1" in fine(dana.run("ssh-jit", "-G", "web1")), "what changes in the file counts at once"
    own.write_text(own.read_text().partition("Host web1")[0])


def test_scp_sftp_and_rsync(dana: PersonAtSsh, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_text("there and back")
    fine(dana.run("scp", "-q", str(source), "web1:by-scp.txt"))
    fine(dana.run("scp", "-q", "web1:by-scp.txt", str(back)))
    assert back.read_text() == "there and back"
    batch = tmp_path / "batch"
    batch.write_text(BATCH.format(source=source, back=tmp_path / "by-sftp"))
    fine(dana.run("sftp", "-q", "-b", str(batch), "web1"))
    assert (tmp_path / "by-sftp").read_text() == "there and back"
    fine(dana.run("rsync", "-a", str(source), "web1:by-rsync.txt"))
    fine(dana.run("rsync", "-a", "web1:by-rsync.txt", str(tmp_path / "by-rsync")))
    assert (tmp_path / "by-rsync").read_text() == "there and back"
    fine(dana.run("ssh", "web1", "rm by-scp.txt by-rsync.txt"))


def test_git(dana: PersonAtSsh, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    commit = ["-c", "user.name=dana", "-c", "user.email=dana@example.com", "commit", "-q", "--allow-empty", "-m", "one"]
    fine(dana.run("ssh", "web1", "git init -q --bare by-git.git"))
    fine(dana.run("git", "clone", "-q", "web1:by-git.git", clone))
    fine(dana.run("git", "-C", clone, *commit))
    fine(dana.run("git", "-C", clone, "push", "-q", "origin", "HEAD:refs/heads/main"))
    assert "refs/heads/main" in fine(dana.run("git", "ls-remote", "web1:by-git.git"))
    fine(dana.run("ssh", "web1", "rm -r by-git.git"))


def test_ansible_over_two_hosts(dana: PersonAtSsh, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts").write_text("web1\ndb1\n[all:vars]\nansible_python_interpreter=/usr/bin/python3\n")
    command = ["ansible-playbook", "-f", "20", "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml")]
    env = {
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path),
        "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=2s",  # its default, but for the 60 s
    }
    output = fine(dana.run(*command, timeout=120, env=env))
    recap = {line.split()[0]: line.split()[2:6] for line in output.partition("PLAY RECAP")[2].splitlines()[1:] if line}
    assert recap == {key: ["ok=3", "changed=1", "unreachable=0", "failed=0"] for key in ("web1", "db1")}
    for name in ("web1", "db1"):
        fine(dana.run("ssh", name, "rm ansible.txt"))


def files(dana: PersonAtSsh, host: str) -> dict[str, str]:
    """What ``ssh-jit path`` says."""
    value: dict[str, str] = json.loads(fine(dana.run("ssh-jit", "path", "--json", host)))
    return value


def test_paramiko_takes_the_certificate_beside_the_key(lab: Lab, dana: PersonAtSsh) -> None:
    host, there = lab.hosting.hosts["web1"], files(dana, "web1")
    with paramiko.SSHClient() as client:
        kind, key = host.public_key.read_text().split()[:2]
        client.get_host_keys().add(f"[127.0.0.1]:{host.port}", kind, paramiko.PKey.from_type_string(kind, _bytes(key)))
        client.connect(
            "127.0.0.1", host.port, there["account"], key_filename=there["key"], look_for_keys=False, allow_agent=False
        )
        _, output, _ = client.exec_command("whoami")
        assert output.read().decode().strip() == host.login


def test_fabric_by_inline_blocks(lab: Lab, dana: PersonAtSsh, tmp_path: Path) -> None:
    files(dana, "web1")
    blocks = tmp_path / "blocks"
    blocks.write_text(fine(dana.run("ssh-jit", "config", "--inline", "web1")))
    settings = fabric.Config(runtime_ssh_path=str(blocks))
    with fabric.Connection("web1", config=settings) as connection:
        connection.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        assert connection.run("whoami", hide=True, in_stream=False).stdout.strip() == lab.hosting.hosts["web1"].login


async def _by_asyncssh(config: Path, known_hosts: str) -> str:
    async with asyncssh.connect("web1", config=[str(config)], known_hosts=known_hosts) as connection:
        return str((await connection.run("whoami", check=True)).stdout).strip()


def test_asyncssh_reads_the_written_file_and_believes_the_host_certificate(
    lab: Lab, dana: PersonAtSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    there = files(dana, "web1")
    for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, dana.person.env[name])
    account = asyncio.run(_by_asyncssh(dana.home / ".ssh" / "config", there["known_hosts"]))
    assert account == lab.hosting.hosts["web1"].login


def _bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)

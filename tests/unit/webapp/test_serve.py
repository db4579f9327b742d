"""The program ``ssh-jit-web`` itself: how it starts, refuses and ends."""

from __future__ import annotations

import functools
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import processes
from demo.lab.paths import free_ports
from tests.support import tls
from tests.support.processes import BIN, Processes, build
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("running")) as made:
        yield made


def run(*arguments: str) -> tuple[int, str]:
    env = {key: value for key, value in os.environ.items() if key != "SSH_JIT_WEB_CONFIG"}
    command = [str(BIN / "ssh-jit-web"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env)
    return done.returncode, done.stderr


def test_what_is_missing_is_said_in_a_line(tmp_path: Path) -> None:
    code, said = run("serve")
    assert code == 2
    assert "SSH_JIT_WEB_CONFIG" in said
    code, said = run("serve", "--config", str(tmp_path / "web.toml"))
    assert code == 2
    assert said.startswith("ssh-jit-web: cannot read")
    assert "Traceback" not in said


def test_an_unsafe_secret_stops_the_start(running: Processes) -> None:
    secret = running.paths.web / "acme.secret"
    secret.chmod(0o644)
    code, said = run("serve", "--config", str(running.paths.etc / "web.toml"))
    secret.chmod(0o600)
    assert code == 2
    assert "acme.secret holds a secret and can be read by others" in said
    assert "hint: chmod" in said


def test_a_taken_port_is_refused(running: Processes) -> None:
    code, said = run("serve", "--config", str(running.paths.etc / "web.toml"))
    assert code == 1, "the program that has it may end: it is worth another try"
    assert f"cannot listen on 127.0.0.1 port {running.ports.web}" in said


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("threads", "treads", 2),
        ("public_url", "# public_url", 2),
        ('database = "sqlite:///', 'database = "sqlite:////nowhere', 1),
    ],
)
@pytest.mark.parametrize("command", ["serve", "notify"])
def test_only_what_may_pass_by_itself_is_worth_another_try(
    running: Processes, command: str, old: str, new: str, code: int
) -> None:
    """By the exit code, which ``RestartPreventExitStatus`` in the units names."""
    text = f"threads = 8\n{(running.paths.etc / 'web.toml').read_text()}"
    if command == "notify":
        (running.paths.etc / "hook.secret").write_text(f"whsec_{'A' * 44}")
        (running.paths.etc / "hook.secret").chmod(0o600)
        text += HOOK
    assert old in text
    config = running.paths.etc / "other.toml"
    config.write_text(text.replace(old, new, 1))
    config.chmod(0o600)
    got, said = run(command, "--config", str(config))
    assert (got, said[:13]) == (code, "ssh-jit-web: "), said


HOOK = """
[notify.channels.siem]
webhook = "http://127.0.0.1:9/"
secret_file = "hook.secret"
[[notify.routes]]
channels = ["siem"]
topics = ["opened"]
"""


@pytest.mark.parametrize("command", ["serve", "notify"])
def test_whoever_started_it_hears_that_it_is_ready_and_not_before(
    running: Processes, tmp_path: Path, command: str
) -> None:
    config = running.paths.etc / "other.toml"
    (running.paths.etc / "hook.secret").write_text(f"whsec_{'A' * 44}")
    (running.paths.etc / "hook.secret").chmod(0o600)
    port = free_ports(1)[0]
    config.write_text((running.paths.etc / "web.toml").read_text().replace(str(running.ports.web), str(port)) + HOOK)
    config.chmod(0o600)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notices"))
        notices.settimeout(PATIENCE)
        env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notices")}
        process = subprocess.Popen([BIN / "ssh-jit-web", command, "--config", config], env=env)
        try:
            assert notices.recv(4096).startswith(b"READY=1\nSTATUS=")
            if command == "serve":
                socket.create_connection(("127.0.0.1", port)).close()
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def test_it_ends_tls_itself_where_it_has_a_certificate(running: Processes, tmp_path: Path) -> None:
    authority, certificate, key = tls.of_authority(tmp_path, "localhost")
    port = free_ports(1)[0]
    config = running.paths.etc / "other.toml"
    text = (running.paths.etc / "web.toml").read_text().replace(str(running.ports.web), str(port))
    config.write_text(f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n{text}')
    config.chmod(0o600)

    key.chmod(0o644)
    code, said = run("serve", "--config", str(config))
    assert (code, "access.key holds a secret and can be read by others" in said) == (2, True), said
    key.chmod(0o600)
    text = key.read_text()
    key.write_text(certificate.read_text())
    code, said = run("serve", "--config", str(config))
    assert (code, "are not a certificate and its key (PEM)" in said, "Traceback" in said) == (2, True, False), said
    key.write_text(text)

    process = subprocess.Popen([BIN / "ssh-jit-web", "serve", "--config", config])
    try:
        trusting = ssl.create_default_context(cafile=authority)
        wait_until(lambda: fetched(f"https://localhost:{port}/healthz", trusting) == 200, "it does not answer")
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def fetched(url: str, context: ssl.SSLContext) -> int:
    """The status of an answer; 0 while nobody listens. A certificate that is not trusted is an error."""
    try:
        with urllib.request.urlopen(url, context=context, timeout=PATIENCE) as answer:  # noqa: S310 - an https address
            return int(answer.status)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise
        return 0


def test_the_database_is_for_its_user_alone(running: Processes) -> None:
    assert (running.paths.web / "web.db").stat().st_mode & 0o077 == 0


def gone(pids: set[int]) -> bool:
    return not any(map(processes.alive, pids))


def test_nothing_outlives_the_program_however_it_ends(running: Processes) -> None:
    for end in ("terminate", "kill"):
        process = running.running.pop("web")
        workers = processes.descendants(process.pid)
        assert len(workers) == 1
        getattr(process, end)()
        process.wait(PATIENCE)
        wait_until(functools.partial(gone, workers))
        running.start("web")

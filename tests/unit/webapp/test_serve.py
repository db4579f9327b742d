"""The program ``ssh-jit-web`` itself: how it starts, refuses and ends."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import processes
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
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {running.ports.web}" in said


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

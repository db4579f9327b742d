"""The lab as others use it: one line of JSON, and nothing left behind, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import debian, isolate, processes
from demo.lab import Lab, LabError, settings
from tests.support.waiting import PATIENCE, wait_until


@dataclass(slots=True)
class Running:
    """A lab in a process of its own, and the cache that it lives in."""

    process: subprocess.Popen[str]
    line: dict[str, Any]
    cache: Path

    def pids(self) -> set[int]:
        """Every process of the lab, whatever started it."""
        named = set(self.line["processes"].values())
        return named.union(*(processes.descendants(pid) for pid in named))

    def gone(self, pids: set[int]) -> bool:
        """Waits for the end of processes and files."""
        until = time.monotonic() + PATIENCE
        while any(map(processes.alive, pids)) or Path(self.line["home"]).exists():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return list(self.cache.glob("ssh-jit-lab/lab-*")) == []


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own for a lab, which holds the sshd that may have been fetched, and nothing else afterwards."""
    real = debian.cache()
    made = real.parent / f"ssh-jit-test-{os.getpid()}"
    (made / real.name).mkdir(parents=True)
    if (real / "openssh").is_dir():
        (made / real.name / "openssh").symlink_to(real / "openssh")
    monkeypatch.setenv("XDG_CACHE_HOME", str(made))
    yield made
    if (made / real.name / "openssh").is_symlink():
        (made / real.name / "openssh").unlink()
    shutil.rmtree(made)


@pytest.fixture
def running(cache: Path) -> Iterator[Running]:
    """``make lab``'s command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.lab"], stdout=subprocess.PIPE, text=True, cwd=isolate.REPOSITORY
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the lab did not come up"
        yield Running(process, json.loads(line), cache)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_comes_up_and_leaves_nothing(running: Running, number: signal.Signals) -> None:
    pids = running.pids()
    assert len(pids) >= 9
    running.process.send_signal(number)
    assert running.process.wait(PATIENCE) == 0
    assert running.gone(pids)


def test_it_leaves_nothing_even_when_it_is_killed(running: Running) -> None:
    pids = running.pids()
    running.process.kill()
    running.process.wait()
    assert running.gone(pids)


def test_the_lab_is_well_and_its_alarms_are_heard(running: Running) -> None:
    env = {"PATH": f"{running.line['bin']}:/usr/bin:/bin"} | running.line["admin_env"]

    def operator(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ssh-jit-ca", *words], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    found = operator("doctor")
    assert found.returncode == 0, found.stdout
    assert operator("lock", "--everything", "--reason", "a drill").returncode == 0
    alarms = Path(running.line["home"]) / "log" / "alarms"
    wait_until(alarms.exists)
    wait_until(lambda: "a drill" in alarms.read_text())


def test_what_the_line_says_is_all_that_others_need(running: Running) -> None:
    line = running.line
    assert {"web", "home", "web_socket", "admin_socket", "bin", "admin_env", "providers", "hosts", "people"} <= set(
        line
    )
    assert [provider["id"] for provider in line["providers"]] == ["acme", "partner"]
    assert {host["name"]: host["labels"] for host in line["hosts"]} == {
        "web1": {"env": "staging"},
        "db1": {"env": "prod", "role": "db"},
    }
    assert {name: (someone["provider"], someone["groups"]) for name, someone in line["people"].items()} == {
        "alice": ("acme", ["SRE"]),
        "bob": ("acme", ["SRE Leads"]),
        "carol": ("acme", []),
        "dana": ("partner", []),
    }
    env = {"PATH": f"{line['bin']}:/usr/bin:/bin"}
    command = ["ssh-jit", "web1", "whoami"]
    ran = subprocess.run(
        command, env=env | line["people"]["alice"]["env"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == f"{line['hosts'][0]['login']}\n", ran.stderr
    status = ["ssh-jit-ca", "status"]
    assert (
        subprocess.run(status, env=env | line["admin_env"], capture_output=True, timeout=60, check=False).returncode
        == 0
    )


def test_a_start_that_fails_early_says_why_in_a_line(tmp_path: Path) -> None:
    cache = tmp_path / ("x" * 90)
    cache.mkdir()
    command = [sys.executable, "-m", "demo.lab"]
    env = os.environ | {"XDG_CACHE_HOME": str(cache)}
    ran = subprocess.run(
        command, cwd=isolate.REPOSITORY, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("demo.lab: ")
    assert "Traceback" not in ran.stderr
    assert list(cache.glob("ssh-jit-lab/lab-*")) == []


def test_a_start_that_fails_half_way_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CA does not take this policy, when providers and hosts are up already."""
    monkeypatch.setattr(settings, "policy", lambda _accounts: "version = 2\n")
    before = processes.descendants(os.getpid())
    with pytest.raises(LabError, match="policy"):
        Lab.start()
    assert list(cache.glob("ssh-jit-lab/lab-*")) == []
    assert processes.descendants(os.getpid()) <= before


def test_the_ca_comes_back_into_the_state_that_it_had(lab: Lab) -> None:
    before = json.loads(lab.operator.run(["ssh-jit-ca", "status", "--json"]).stdout)
    lab.ca.kill()
    assert lab.operator.run(["ssh-jit-ca", "status"]).code != 0
    lab.ca.start()
    after = json.loads(lab.operator.run(["ssh-jit-ca", "status", "--json"]).stdout)
    assert after["state_digest"] == before["state_digest"]
    assert after["size"] > before["size"], "its own start is an entry too"


@pytest.mark.parametrize("program", ["ca", "web"])
def test_parts_can_be_killed_and_started_again(lab: Lab, program: str) -> None:
    part = lab.programs[program]
    old = part.pid
    part.kill()
    assert not processes.alive(old)
    part.start()
    alice = lab.person("alice").run(["ssh-jit", "web1", "true"])
    assert alice.code == 0, alice.stderr

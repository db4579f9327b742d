"""A program that runs isolated sees what it was given, is nobody, and gets its signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import debian, isolate, namespace, processes
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that nobody else may pass, with one folder to read, one to write and a secret."""
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=debian.cache()))
    for name in ("read", "write", "secret"):
        (folder / name).mkdir()
        (folder / name / "file").write_text(name)
    if os.geteuid() == 0:
        os.chown(folder / "write", isolate.NOBODY, isolate.NOBODY)
    folder.chmod(0o700)
    yield folder
    shutil.rmtree(folder)


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    program = isolate.argv(["sh", "-c", script], read=[folder / "read"], write=[folder / "write"])
    return subprocess.run(program, check=False, capture_output=True, text=True, cwd=isolate.REPOSITORY)


def test_what_was_given_is_there_at_its_own_name(closed: Path) -> None:
    done = run(closed, f"cat {closed}/read/file; echo new >{closed}/write/made && cat {closed}/write/made")
    assert done.stdout == "readnew\n", done.stderr
    assert (closed / "write/made").read_text() == "new\n"


def test_the_project_runs_from_where_it_lies(closed: Path) -> None:
    done = run(closed, f"{sys.executable} -c 'import sshjit; print(sshjit.__file__)'")
    assert done.stdout.strip() == str(isolate.REPOSITORY / "sshjit/__init__.py"), done.stderr


def test_root_becomes_nobody_and_the_rest_is_not_there(closed: Path) -> None:
    done = run(closed, f"id -u; id -G; touch {closed}/read/file 2>/dev/null || echo kept; ls {closed}")
    if isolate.possible():
        assert done.stdout.split() == ["65534", "65534", "kept", "read", "write"], done.stderr
        assert str(closed) not in Path("/proc/self/mountinfo").read_text()
    else:
        assert done.stdout.split()[0] == str(os.geteuid())


def test_signals_reach_the_program_itself(closed: Path) -> None:
    script = f"trap 'exit 7' TERM; touch {closed}/write/up; while :; do sleep 0.05; done"
    running = subprocess.Popen(isolate.argv(["sh", "-c", script], write=[closed / "write"]))
    wait_until((closed / "write/up").exists)
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 7


def test_barriers_are_the_topmost_closed_folders(closed: Path) -> None:
    below = closed / "secret/deep"
    below.mkdir()
    (closed / "secret").chmod(0o700)
    found = isolate.barriers([below, closed / "read"])
    assert len(found) == 1
    assert closed.is_relative_to(found[0])


def test_a_spec_survives_its_way_through_an_argument() -> None:
    spec = namespace.Spec(cover=("/opt",), read=("/a b",), over=(("/x", "/y"),), folders=("/run/sshd",), user=3)
    assert namespace.Spec.from_json(spec.to_json()) == spec


def test_processes_are_found_by_ancestry_and_environment_and_ended() -> None:
    marker = f"{os.getpid()}-{time.monotonic_ns()}"
    shell = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], env={"PATH": os.environ["PATH"], "MARK": f"x{marker}"})
    wait_until(lambda: len(processes.with_environment(b"MARK", marker.encode())) == 2)
    marked = processes.with_environment(b"MARK", marker.encode())
    assert processes.descendants(shell.pid) < marked
    assert marked <= processes.descendants(os.getpid())
    processes.end(lambda: processes.with_environment(b"MARK", marker.encode()))
    assert not any(processes.alive(pid) for pid in marked)
    shell.wait(PATIENCE)

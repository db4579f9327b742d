"""Real processes for a measurement, and a folder on a real disk: what is durable must cost what it costs."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder in the project's own cache (never a memory file system), removed afterwards."""
    cache = ROOT / ".cache" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as made:
        yield Path(made)


@contextmanager
def running(
    command: Sequence[str], ready: Callable[[], bool], env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready; ends it by SIGTERM."""
    process = subprocess.Popen(command, env=env, cwd=ROOT)
    try:
        until = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not become ready")
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def run(command: Sequence[str], env: Mapping[str, str]) -> str:
    """What a command says, which must succeed."""
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def listens(target: int | Path) -> bool:
    """Whether somebody listens on a port of loopback or on a Unix socket."""
    try:
        if isinstance(target, int):
            socket.create_connection(("127.0.0.1", target), timeout=5).close()
        else:
            unix(target).close()
    except OSError:
        return False
    return True


def unix(path: Path) -> socket.socket:
    """A connection to a Unix socket."""
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(20)
        channel.connect(str(path))
    except OSError:
        channel.close()
        raise
    return channel


def processor_seconds(pid: int) -> float:
    """What a process, and all below it that live, have taken of a processor."""
    fields = [_status(each, "stat").rpartition(")")[2].split() for each in _family(pid)]
    return sum(int(each[11]) + int(each[12]) for each in fields if each) / TICK


def resident(pid: int) -> int:
    """Bytes of memory of a process and all below it that live: pages that they share count in each."""
    status = [_status(each, "status").partition("VmRSS:")[2].split() for each in _family(pid)]
    return sum(int(each[0]) * 1024 for each in status if each)


def _family(pid: int) -> set[int]:
    """A process and all below it. What /proc says of children by itself is not reliable while they live (proc(5))."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    status = {number: _status(number, "stat").rpartition(")")[2].split() for number in numbers}
    parents = {number: int(fields[1]) for number, fields in status.items() if fields}
    family = {pid}
    while more := {number for number, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _status(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it ended meanwhile


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

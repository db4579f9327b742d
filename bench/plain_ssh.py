"""What the written ssh configuration runs before each connection, against the interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.environment import Environment
from bench.measurement import paired
from bench.results import Result, milliseconds
from sshjit_client.plain_ssh import fast

ROUNDS = 60
BARE = [sys.executable, "-IS", "-c", "pass"]


def lines(environment: Environment) -> Iterator[Result]:
    """A certificate is alive: time, processor time and memory."""
    done = environment.alice.run(["ssh-jit", "path", "web1"])
    if done.code:
        raise RuntimeError(done.stderr)
    folder = Path(done.stdout.split()[0]).parent
    ours = [sys.executable, "-IS", fast.__file__, str(folder), "ensure", "web1", "%r"]
    what = "ensure, certificate alive"
    wall, bare, ratio = paired(lambda: _run(ours)[0], lambda: _run(BARE)[0], ROUNDS)
    yield Result("ensure", what, milliseconds(wall), f"{milliseconds(bare)} python", ratio, "x", 1.6)
    used, bare, ratio = paired(lambda: _run(ours)[1], lambda: _run(BARE)[1], ROUNDS)
    yield Result("ensure", "its processor time", milliseconds(used), f"{milliseconds(bare)} python", ratio, "x", 1.6)
    held, bare, ratio = paired(lambda: _memory(ours), lambda: _memory(BARE), 5)
    yield Result("ensure", "its memory", f"{held / 1024:.1f} MB", f"{bare / 1024:.1f} MB python", ratio, "x", 1.2)


def _memory(command: list[str]) -> int:
    """The most memory of a command in kB. A small process starts it: the kernel counts the one before as well."""
    code = (
        "import os, sys; p = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); print(os.wait4(p, 0)[2].ru_maxrss)"
    )
    return int(subprocess.run([*BARE[:3], code, *command], capture_output=True, text=True, check=True).stdout)


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}")
    return took, usage.ru_utime + usage.ru_stime

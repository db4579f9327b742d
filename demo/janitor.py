"""Ends a lab: stops every process it started and removes its home, also when the lab itself was killed.

It runs beside the lab and reads lines from it: ``home PATH``, ``process PID START`` (START as in ``/proc``, so that a
number that was given to another process since is left alone) and ``namespace PID START``, that of a host's process.
When the lab closes the pipe, or is gone, the janitor does the work and exits. The lab starts it before anything else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import processes

PATIENCE = 3.0
"""Seconds between SIGTERM and SIGKILL."""


def start_time(pid: int) -> str:
    """What tells this process from a later one with the same number; empty if it is gone (proc(5), field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""


@dataclass(slots=True)
class Cleanup:
    """What has to go: processes by number and start time, hosts' namespaces, folders."""

    roots: dict[int, str] = field(default_factory=dict)
    namespaces: list[processes.MountNamespace] = field(default_factory=list)
    homes: list[Path] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Takes one line of the lab's."""
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "home":
            self.homes.append(Path(rest))
        elif kind == "namespace":
            pid, _, started = rest.partition(" ")
            if start_time(int(pid)) == started:
                with contextlib.suppress(OSError):  # it ended this very moment
                    self.namespaces.append(processes.MountNamespace(int(pid)))
        elif kind == "process":
            pid, _, started = rest.partition(" ")
            self.roots[int(pid)] = started

    def left(self) -> set[int]:
        """Processes that are still to be ended. What has been seen once stays known when its parent is gone."""
        for pid, started in list(self.roots.items()):
            if start_time(pid) == started:
                self.roots |= {child: start_time(child) for child in processes.descendants(pid)}
        pids = {pid for pid, started in self.roots.items() if start_time(pid) == started and processes.alive(pid)}
        for namespace in self.namespaces:
            pids |= namespace.processes()
        return pids - {os.getpid()}

    def do(self) -> None:
        """Asks the processes to end, kills those that do not, and removes the folders."""
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        until = time.monotonic() + PATIENCE
        while self.left() and time.monotonic() < until:
            time.sleep(0.02)
        try:
            processes.end(self.left)
        finally:
            for home in self.homes:
                shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    """Remembers what the lab says, and cleans up when the lab has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    cleanup = Cleanup()
    for line in sys.stdin:
        cleanup.take(line)
    cleanup.do()
    return 0


if __name__ == "__main__":
    sys.exit(main())

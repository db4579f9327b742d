"""Control groups (version 2) as the fence around a session: what is started inside stays inside.

Neither ``nohup`` nor ``setsid`` nor an empty environment leads out. Where systemd's ``pam_systemd`` puts the session
into a scope, the scope is the fence; else the daemon makes a group below its own. Without a file system for it (old
machines, some containers) there is no fence, and the session's processes are looked for
(``sessions/session_processes.py``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from sshjit_host.machine import files, processes

_SCOPE = re.compile(r".*/session-c?[0-9]+\.scope")
_TYPE = "cgroup2"
KILL, FREEZE = "cgroup.kill", "cgroup.freeze"
"""What the kernel is told by: from 5.14 and from 5.2 on."""


def mounted() -> Path | None:
    """Where the control groups are; ``None`` where they are not."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(" - ")
        if after.startswith(_TYPE + " "):
            return Path(before.split(" ")[4])
    return None


class Fence:
    """The daemon's own group, below which each session gets one; ``run``, its folder, tells two daemons apart."""

    def __init__(self, run: Path) -> None:
        name = "ssh-jit-" + hashlib.sha256(str(run).encode()).hexdigest()[:8]
        self._root = mounted()
        own = processes.control_group(os.getpid())
        own_place = None if self._root is None or not own else self._root / own.strip("/")
        self.place = own_place / name if own_place is not None and own_place.is_dir() else None

    def enclose(self, session: str, pid: int) -> str:
        """Put a process, and all that it starts from now on, into a group of its own; empty if that cannot be done."""
        if self.place is None:
            return ""
        group = self.place / session
        try:
            files.control_folder(group)
            files.tell_kernel(group / "cgroup.procs", str(pid))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            return ""
        return str(group)

    def scope(self, pid: int, before: str) -> str:
        """The systemd scope that a process was moved to since it was in the group ``before``; empty if there is none.

        A scope that the sshd server itself is in is somebody else's session.
        """
        now = processes.control_group(pid)
        if self._root is None or now == before or not _SCOPE.fullmatch(now):
            return ""
        return str(self._root / now.strip("/"))

    def close(self) -> None:
        """Remove the daemon's group, unless a session is still in it."""
        if self.place is not None:
            with contextlib.suppress(OSError):
                self.place.rmdir()


def members(group: str) -> set[int]:
    """The processes in a group and in those below it."""
    return {pid for place in _places(Path(group)) for pid in _numbers(place / "cgroup.procs")}


def kill(group: str) -> bool:
    """End all that is in a group at once; whether the kernel can do that (5.14 and newer)."""
    try:
        files.tell_kernel(Path(group) / KILL, "1")
    except OSError:
        return False
    return True


def freeze(group: str) -> None:
    """Stop all that is in a group, so that nothing in it starts anything more; what is stopped can still be killed."""
    with contextlib.suppress(OSError):
        files.tell_kernel(Path(group) / FREEZE, "1")


def remove(group: str) -> None:
    """Remove a group of ours that is empty, with those below it."""
    for _ in range(20):
        for place in reversed(list(_places(Path(group)))):
            with contextlib.suppress(OSError):
                place.rmdir()
        if not Path(group).exists():
            return
        time.sleep(0.005)  # what was killed a moment ago is still being taken out


def _places(group: Path) -> Iterator[Path]:
    if group.is_dir():
        yield group
        with contextlib.suppress(OSError):
            for path in group.iterdir():
                if path.is_dir():
                    yield from _places(path)


def _numbers(path: Path) -> list[int]:
    try:
        return [int(line) for line in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []

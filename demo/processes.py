"""Finds and ends processes that nobody holds a handle of any more: what sessions of a lab host left behind.

Decides how a process is recognised (a mount namespace, ancestry, its environment) and how it is ended for certain.
Reads Linux's ``/proc``; what may not be read there is not ours. Who is to be ended is for callers.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")
PATIENCE = 30.0
"""Seconds until a process that survives SIGKILL is reported."""


class Survived(Exception):
    """Processes are alive that were killed again and again. The text names them."""


def namespace(pid: int | str = "self") -> str:
    """The name of a process's mount namespace, e.g. ``mnt:[4026532177]``. Raises ``OSError`` if it may not be read."""
    return os.readlink(PROC / str(pid) / "ns/mnt")  # noqa: PTH115 - not a path but a name


class MountNamespace:
    """The mount namespace of a process, held open. Raises ``OSError`` where it may not be opened.

    Were it not held, its number would be given to the next one, and another lab's processes would be taken for ours.
    """

    def __init__(self, pid: int) -> None:
        self._held = os.open(PROC / str(pid) / "ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self.name = os.readlink(f"/proc/self/fd/{self._held}")  # noqa: PTH115 - not a path but a name

    def processes(self) -> set[int]:
        """Every process that is in it."""
        return _matching(lambda pid: namespace(pid) == self.name)

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._held)


def with_environment(name: bytes, suffix: bytes) -> set[int]:
    """Every process that was started with the variable ``name`` ending in ``suffix``."""
    start = name + b"="
    return _matching(
        lambda pid: any(
            entry.startswith(start) and entry.endswith(suffix)
            for entry in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
        )
    )


def descendants(ancestor: int) -> set[int]:
    """Children, grandchildren and so on, while their parents live."""
    parents = {pid: _parent(pid) for pid in _all()}
    family = {ancestor}
    while True:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        if not more:
            return family - {ancestor}
        family |= more


def end(find: Callable[[], Iterable[int]]) -> None:
    """Kills what ``find`` returns until it returns nothing. Raises ``Survived`` after ``PATIENCE``."""
    limit = time.monotonic() + PATIENCE
    while left := set(find()) - {os.getpid()}:
        if time.monotonic() > limit:
            raise Survived(f"still alive after SIGKILL: {sorted(left)}")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    return _status(pid)[:1] not in ("", "Z", "X")


def _matching(test: Callable[[int], bool]) -> set[int]:
    pids = set()
    for pid in _all():
        try:
            if test(pid) and alive(pid):
                pids.add(pid)
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return pids


def _all() -> list[int]:
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]  # noqa: PTH208 - names are enough


def _parent(pid: int) -> int:
    status = _status(pid).split()
    return int(status[1]) if len(status) > 1 else 0


def _status(pid: int) -> str:
    """What follows the program's name in ``/proc/PID/stat``: state, parent, …; empty when there is no such process."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].strip()
    except OSError:
        return ""

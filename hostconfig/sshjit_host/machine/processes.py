"""The machine's processes, as ``/proc`` shows them: who started whom, when, and in which audit session.

A process is named by its number and the time at which it started, because numbers are used again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NO_AUDIT = 2**32 - 1
"""The audit session of what no login started."""
_PROC = Path("/proc")
_PTS_FIRST, _PTS_LAST = 136, 143
"""Major numbers of the terminals below ``/dev/pts``."""


@dataclass(frozen=True)
class Process:
    """One process. ``started`` is in clock ticks since the machine started, ``terminal`` a device number or 0."""

    pid: int
    parent: int
    started: int
    terminal: int
    uid: int
    name: str

    @property
    def terminal_path(self) -> Path | None:
        """The pseudo-terminal that it is on, if it is on one."""
        major, minor = self.terminal >> 8 & 0xFFF, self.terminal & 0xFF | self.terminal >> 12 & 0xFFF00
        if not _PTS_FIRST <= major <= _PTS_LAST:
            return None
        return Path(f"/dev/pts/{(major - _PTS_FIRST) * 256 + minor}")


def look(pid: int) -> Process | None:
    """The process with this number, or ``None`` if there is none, or only what is left of one that has ended.

    One whose first thread has ended, and others not, looks like what is left.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        uid = (_PROC / str(pid)).stat().st_uid
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    if fields[0] in ("Z", "X") and int(fields[17]) <= 1:  # how many threads there are
        return None
    return Process(pid, int(fields[1]), int(fields[19]), int(fields[4]), uid, name)


class Table:
    """All processes there are, read once, and what is asked about them, read when it is asked first."""

    def __init__(self) -> None:
        listed = (look(int(name)) for name in os.listdir(_PROC) if name.isdecimal())  # noqa: PTH208 - names alone
        self.known = {process.pid: process for process in listed if process is not None}
        self._audit: dict[int, int] = {}
        self._connections: dict[int, str] = {}
        self._children: dict[int, list[int]] = {}
        for process in self.known.values():
            self._children.setdefault(process.parent, []).append(process.pid)

    def below(self, roots: Iterable[int]) -> set[int]:
        """The processes of ``roots``, and all that they started and that was not handed to somebody else since."""
        family, waiting = set(), [pid for pid in roots if pid in self.known]
        while waiting:
            pid = waiting.pop()
            if pid not in family:
                family.add(pid)
                waiting += self._children.get(pid, [])
        return family

    def audit_session(self, pid: int) -> int:
        """As ``audit_session``."""
        if pid not in self._audit:
            self._audit[pid] = audit_session(pid)
        return self._audit[pid]

    def connection(self, pid: int) -> str:
        """The ``SSH_CONNECTION`` that a process was started with; empty without one."""
        if pid not in self._connections:
            self._connections[pid] = _connection(pid)
        return self._connections[pid]

    def servers(self, family: Iterable[int]) -> set[int]:
        """The sshd servers in a family, and all that they started.

        Somebody who restarts sshd within a session must not take the server, and everybody's sessions, with them.
        """
        return self.below(pid for pid in family if _is_server(self.known[pid]))


def audit_session(pid: int) -> int:
    """The audit session of a process; ``NO_AUDIT`` where there is none."""
    try:
        return int((_PROC / str(pid) / "sessionid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return NO_AUDIT


def control_group(pid: int) -> str:
    """The control group (version 2) that a process is in, as ``/a/b``; empty where there is none."""
    try:
        lines = (_PROC / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line[len("0::") :] for line in lines if line.startswith("0::")), "")


def _connection(pid: int) -> str:
    variables = _environment(_PROC / str(pid))
    if not variables:  # nothing is left of its first thread
        with contextlib.suppress(OSError):
            variables = next(filter(None, map(_environment, (_PROC / str(pid) / "task").iterdir())), b"")
    name = b"SSH_CONNECTION="
    entries = variables.split(b"\0")
    return next((each[len(name) :].decode("ascii", "replace") for each in entries if each.startswith(name)), "")


def _environment(place: Path) -> bytes:
    try:
        return (place / "environ").read_bytes()
    except OSError:
        return b""


def _is_server(process: Process) -> bool:
    """Whether it is an sshd that listens: by its program, and by the title that only root can give it."""
    if process.uid != 0 or not process.name.startswith("sshd"):
        return False
    try:
        program = os.path.basename(os.readlink(_PROC / str(process.pid) / "exe"))  # noqa: PTH115, PTH119 - a text
        title = (_PROC / str(process.pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return program.split(" ")[0] == "sshd" and b"[listener]" in title


def kill(processes: Iterable[Process]) -> None:
    """End these processes at once, each only if it is still the one that was meant."""
    for process in processes:
        with contextlib.suppress(OSError):
            descriptor = _handle(process.pid)
            try:
                now = look(process.pid)
                if now is not None and now.started == process.started:
                    _signal(descriptor, process.pid)
            finally:
                if descriptor is not None:
                    os.close(descriptor)


def _handle(pid: int) -> int | None:
    """A descriptor that means this very process, whatever becomes of its number; ``None`` on kernels before 5.3."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return None


def _signal(descriptor: int | None, pid: int) -> None:
    if descriptor is None:
        os.kill(pid, signal.SIGKILL)
    else:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)

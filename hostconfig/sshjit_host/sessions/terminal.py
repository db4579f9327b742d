"""What people read on their terminal before their session ends."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

from sshjit_host.machine import files
from sshjit_host.machine.processes import Table
from sshjit_host.sessions import session_processes
from sshjit_host.sessions.registry import Session
from sshjit_host.sessions.rules import SENTENCES
from sshjit_host.times import span


def warn(session: Session, table: Table, ends: int, left: float) -> bool:
    """Say that the session ends in ``left`` seconds, at ``ends`` (since the epoch); whether a terminal took it."""
    day = datetime.fromtimestamp(min(ends, 2**33), timezone.utc).strftime("%H:%M UTC")
    return _write(
        session, table, f"ssh-jit: this session ends in {span(left)}, at {day}. Save your work, or ask for more time."
    )


def say_why(session: Session, table: Table, why: str) -> None:
    """Say why the session ends now."""
    _write(session, table, f"ssh-jit: {SENTENCES.get(why, 'Your access is over.')} This session ends now.")


def _write(session: Session, table: Table, line: str) -> bool:
    """Write to each terminal of the session's user that it has; one that takes nothing keeps nobody waiting."""
    written = False
    found, _ = session_processes.members(session, table)
    for path in sorted({path for process in found if (path := process.terminal_path) is not None}):
        with contextlib.suppress(OSError):
            if path.stat().st_uid in (session.uid, 0):
                files.tell_terminal(path, f"\r\n{line}\r\n".encode("ascii"))
                written = True
    return written

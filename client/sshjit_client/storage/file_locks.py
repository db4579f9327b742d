"""Locks between the person's own ``ssh-jit`` processes. The system frees them when a process ends, however it ends.

Where there are none (Windows, some network file systems) nobody waits: two may sign in at once there, each with a
folder of its own, and the later one counts.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sshjit.errors import Failed
from sshjit_client.storage import files

if sys.platform != "win32":
    import fcntl

LOOK = 0.2
"""Seconds between two looks whether the lock is free."""
_SOON = 0.005
"""The same, where it is held for milliseconds."""
_PATIENCE = 5
"""Seconds; a process that was stopped (SIGSTOP, Ctrl-Z) while it held a folder keeps nobody from a host."""


def take(handle: int, *, shared: bool = False) -> bool:
    """Takes the lock of an open file without waiting, until it is closed. True as well where there are no locks."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder while files in it are written or removed that belong together. A folder that is gone is nobody's.

    Who waited for 5 seconds goes on without: no other process holds it as long, unless it was stopped.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # it is gone; Windows opens no folders
        yield
        return
    try:
        until = time.monotonic() + _PATIENCE
        while not take(handle) and time.monotonic() < until:
            time.sleep(_SOON)
        yield
    finally:
        os.close(handle)


def wait_for(handle: int, say: Callable[[str], object], over: Callable[[], bool], patience: float) -> bool:
    """Waits for the lock of those who sign in, or until ``over``; whether it is ours, and there is a need for it.

    ``patience``: seconds for each of them; they come one after the other where the first gives up.

    Raises:
        Failed: ``sign_in_busy``.

    """
    holder, until, announced = "", time.monotonic() + patience, False
    while not take(handle):
        if over():
            return False
        process = _holder(handle)
        if not announced:
            announced = True
            say(f"another ssh-jit of yours signs in{_process(process)}; waiting for it")
        if process != holder:
            holder, until = process, time.monotonic() + patience
        if time.monotonic() > until:
            text = f"another ssh-jit of yours{_process(process)} has been signing in for too long"
            raise Failed("sign_in_busy", text, hint="end it, then ssh-jit login")
        time.sleep(LOOK)
    _sign(handle)
    return not over()


def _process(number: str) -> str:
    return f" (process {number})" if number else ""


def _holder(handle: int) -> str:
    os.lseek(handle, 0, os.SEEK_SET)
    written = os.read(handle, 20).decode("ascii", "replace").strip()
    return written if written.isdecimal() else ""


def _sign(handle: int) -> None:
    """Writes our process id into the file. On a full disk the others read one word less."""
    with suppress(OSError):
        files.overwrite(handle, f"{os.getpid()}\n")

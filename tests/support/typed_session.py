"""A person at a terminal of 80 columns: a program in a pseudo-terminal, what it shows, and what is typed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

PATIENCE = 40.0
"""Seconds until something that was waited for must have come."""
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x07")


class TypedSession:
    """A running program. ``shown`` is all that it has printed so far, as it came."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid = pid
        self.shown = ""
        self._master = master
        self._code: int | None = None

    @property
    def text(self) -> str:
        """What was printed, without control characters; a line that was written over is a line of its own."""
        return _CONTROLS.sub("", self.shown).replace("\r\n", "\n").replace("\r", "\n")

    def wait_for(self, text: str) -> None:
        """Waits until ``text`` was printed; a line that the terminal wrapped counts as one."""
        end = time.monotonic() + PATIENCE
        while " ".join(text.split()) not in " ".join(self.text.split()):
            assert time.monotonic() < end, f"{text!r} did not come:\n{self.text}"
            assert self._read(0.2) or self._code is None, f"it ended without {text!r}:\n{self.text}"

    def type(self, text: str) -> None:
        """Types it."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.type("\x03")

    def end(self) -> int:
        """Waits until the program has ended; its exit code."""
        end = time.monotonic() + PATIENCE
        while self._read(0.2):
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        return self.code()

    def code(self) -> int:
        """The exit code, of a program that has ended or is about to."""
        if self._code is None:
            _, status = os.waitpid(self.pid, 0)
            self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def close(self) -> None:
        """Ends the program if it still runs."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.code()
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        """Reads what comes; false once there will be nothing more."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return True
        try:
            part = os.read(self._master, 65536)
        except OSError:  # how Linux says that the other side is closed
            part = b""
        self.shown += part.decode("utf-8", "replace")
        return bool(part)


@contextmanager
def typed_session(
    words: Sequence[str], env: Mapping[str, str], *, columns: int = 80, term: str = "xterm"
) -> Iterator[TypedSession]:
    """Starts a program at a terminal of its own, and ends it at last."""
    pid, master = pty.fork()
    if pid == 0:  # the child becomes the program, and nothing of ours
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execvpe(words[0], list(words), {**env, "TERM": term})  # noqa: S606
        finally:
            os._exit(127)
    session = TypedSession(pid, master)
    try:
        yield session
    finally:
        session.close()

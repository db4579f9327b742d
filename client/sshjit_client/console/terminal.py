"""Printing: everything that ssh-jit prints goes through this module.

Text from elsewhere (names, reasons, titles, a server's error) is made inert (``sshjit.terminal_text``): no character
can move the cursor, change colours, hide, or turn the direction of the text. An error is a line ``ssh-jit: …`` and
perhaps a line ``hint: …``, on the standard error, because the standard output belongs to the command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from sshjit.errors import SshJitError
from sshjit.terminal_text import cut, inert, width, wrap

_NARROWEST = 24
"""The fewest columns that a line is wrapped to."""


class Terminal:
    """The standard streams. ``live``: a person sees the standard error. ``typing``: a person can type an answer."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.live = _is_terminal(sys.stderr)
        self.typing = _is_terminal(sys.stdin)
        self.rewrites = self.live and (environ or {}).get("TERM") != "dumb"
        """Whether a line can be written over: not on a terminal that knows no control characters."""
        self.mark = ""
        """The beginning of every line that ``say`` prints."""
        self.quiet = False
        """Whether ``say`` and ``progress`` print nothing. What must not be missed is printed all the same."""
        self._progress = False

    @property
    def asks(self) -> bool:
        """Whether somebody sees a question and can answer it."""
        return self.live and self.typing

    def never_ask(self) -> None:
        """From now on nobody is asked anything, as in a script."""
        self.live = self.typing = self.rewrites = False

    def out(self, text: str = "") -> None:
        """Prints lines made with ``table`` or ``inert`` to the standard output."""
        self.clear()
        if sys.stdout is not None:  # as it is where the caller closed it
            sys.stdout.write(_printable(text, sys.stdout.encoding) + "\n")
            sys.stdout.flush()

    def plain_out(self, text: str) -> None:
        """Prints lines of our own to the standard output, as they are."""
        for line in text.splitlines():
            self.out(line)

    def say(self, text: str) -> None:
        """Prints one line ``ssh-jit: …`` on the standard error, unless it shall be quiet."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Prints one line ``ssh-jit: …`` in any case."""
        self._line("ssh-jit: ", f"{self.mark}{text}")

    def plain(self, text: str) -> None:
        """Prints our own lines on the standard error, unchanged."""
        self._err("".join(c if c == "\n" else inert(c) for c in text))

    def hint(self, text: str) -> None:
        """Prints one line ``hint: …``."""
        self._line("hint: ", text)

    def error(self, error: SshJitError) -> None:
        """Prints an error in two lines; the address of the request that it is about ends the hint."""
        self.warn(error.message)
        if hint := "; ".join(filter(None, (error.hint, error.page))):
            self.hint(hint)

    def progress(self, text: str) -> None:
        """Rewrites the status line in place. Without a terminal that can do so it prints nothing."""
        if self.quiet or not self.rewrites:
            return
        line = cut(self._status(text), self.columns() - 1)
        sys.stderr.write(f"\r{_printable(line, sys.stderr.encoding)}\x1b[K")
        sys.stderr.flush()
        self._progress = True

    def fits(self, text: str) -> bool:
        """Whether ``progress`` would print all of it."""
        return width(self._status(text)) < self.columns()

    def _status(self, text: str) -> str:
        return f"ssh-jit: {self.mark}{inert(text)}"

    def clear(self) -> None:
        """Removes the status line."""
        if self._progress:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._progress = False

    def bell(self) -> None:
        """Calls somebody who may be looking elsewhere."""
        if self.rewrites and not self.quiet:
            self.clear()
            sys.stderr.write("\a")
            sys.stderr.flush()

    def confirm(self, question: str) -> bool:
        """Asks a yes-or-no question; anything but yes is no."""
        return self.ask(f"{question} [y/N] ").lower() in ("y", "yes")

    def ask(self, question: str) -> str:
        """Asks for a line; returns it without the spaces around it."""
        self.plain(question)
        try:
            line = sys.stdin.readline() if sys.stdin is not None else ""
        except KeyboardInterrupt:
            self.plain("\n")
            raise
        if not line.endswith("\n"):  # Ctrl-D, or a script that has ended: what comes next begins a line
            self.plain("\n")
        return line.strip()

    @staticmethod
    def columns() -> int:
        """The columns of the terminal of the standard error; 80 if unknown."""
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (AttributeError, OSError, ValueError):  # it is none, or closed
            return 80

    def _line(self, head: str, text: str) -> None:
        """One line; on a terminal wrapped between words and indented, so that no part of it looks like a new line."""
        room = max(self.columns() - len(head), _NARROWEST)
        lines = wrap(inert(text), room) if self.live else [inert(text)]
        self._err(head + f"\n{' ' * len(head)}".join(lines) + "\n")

    def _err(self, text: str) -> None:
        self.clear()
        if sys.stderr is not None:
            sys.stderr.write(_printable(text, sys.stderr.encoding))
            sys.stderr.flush()


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is at it. A stream that the caller closed is ``None``."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _printable(text: str, encoding: str | None) -> str:
    """``text`` as the stream can encode it: a terminal without UTF-8 gets ``?`` instead of a traceback."""
    encoding = encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)

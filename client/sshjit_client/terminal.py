"""Everything that ssh-jit prints goes through here.

All text from elsewhere (names, reasons, titles, a server's error) is made inert (``sshjit.terminal_text``): no
character reaches a terminal that could move its cursor, recolour it, hide, or turn the direction of the text. An error
is a line ``ssh-jit: …`` and, where there is one, a line ``hint: …``, on the standard error, so that the standard output
belongs to the command.
"""

from __future__ import annotations

import os
import sys

from sshjit.errors import SshJitError
from sshjit.terminal_text import cut, inert


class Terminal:
    """The three standard streams. ``live``: a person sees the standard error; ``typing``: a person is at the input."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.typing = sys.stdin.isatty()
        self.mark = ""
        """Stands before every line that is said."""
        self._progress = False

    def out(self, text: str = "") -> None:
        """Prints lines that were made with ``table`` or ``inert`` to the standard output."""
        self.clear()
        sys.stdout.write(_printable(text, sys.stdout.encoding) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """One line ``ssh-jit: …`` for the person, on the standard error."""
        self._err(f"ssh-jit: {self.mark}{inert(text)}\n")

    def plain(self, text: str) -> None:
        """Lines of our own, as they are, on the standard error."""
        self._err("".join(c if c == "\n" else inert(c) for c in text))

    def hint(self, text: str) -> None:
        """One line ``hint: …``."""
        self._err(f"hint: {inert(text)}\n")

    def error(self, error: SshJitError) -> None:
        """An error in its two lines."""
        self.say(error.message)
        if error.hint:
            self.hint(error.hint)

    def progress(self, text: str) -> None:
        """The line that is rewritten in place. Only on a terminal; elsewhere nothing is printed."""
        if not self.live:
            return
        line = cut(f"ssh-jit: {self.mark}{inert(text)}", self.columns() - 1)
        sys.stderr.write(f"\r{_printable(line, sys.stderr.encoding)}\x1b[K")
        sys.stderr.flush()
        self._progress = True

    def clear(self) -> None:
        """Takes the rewritten line away."""
        if self._progress:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._progress = False

    def confirm(self, question: str) -> bool:
        """Asks a yes-or-no question on a terminal; anything but yes is no."""
        return self.ask(f"{question} [y/N] ").lower() in ("y", "yes")

    def ask(self, question: str) -> str:
        """Asks for a line on a terminal; without blanks around it."""
        self.plain(question)
        return sys.stdin.readline().strip()

    @staticmethod
    def columns() -> int:
        """Columns of the terminal behind the standard error; 80 where that is not known."""
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _err(self, text: str) -> None:
        self.clear()
        sys.stderr.write(_printable(text, sys.stderr.encoding))
        sys.stderr.flush()


def _printable(text: str, encoding: str | None) -> str:
    """What the stream can encode: a terminal without UTF-8 gets ``?`` instead of a traceback."""
    encoding = encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)

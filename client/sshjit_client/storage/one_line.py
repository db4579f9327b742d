"""A line of a file that is read by lines, by ssh or by ourselves: nothing in it begins a line of its own.

What is in it may be the word of a server that lies. In ssh's configuration one more line is a command on this machine.
A line end is everything that ``str.splitlines`` takes for one, and a zero byte.
"""

from __future__ import annotations

from sshjit.errors import Failed

_ZERO = "\0"


def clean(text: str, longest: int) -> str:
    """``text`` with a space for each line end in it, and no more than ``longest`` characters: for a remark."""
    return " ".join(text.replace(_ZERO, "\n").splitlines())[:longest]


def require(*lines: str) -> tuple[str, ...]:
    """The lines themselves, for what is more than a remark.

    Raises:
        Failed: ``odd_line``, where one is more than a line.

    """
    for line in lines:
        if _ZERO in line or line.splitlines() not in ([], [line]):
            raise Failed("odd_line", f"this must be one line, and is not written: {line[:200]!r}")
    return lines

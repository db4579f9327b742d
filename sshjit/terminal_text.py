"""Text for a terminal: made inert, measured, cut, wrapped and put in columns. Nothing here prints."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sshjit.visible import shown

_TAG = "\U000e0020"


def inert(text: str) -> str:
    r"""``text`` on one line with every character that is not plainly seen spelled out, as ``\x1b`` or ``\u202e``."""
    return shown(text, _spell)


def _spell(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Columns that ``text`` takes: wide characters take two; marks, joiners and the tags of flags none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if (
        unicodedata.category(character) in {"Mn", "Me"}
        or character in "\u200c\u200d"
        or _TAG <= character <= "\U000e007f"
    ):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` columns, ending in ``…`` where it was cut."""
    if width(text) <= columns:
        return text
    kept = text[: max(columns - 1, 0)]
    while width(kept) > max(columns - 1, 0):
        kept = kept[:-1]
    return kept.rstrip(" \u200c\u200d") + "…"


def wrap(text: str, columns: int) -> list[str]:
    """``text`` in lines of at most ``columns`` columns, broken at blanks, and within words longer than a line.

    So that no terminal breaks them: what it carries over to the beginning of a line could pass for a line of ours.
    """
    lines, line = [], ""
    for word in re.findall(r" *[^ ]+", text):
        more = word
        if line and width(line + more) > columns:
            lines.append(line)
            line, more = "", more.lstrip(" ")
        while width(more) > columns:
            head = _head(more, columns)
            lines.append(head)
            more = more[len(head) :]
        line += more
    return [*lines, line]


def _head(text: str, columns: int) -> str:
    """As much of ``text`` as fits, and at least one character."""
    room = columns
    for number, character in enumerate(text):
        room -= width(character)
        if room < 0:
            return text[: max(number, 1)]
    return text


_NARROWEST = 24
"""The fewest columns in which a text is worth reading."""


def fitted(rows: Sequence[Sequence[str]], columns: int) -> str:
    """Rows under their heads in so many columns; 0: as many as they take.

    Where that is too narrow the last column is wrapped; where it still is, each row is a block of lines, each with its
    head at its side, so that nothing is cut and no heading is lost.
    """
    safe = [[inert(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*safe, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    if not columns or before + widths[-1] <= columns:
        return table(rows)
    if columns - before >= _NARROWEST:
        return "\n".join(line for row in safe for line in _wrapped(row, widths, columns - before))
    head, *others = safe
    side = max(map(width, head)) + 2
    return "\n\n".join("\n".join(_block(head, row, side, max(columns - side, _NARROWEST))) for row in others)


def _wrapped(row: Sequence[str], widths: Sequence[int], room: int) -> list[str]:
    """A row whose last cell is wrapped below itself."""
    start = "".join(cell + " " * (wide - width(cell) + 2) for cell, wide in zip(row[:-1], widths[:-1], strict=True))
    first, *more = wrap(row[-1], room)
    return [(start + first).rstrip(), *(" " * width(start) + line for line in more)]


def _block(head: Sequence[str], row: Sequence[str], side: int, room: int) -> list[str]:
    lines = []
    for name, cell in zip(head, row, strict=True):
        first, *more = wrap(cell, room)
        lines += [(name + " " * (side - width(name)) + first).rstrip(), *(" " * side + line for line in more)]
    return lines


def table(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Rows as aligned columns; the last column is as long as it is."""
    safe = [[inert(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*safe, strict=True)]
    lines = []
    for row in safe:
        cells = [cell + " " * (room - width(cell)) for cell, room in zip(row, widths, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)

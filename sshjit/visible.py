"""Which characters a person plainly sees. What others made up is shown with all the rest written out.

How it is written out differs between a terminal and a page, and stands there.
"""

from __future__ import annotations

from collections.abc import Callable

MARKS = 4
"""Marks on one letter; more are no language's, and cover what stands around them (Unicode, UTS #39, 5.4)."""
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159\U00016fe4"
)  # fmt: skip
"""Letters and signs that print as nothing or as a gap: joiners, fillers of Hangul, Braille without a dot."""


def visible(text: str) -> bool:
    """Whether every character is plainly seen, where it stands.

    Not so are controls, formats (marks of direction, zero width), what is not assigned, every blank but the space,
    letters that look like one, and marks beyond the fourth on one letter.
    """
    if not text.isprintable():
        return False
    return text.isascii() or (_BLANK.isdisjoint(text) and max(_piled(text)) <= MARKS)


def shown(text: str, spell: Callable[[str], str]) -> str:
    """The text, with each character that is not plainly seen as ``spell`` writes it."""
    if visible(text):
        return text
    pairs = zip(text, _piled(text), strict=True)
    return "".join(each if visible(each) and marks <= MARKS else spell(each) for each, marks in pairs)


def _piled(text: str) -> list[int]:
    """For each character, the how manyth mark in a row it is; 0 if it is none."""
    from unicodedata import category  # noqa: PLC0415 - a connection needs this for no text of its own

    positions, marks = [], 0
    for each in text:
        marks = marks + 1 if category(each) in {"Mn", "Me"} else 0
        positions.append(marks)
    return positions

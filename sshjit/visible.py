"""Which characters a person plainly sees. What others made up is shown with all the rest written out.

How it is written out differs between a terminal and a page, and stands there. A few characters that are never seen
themselves are writing and not tricks, each only where a language or a picture needs it (``sshjit/joiners.py``).
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
    return (text.isascii() and text.isprintable()) or not hidden(text)


def hidden(text: str) -> list[int]:
    """The positions of the characters that are not plainly seen where they stand."""
    if text.isascii() and text.isprintable():
        return []
    from unicodedata import category  # noqa: PLC0415 - a connection needs this for no text of its own

    from sshjit import joiners  # noqa: PLC0415

    positions, marks, writing = [], 0, joiners.positions(text)
    for at, character in enumerate(text):
        if category(character) in {"Mn", "Me"}:
            marks += 1
        elif at not in writing:  # a joiner ends no row of marks
            marks = 0
        seen = character.isprintable() and character not in _BLANK and not joiners.is_selector(character)
        if marks > MARKS or not (seen or at in writing):
            positions.append(at)
    return positions


def shown(text: str, spell: Callable[[str], str]) -> str:
    """The text, with each character that is not plainly seen as ``spell`` writes it."""
    if text.isascii() and text.isprintable():
        return text
    characters = list(text)
    for at in hidden(text):
        characters[at] = spell(characters[at])
    return "".join(characters)


def describe(character: str) -> str:
    """``ZERO WIDTH SPACE (U+200B)``: a character by the name that Unicode gives it, or by its kind."""
    from unicodedata import category, name  # noqa: PLC0415

    kinds = {"Cc": "a control character", "Cs": "a byte that is no UTF-8", "Co": "a private character"}
    return f"{name(character, '') or kinds.get(category(character), 'an unknown character')} (U+{ord(character):04X})"

"""Which characters a person plainly sees. What others made up is shown with all the rest written out.

How it is written out differs between a terminal and a page, and stands there.
"""

from __future__ import annotations

_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159\U00016fe4"
)  # fmt: skip
"""Letters and signs that print as nothing or as a gap: joiners, fillers of Hangul, Braille without a dot."""


def visible(text: str) -> bool:
    """Whether every character is plainly seen, where it stands.

    Not so are controls, formats (marks of direction, zero width), what is not assigned, every blank but the space, and
    letters that look like one.
    """
    return text.isprintable() and (text.isascii() or _BLANK.isdisjoint(text))

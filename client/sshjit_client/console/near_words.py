"""What somebody may have meant who typed a word that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

_ALIKE = 0.75
"""How alike two words are, of 1, so that one may be meant for the other."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, if any is like it."""
    from difflib import get_close_matches  # noqa: PLC0415  # only somebody who mistyped needs it

    return next(iter(get_close_matches(word, list(known), 1, _ALIKE)), None)

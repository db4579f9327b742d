"""Text that other people made up, made inert.

Whatever a requester, a provider or a host made up may hold terminal escapes, line breaks or marks that turn the
direction of the text. ``inert`` is the one filter for that: the templates apply it to every value by themselves, and
messages to people pass through it as well.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from markupsafe import Markup

_HARMLESS = re.compile(r"[\x20-\x7e\xa1-\xac\xae-\u0233]*")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are never shown as they are: controls, formats (bidi, zero width), unassigned, separators."""


def inert(value: Any) -> Any:
    """Text with every character that is not plainly visible written out, as ``⟨U+202E⟩``; other values unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup) or _HARMLESS.fullmatch(value):
        return value
    return "".join(_mark(character) for character in value)


def _mark(character: str) -> str:
    unsafe = unicodedata.category(character) in _UNSAFE or (character != " " and character.isspace())
    return f"⟨U+{ord(character):04X}⟩" if unsafe else character

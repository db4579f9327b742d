"""Where an invisible character is part of the writing: in Persian, in the scripts of India, in joined pictures.

The places of joiners are those of RFC 5892, appendix A (CONTEXTJ), wider by the Bengali and Kannada ra before a virama
and by the joined pictures of Unicode (UTS #51), and narrower in that no two joiners follow each other. A variation
selector has its place behind a picture, a Chinese character or a sign. Everywhere else such a character could only make
two texts look alike, or carry a text that nobody sees, so it is no writing.
"""

from __future__ import annotations

import re
import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
_VIRAMA = 9
"""The combining class of the signs that take a consonant's vowel away."""
_PICTURES = ((0x2190, 0x21FF), (0x2300, 0x23FF), (0x25A0, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF))
_VARIATION, _TONES = "\ufe0f", ("\U0001f3fb", "\U0001f3ff")
_VARIED = "0123456789#*\u203c\u2049\u2139\u3030\u303d"
"""What is drawn as a picture with a selector behind it, besides signs."""
_CURSIVE = ((0x0620, 0x07FF), (0x0840, 0x08FF), (0x1807, 0x18AA), (0xA840, 0xA871), (0x1E900, 0x1E943))
"""Scripts whose letters join: Arabic, Syriac, N'Ko, Mandaic, Mongolian, Phags-pa, Adlam."""
_HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
_FLAGS = re.compile(
    "\U0001f3f4((?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073))\U000e007f)"
)
"""The three flags that Unicode makes of tags: England, Scotland, Wales."""


def is_selector(character: str) -> bool:
    """Whether it is a variation selector: a mark that is never seen itself."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def positions(text: str) -> frozenset[int]:
    """The positions in ``text`` of joiners, of variation selectors, and of the tags of flags, that are writing."""
    places = {at for at, character in enumerate(text) if character in (ZWNJ, ZWJ) and _is_writing(text, at)}
    places |= {at for at, character in enumerate(text) if is_selector(character) and _is_varied(text, at)}
    for flag in _FLAGS.finditer(text):
        places.update(range(flag.start(1), flag.end(1)))
    return frozenset(places)


def _is_writing(text: str, at: int) -> bool:
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if unicodedata.combining(before or " ") == _VIRAMA:
        return True
    if text[at] == ZWNJ:
        return _cursive(_letter(text, at, -1)) and _cursive(_letter(text, at, 1))
    if after and unicodedata.combining(after) == _VIRAMA:  # the ra of Bengali and Kannada keeps its form
        return unicodedata.category(before or " ") == "Lo"
    return _picture(_base(text, at)) and _picture(after)


def _is_varied(text: str, at: int) -> bool:
    """Whether the selector follows what it can vary: a sign or a picture, a digit of a keycap, a Chinese character."""
    base = text[at - 1 : at]
    if not base or _within(base, _HAN):
        return bool(base)
    return (
        unicodedata.category(base) in {"So", "Sm", "Sk"}
        or _picture(base)
        or base in "0123456789#*\u203c\u2049\u2139\u3030\u303d"
    )


def _letter(text: str, at: int, step: int) -> str:
    """The next character in this direction that is no mark; empty where the text ends."""
    at += step
    while 0 <= at < len(text) and unicodedata.category(text[at]) == "Mn":
        at += step
    return text[at] if 0 <= at < len(text) else ""


def _base(text: str, at: int) -> str:
    """The picture before ``at``, without its tone of skin and its variation."""
    at -= 1
    while at > 0 and (text[at] == _VARIATION or _TONES[0] <= text[at] <= _TONES[1]):
        at -= 1
    return text[at : at + 1] if at >= 0 else ""


def _cursive(character: str) -> bool:
    letter = bool(character) and unicodedata.category(character) in {"Lo", "Lm", "Lu", "Ll"}
    return letter and _within(character, _CURSIVE)


def _picture(character: str) -> bool:
    return bool(character) and _within(character, _PICTURES)


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)

"""Text that other people made up, made inert.

Whatever a requester, a provider or a host made up may hold terminal escapes, line breaks or marks that turn the
direction of the text. ``escape_controls`` is the one filter for that: the templates apply it to every value by
themselves, and messages to people pass through it as well.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from sshjit.visible import shown

_HARMLESS = re.compile(r"[\x20-\x7e\xa1-\xac\xae-\u0233]*")


def escape_controls(value: Any) -> Any:
    """Text with every character that is not plainly visible written out, as ``⟨U+202E⟩``; other values unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup) or _HARMLESS.fullmatch(value):
        return value
    return shown(value, lambda each: f"⟨U+{ord(each):04X}⟩")

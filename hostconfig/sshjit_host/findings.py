"""What a check found: each a sentence for people, what to do about it, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``level`` is ``ok``, ``warn`` (access works, but not as it should) or ``bad`` (it does not work)."""

    level: str
    text: str
    hint: str = ""

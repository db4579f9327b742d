"""What all events are made of."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

Channel = Literal["web", "native"]
How = Literal["automatic", "reviewed", "break_glass"]


def detail() -> Any:
    """Marks a field as part of the detail."""
    return field(metadata={"detail": True})


def added(*, default: Any, detail: bool = False) -> Any:
    """A field that older entries do not have: it stands after all others, and they are read with its default.

    Fields are never renamed, moved or removed, and words (``Literal``) never taken away: logs are read for ever.
    """
    return field(default=default, metadata={"detail": True} if detail else {})

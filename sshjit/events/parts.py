"""What all events are made of."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

Channel = Literal["web", "native"]
How = Literal["automatic", "reviewed", "break_glass"]


def detail() -> Any:
    """Marks a field as part of the detail."""
    return field(metadata={"detail": True})

"""The answer that belongs to no topic."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.message import Reply


@dataclass(frozen=True, slots=True)
class Done(Reply):
    """Nothing more to say than that it was done."""

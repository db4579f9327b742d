"""Locks, and taking them away."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.bodies import LockKind
from sshjit.events.parts import detail


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing new from here on, for what is locked."""

    lock: str
    kind: LockKind
    by: str | None
    """The subject who did it; ``None``: the operator."""
    subjects: tuple[str, ...]
    """The person's accounts, as far as addresses in common link them."""
    target: str | None = detail()
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A lock is gone; what it revoked stays revoked."""

    lock: str
    by: str | None
    reason: str = detail()

"""How locks change the state."""

from __future__ import annotations

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Lock


def locked(state: State, event: events.Locked, time: int) -> None:
    """Something is locked; what that revoked stands in entries of its own."""
    state.locks[event.lock] = Lock(event.lock, event.kind, event.target, event.subjects, event.by, event.reason, time)


def unlocked(state: State, event: events.Unlocked, _: int) -> None:
    """A lock is gone."""
    del state.locks[event.lock]

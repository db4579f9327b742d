"""A page of the log as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.message import Reply


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of the log: the fact, and the detail as long as it is kept."""

    index: int
    time: int
    kind: str
    summary: str
    """One line for people, made from fact and detail."""
    fact: str
    """The fact's canonical JSON: the bytes of the leaf."""
    detail: str | None
    """The detail's canonical JSON, or ``None`` when it was erased."""


@dataclass(frozen=True, slots=True)
class LogReply(Reply):
    """Entries, newest first (oldest first with ``after``), and the head they were read under."""

    entries: tuple[EntryView, ...]
    size: int
    checkpoint: str
    """The newest signed checkpoint, as a C2SP signed note."""
    own_only: bool
    next: int | None = None
    """Where to go on (as ``before``, or ``after``); ``None``: nothing more is there to look at."""

"""What happened, for whoever tells people about it: the log by position, with addressees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.message import Message, Reply
from sshjit.api.views import PersonView, RequestView

FeedKind = Literal[
    "asked",
    "decided",
    "opened",
    "closed",
    "commented",
    "reviewed",
    "locked",
    "unlocked",
    "emergency",
    "join_refused",
    "escalated",
    "passkey_registered",
    "passkey_accepted",
    "passkey_removed",
    "passkey_refused",
]
SINCE: dict[FeedKind, int] = {
    "join_refused": 2,
    "escalated": 2,
    "passkey_registered": 2,
    "passkey_accepted": 2,
    "passkey_removed": 2,
    "passkey_refused": 2,
}
"""Since which version there are kinds that version 1 did not know: only those who read it get them."""


@dataclass(frozen=True, slots=True)
class ReadFeed(Message, answer="FeedReply"):
    """What happened after a position, oldest first. Entries that nobody need be told of are left out."""

    after: int
    """Entries with a higher index than this; -1 begins at the beginning."""
    limit: int
    version: int = wire.added(2, default=1)
    """What the reader speaks."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One entry that somebody may want to hear of. ``request`` is as it stands now, not as it stood then."""

    index: int
    time: int
    kind: FeedKind
    summary: str
    """The log's line for people."""
    request: RequestView | None
    actor: PersonView | None
    """Who did it; ``None``: time, a rule, or the operator."""
    labels: tuple[tuple[str, str], ...]
    """The labels of the request's hosts, each pair once."""
    deciders: tuple[PersonView, ...]
    """Who is, or was, asked for a decision: those who signed in lately and could give it, never the requester."""
    reviewers: tuple[PersonView, ...]
    """For break-glass: who may review it."""
    notify: tuple[str, ...]
    """The channels that the rule names."""
    claims: tuple[str, ...] = wire.added(2, default=())
    """Of the workload that asked, as in ``LoginView``: what tells it from another one of the same name."""
    owner: PersonView | None = wire.added(2, default=None)
    """Of a passkey: whose it is."""
    admins: tuple[PersonView, ...] = wire.added(2, default=())
    """Of a passkey: who has one of the permissions ``passkeys``, ``unlock`` and ``hosts``."""


@dataclass(frozen=True, slots=True)
class FeedReply(Reply):
    """The items, and how far the log was read: the next question is ``after = read``."""

    items: tuple[FeedItem, ...]
    read: int
    size: int

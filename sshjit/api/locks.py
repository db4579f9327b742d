"""Locks and revocations as they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.bodies import LockKind
from sshjit.api.message import Reply
from sshjit.api.views import RequestView


@dataclass(frozen=True, slots=True)
class LockView:
    """A lock as it is shown."""

    id: str
    kind: LockKind
    target: str | None
    """What was named: an id, a host's id, a fingerprint."""
    title: str
    """The same for people: ``alice (acme)``."""
    reason: str
    by: str
    since: int


@dataclass(frozen=True, slots=True)
class LockReply(Reply):
    """The lock, and what it revoked: grants, sign-ins, and certificates that still lived."""

    lock: LockView
    requests: int
    logins: int
    certificates: int


@dataclass(frozen=True, slots=True)
class LocksReply(Reply):
    """The locks in force, oldest first."""

    locks: tuple[LockView, ...]
    people: tuple[str, ...] = wire.added(2, default=())
    """Who is signed in now, as ``Lock`` takes a person (``provider/address``), by name; for people who may lock."""


@dataclass(frozen=True, slots=True)
class ReachReply(Reply):
    """What a lock would fall on, and what it would end."""

    title: str
    """What would be locked, for people: ``alice (acme)``."""
    requests: tuple[RequestView, ...]
    """Grants that it would revoke, 50 at most."""
    grants: int
    """How many there are."""
    logins: int
    certificates: int
    locked_by: str
    """The id of the lock that is on it already; empty: none."""


@dataclass(frozen=True, slots=True)
class RevokeReply(Reply):
    """The requests that are revoked now, and how many live certificates that touches."""

    requests: tuple[RequestView, ...]
    certificates: int

"""Locks: nothing new for a sign-in, a person, a host, a key, or anybody, until the lock is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.messages.consent import Consent

LockKind = Literal["login", "person", "host", "key", "everything"]


@dataclass(frozen=True, slots=True)
class Lock:
    """Locks something and revokes what is alive under it.

    Over the web door it needs the permission ``lock``; the admin door passes no ``login_id``.
    """

    login_id: str | None
    kind: LockKind
    target: str | None
    """A sign-in's id; a person's id or ``provider/address``; a host's name; a key's ``SHA256:…``; ``None``: all."""
    reason: str


@dataclass(frozen=True, slots=True)
class Unlock:
    """Takes a lock away. What it revoked stays revoked.

    Over the web door it needs the permission ``unlock`` and a signature; the admin door passes neither.
    """

    login_id: str | None
    lock: str
    reason: str
    consent: Consent | None


@dataclass(frozen=True, slots=True)
class ReadLocks:
    """The locks in force. Over the web door it needs the permission ``lock``, ``unlock`` or ``audit``."""

    login_id: str | None


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
class LockReply:
    """The lock, and what it revoked: grants, sign-ins, and certificates that still lived."""

    lock: LockView
    requests: int
    logins: int
    certificates: int


@dataclass(frozen=True, slots=True)
class LocksReply:
    """The locks in force, oldest first."""

    locks: tuple[LockView, ...]

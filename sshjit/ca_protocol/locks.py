"""Taking access away, and giving the way to it back."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.bodies import LockKind
from sshjit.api.locks import LockReply, LocksReply, ReachReply, RevokeReply
from sshjit.api.message import Message
from sshjit.limits import Id


@dataclass(frozen=True, slots=True)
class Revoke(Message, answer=RevokeReply):
    """Ends one of these before its time: a grant, a certificate by its serial, or a sign-in with what it drew.

    Over the web socket it needs the permission ``lock``, or to be one's own; the admin socket passes no ``login_id``.
    """

    login_id: Id | None
    request: Id | None
    serial: int | None
    sign_in: str | None
    """The id of the sign-in that is over from now on."""
    reason: str


@dataclass(frozen=True, slots=True)
class Lock(Message, answer=LockReply):
    """Locks something and revokes what is alive under it.

    Over the web socket it needs the permission ``lock``; the admin socket passes no ``login_id``.
    """

    login_id: Id | None
    kind: LockKind
    target: str | None
    """A sign-in's id; a person's id or ``provider/address``; a host's name; a key's ``SHA256:…``; ``None``: all."""
    reason: str


@dataclass(frozen=True, slots=True)
class ReadLocks(Message, answer=LocksReply):
    """The locks in force. Over the web socket it needs the permission ``lock``, ``unlock`` or ``audit``."""

    login_id: Id | None


@dataclass(frozen=True, slots=True)
class ReadReach(Message, answer=ReachReply):
    """What a lock would fall on, before somebody sets it. It needs what ``Lock`` needs, and changes nothing."""

    login_id: Id | None
    kind: LockKind
    target: str | None
    """As in ``Lock``."""

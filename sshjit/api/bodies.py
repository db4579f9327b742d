"""The bodies of the rarer calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.action_signature import ActionSignature
from sshjit.limits import Aliases, HostKeys, Name


@dataclass(frozen=True, slots=True)
class ExtendBody:
    """An ``Extend`` without what the front end adds; the grant stands in the path."""

    reason: str
    consent: ActionSignature | None = wire.added(2, default=None, weakens=True)
    """As in ``AskBody``."""
    unsigned: bool = wire.added(2, default=False)
    """As in ``AskBody``."""


@dataclass(frozen=True, slots=True)
class DecisionBody:
    """A yes or a no to the ask with this digest, signed if the key can, and where a step asks for that."""

    digest: str
    comment: str
    consent: ActionSignature | None
    duration: int | None = None
    """Seconds: yes, but for no longer than this. Only with a yes."""


@dataclass(frozen=True, slots=True)
class CommentBody:
    """A remark about a request."""

    text: str


@dataclass(frozen=True, slots=True)
class ReviewBody:
    """What somebody found who looked at a break-glass access."""

    verdict: Literal["justified", "unjustified"]
    comment: str


LockKind = Literal["login", "person", "host", "key", "everything"]


@dataclass(frozen=True, slots=True)
class LockBody:
    """A ``Lock`` without what the front end adds."""

    kind: LockKind
    target: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ShownLock:
    """What was shown of a lock to whoever signs that it is removed; fields as in ``LockView``."""

    kind: LockKind
    target: str | None
    title: str
    reason: str
    by: str
    since: int


@dataclass(frozen=True, slots=True)
class ShownHost:
    """What was shown of a host to whoever signs what becomes of it; fields as in ``HostView``."""

    id: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UnlockBody:
    """An ``Unlock``'s reason and signature; the lock stands in the path."""

    reason: str
    consent: ActionSignature | None
    shown: ShownLock | None = wire.added(2, default=None, weakens=True)


@dataclass(frozen=True, slots=True)
class RevokeBody:
    """A ``Revoke`` without what the front end adds: exactly one of the three is not ``None``."""

    request: str | None
    serial: int | None
    sign_in: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class HostBody:
    """An ``AddHost`` without what the front end adds."""

    name: str
    aliases: Aliases
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: HostKeys
    consent: ActionSignature | None
    via: Name = wire.added(2, default="", weakens=True)
    jump_login: Name = wire.added(2, default="", weakens=True)


@dataclass(frozen=True, slots=True)
class LabelsBody:
    """All labels of a host, from now on; its name stands in the path."""

    labels: tuple[tuple[str, str], ...]
    consent: ActionSignature | None
    shown: ShownHost | None = wire.added(2, default=None, weakens=True)
    dry_run: bool = wire.added(2, default=False, weakens=True)
    """Only say what it would close; this needs no signature."""


@dataclass(frozen=True, slots=True)
class RemoveBody:
    """Why a host is forgotten; its name stands in the path."""

    reason: str
    consent: ActionSignature | None
    shown: ShownHost | None = wire.added(2, default=None, weakens=True)

"""What others say about a request: yes, no, a remark, and afterwards whether breaking the glass was right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.messages.consent import Consent


@dataclass(frozen=True, slots=True)
class Approve:
    """An approver says yes to the ask with this digest."""

    login_id: str
    request: str
    digest: str
    comment: str
    consent: Consent | None
    """The signature, where a step asks for one; ``None``: a word alone."""
    duration: int | None = None
    """Seconds: yes, but for no longer than this; ``None``: for as long as was asked."""


@dataclass(frozen=True, slots=True)
class Deny:
    """An approver says no to the ask with this digest."""

    login_id: str
    request: str
    digest: str
    comment: str
    consent: Consent | None
    """The signature, where a step asks for one; ``None``: a word alone."""


@dataclass(frozen=True, slots=True)
class Comment:
    """The requester or an approver says something, and decides nothing."""

    login_id: str
    request: str
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """Somebody else has looked at a break-glass access. It needs the permission ``review``."""

    login_id: str
    request: str
    verdict: Literal["justified", "unjustified"]
    comment: str

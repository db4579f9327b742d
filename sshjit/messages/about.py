"""A request as who decides it sees it: with who is asking, and what else they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.messages.standing import ExtensionView, RequestState, RequestView


@dataclass(frozen=True, slots=True)
class PastView:
    """A request in a line: what an approver sees of the requester's others."""

    id: str
    state: RequestState
    how: Literal["automatic", "reviewed", "break_glass"] | None
    hosts: tuple[str, ...]
    login: str
    action: str
    reason: str
    rule: str
    asked: int
    ends: int | None


@dataclass(frozen=True, slots=True)
class RequesterView:
    """What an approver sees of who asks: the sign-in that asked, and what else this person has and had."""

    provider: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    signed_in: int
    auth_time: int | None
    mfa: bool
    hardware_key: bool
    address: str
    live: tuple[PastView, ...]
    recent: tuple[PastView, ...] | None
    """The last ten of 30 days that are over, newest first; ``None`` for who may lock and nothing else."""


@dataclass(frozen=True, slots=True)
class RequestReply:
    """The request as it stands now.

    Who may decide it, audits or may lock also gets ``about``, what is known of the requester, and ``because``: the
    roles for which the reader is asked. ``extensions``: who asked for more time in this grant, oldest first, 50 at
    most; only reading a request tells them.
    """

    request: RequestView
    about: RequesterView | None = None
    because: tuple[str, ...] = ()
    extensions: tuple[ExtensionView, ...] = ()

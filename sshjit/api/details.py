"""A request as whoever decides it reads it, and lists of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.message import Reply
from sshjit.api.views import DecisionView, PersonView, RequestState, RequestView, TurnView


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
    said_factors: tuple[str, ...] = wire.added(2, default=())
    remarks: tuple[str, ...] = wire.added(2, default=())
    """As in ``LoginView``."""
    on_call: tuple[TurnView, ...] = wire.added(2, default=())
    """The turns of now."""
    workload: bool = wire.added(2, default=False)
    claims: tuple[str, ...] = wire.added(2, default=())
    unbound: bool = wire.added(2, default=False)
    """These three as in ``LoginView``."""


@dataclass(frozen=True, slots=True)
class ExtensionView:
    """An ask for more time in a grant, as it is listed with the grant. It is a request of its own, by this id."""

    id: str
    state: RequestState
    how: Literal["automatic", "reviewed", "break_glass"] | None
    """How it was approved; stays when the grant is over. ``None``: it never was."""
    person: PersonView
    duration: int
    """Seconds that were asked for."""
    reason: str
    asked: int
    pending_until: int
    ends: int | None
    """Until when the grant was open by it; ``None`` if it was not approved."""
    decisions: tuple[DecisionView, ...]
    closing: str
    signed: bool = wire.added(2, default=False)
    """As in ``RequestView``."""

    @property
    def not_signed(self) -> bool:
        """As in ``RequestView``."""
        return not self.signed and self.how != "automatic"


@dataclass(frozen=True, slots=True)
class RequestReply(Reply):
    """The request as it stands now.

    Who may decide it, audits or may lock also gets ``about``, what is known of the requester, and ``because``: the
    roles for which the reader is asked. ``extensions``: who asked for more time in this grant, oldest first, 50 at
    most; only reading a request tells them.
    """

    request: RequestView
    about: RequesterView | None = None
    because: tuple[str, ...] = ()
    extensions: tuple[ExtensionView, ...] = ()
    signature_needed: bool = wire.added(2, default=False)
    """Whether the CA takes the reader's approval only if their key signs it; only reading a request tells it."""
    passkey_counts: bool = wire.added(2, default=False)
    """Whether one of the reader's passkeys can sign an approval that the CA takes and that brings the request nearer
    at least as far as their key would; only reading a request tells it."""


@dataclass(frozen=True, slots=True)
class QueuedView:
    """What an approver sees of a waiting request in the queue, besides the request: for whom, and who asks how."""

    request: str
    because: tuple[str, ...]
    """The roles for which the reader is asked."""
    signature_needed: bool
    """As in ``RequestReply``."""
    signed_in: int | None
    """When the sign-in that asked began; ``None``: nothing of it is known any more."""
    auth_time: int | None
    mfa: bool
    workload: bool


@dataclass(frozen=True, slots=True)
class RequestsReply(Reply):
    """Requests, newest first, or as they were asked for."""

    requests: tuple[RequestView, ...]
    next: int | None = None
    """Where to go on (as ``before``); ``None``: nothing more is there to look at."""
    next_after: str = wire.added(2, default="")
    """Where in that second (as ``after``); empty where the page goes to the end of it."""
    queued: tuple[QueuedView, ...] = wire.added(2, default=())
    """Of the queue in the order ``urgent``: one for each request, in the same order."""
    total: int | None = wire.added(2, default=None)
    """Of the queue in the order ``urgent``: how many requests there are on all pages together."""

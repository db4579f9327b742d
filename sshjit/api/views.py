"""What every connection reads: people, certificates, requests, and how to reach a host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sshjit import passkeys, wire


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody, as the pages and the terminal show them. ``id`` is the CA's own name for (provider, subject)."""

    id: str
    provider: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class TurnView:
    """A stretch of time for which a rota names somebody, in seconds since the epoch."""

    rota: str
    begin: int
    end: int


PostQuantumWord = Literal["no", "unknown", "yes", "only"]
"""Whether a host takes post-quantum certificates: ``unknown`` of one that never reported, ``only`` where it takes no
others, by the operator's word."""


@dataclass(frozen=True, slots=True)
class RouteView:
    """How to reach one host of a certificate."""

    host: str
    host_id: str
    aliases: tuple[str, ...]
    address: str
    port: int
    via: str = wire.added(2, default="")
    """The name of the bastion through which it is reached; empty: directly."""
    host_certificates: bool = wire.added(2, default=True)
    """Whether the host shows host certificates. What counts is the bundle: this says when to fetch a newer one."""
    post_quantum: PostQuantumWord = wire.added(2, default="no")
    """``no``: show it the classical certificate alone; ``unknown``: the post-quantum one first, then the classical
    one; else the post-quantum one alone."""


@dataclass(frozen=True, slots=True)
class PostQuantumView:
    """A second certificate that says the same, by the post-quantum CA, with a serial of its own."""

    text: str
    serial: int


@dataclass(frozen=True, slots=True)
class BastionView:
    """How to pass through the bastion before one host: by a certificate that does nothing else."""

    target: str
    """The id of the host behind it."""
    text: str
    """The certificate, in the one-line form that ssh reads."""
    serial: int
    valid_before: int
    login: str
    """The account on the bastion."""
    route: RouteView
    """How to reach the bastion."""
    post_quantum: PostQuantumView | None = wire.added(2, default=None)
    """As in ``CertificateView``."""


@dataclass(frozen=True, slots=True)
class CertificateView:
    """An issued user certificate, in the one-line form that ssh reads."""

    text: str
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    request: str
    login: str
    action: str
    grant_ends: int
    routes: tuple[RouteView, ...]
    bastions: tuple[BastionView, ...] = wire.added(2, default=())
    """A second certificate for each host that is reached through a bastion."""
    post_quantum: PostQuantumView | None = wire.added(2, default=None)
    """The same by the post-quantum CA, where ``text`` is by the other one. Where it was drawn alone, it is ``text``."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One approval step of a request: ``count`` people of ``role``; ``missing`` of them have not approved yet."""

    role: str
    count: int
    signed: bool
    missing: int
    candidates: tuple[str, ...]
    """Names of people who signed in lately and could still approve this step."""
    but: tuple[str, ...] = wire.added(2, default=())
    """Nobody counts who may have one of these roles."""
    instead: str = wire.added(2, default="")
    """The role whose people may approve it as well, ``after`` seconds from the request on; empty: none."""
    after: int = wire.added(2, default=0)
    passkey: passkeys.Accepted = wire.added(2, default="")
    """Which passkeys count where ``signed`` is asked for; empty: none."""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What one person said about a request."""

    person: PersonView
    verdict: Literal["approve", "deny"]
    comment: str
    time: int
    channel: Literal["web", "native"]
    signed: bool
    duration: int | None
    """Seconds: the yes was for no longer than this; ``None``: for as long as was asked."""
    passkey: passkeys.Kind = wire.added(2, default="")
    """The kind of the passkey that signed it; empty: none did."""

    @property
    def not_signed(self) -> bool:
        """Whether this is a yes that no key of the approver's signed. A no goes on a word anyway."""
        return self.verdict == "approve" and not self.signed and not self.passkey


@dataclass(frozen=True, slots=True)
class CommentView:
    """A remark of the requester or an approver."""

    person: PersonView
    text: str
    time: int
    channel: Literal["web", "native"]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """What somebody found who looked at a break-glass access."""

    person: PersonView
    verdict: Literal["justified", "unjustified"]
    comment: str
    time: int


class RequestState(StrEnum):
    """Where a request stands; ``sshjit/requests.py`` holds the table of moves."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ENDED = "ended"
    LAPSED = "lapsed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request with everything that a page or a terminal shows of it."""

    id: str
    digest: str
    """SHA-256 (hex) over the immutable ask: what an approver approves."""
    state: RequestState
    how: Literal["automatic", "reviewed", "break_glass"] | None
    """How it was approved; ``None`` while it is not."""
    requester: PersonView
    hosts: tuple[str, ...]
    host_ids: tuple[str, ...]
    login: str
    action: str
    command: str | None
    """What the certificate forces, for named actions and exact commands."""
    duration: int
    reason: str
    rule: str
    policy: str
    """SHA-256 (hex) of the policy text that decided."""
    asked: int
    channel: Literal["web", "native"]
    address: str
    pending_until: int
    approved: int | None
    use_by: int | None
    ends: int | None
    """When the window closes; ``None`` while it is not open."""
    certificate: int
    """Seconds that each certificate lives."""
    certificates: int
    """How many certificates were issued so far."""
    steps: tuple[StepView, ...]
    decisions: tuple[DecisionView, ...]
    closing: str
    """Why it was denied, cancelled, ended or revoked, in a sentence; may be empty."""
    start: int | None
    """The window was asked to open at this time; ``None``: at the approval."""
    break_glass: bool
    review_by: int | None
    """When a break-glass access must have been reviewed; ``None`` where there is none."""
    review: ReviewView | None
    comments: tuple[CommentView, ...]
    extends: str | None
    """The grant that is to be longer, if this asks for that."""
    extend_by: int | None
    """Seconds by which the requester may ask to extend this grant now; ``None``: not (any more)."""
    signed: bool = wire.added(2, default=False)
    """Whether the requester signed it with the login's key; else it is the word of the front end alone."""
    blocked: str = wire.added(2, default="")
    """Why policy of now lets nobody approve it, or draw from it, in a sentence; empty where it does not stop that."""

    @property
    def not_signed(self) -> bool:
        """Whether people decide by it, or are alarmed by it, though nobody signed it. What is automatic never is."""
        return not self.signed and (bool(self.steps) or self.break_glass)

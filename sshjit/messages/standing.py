"""What is shown of a request: how it stands, who said what about it, and who is asking.

The answers that a connection reads stand here too, so that it need not load the questions of ``access.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sshjit.messages.views import CertificateView, PersonView


@dataclass(frozen=True, slots=True)
class StepView:
    """One approval step of a request: ``count`` people of ``role``; ``missing`` of them have not approved yet."""

    role: str
    count: int
    signed: bool
    missing: int
    candidates: tuple[str, ...]
    """Names of people who signed in lately and could still approve this step."""


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


@dataclass(frozen=True, slots=True)
class AskReply:
    """What became of the ask. ``existing``: the live grant or pending request for the same thing was returned."""

    request: RequestView
    certificate: CertificateView | None
    existing: bool
    notes: tuple[str, ...]
    """Sentences for the person: "the duration was capped to 8 h", "you log in as deploy"."""

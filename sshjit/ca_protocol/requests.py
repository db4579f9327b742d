"""Asking for access, deciding about it, drawing certificates from what was granted, and reading requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.ask import AskReply
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.message import Message, Reply
from sshjit.api.passkeys import PasskeyAssertion
from sshjit.api.views import CertificateView, RequestState
from sshjit.limits import Hosts, Id


@dataclass(frozen=True, slots=True)
class Ask(Message, answer=AskReply):
    """A person asks for access. With ``certificate`` and a native login, an open grant answers with one at once."""

    login_id: Id
    hosts: Hosts
    login: str | None
    """``None``: the server chooses (``@own`` if allowed, else the rule's first) and says so."""
    action: str
    """``shell``, a named action, or ``command`` together with ``command``."""
    command: str | None
    duration: int | None
    """``None``: as long as the rule allows."""
    reason: str
    certificate: bool
    address: str
    labels: tuple[tuple[str, str], ...] = ()
    """Besides ``hosts``: every enrolled host that has all of these labels."""
    start: int | None = None
    """When the window opens at the earliest; ``None``, or what is past: as soon as it is approved."""
    break_glass: bool = False
    """Past the ordinary rules, by those for emergencies. Everybody hears of it, and somebody must review it."""
    consent: ActionSignature | None = wire.added(2, default=None, weakens=True)
    """The signature, where the asker was given a challenge; ``None``: a word alone."""
    signable: bool = wire.added(2, default=False)
    """The asker's program and key can sign, so that it may be given a challenge instead of a request."""


@dataclass(frozen=True, slots=True)
class Cancel(Message, answer=RequestReply):
    """The requester takes a pending request back."""

    login_id: Id
    request: Id


@dataclass(frozen=True, slots=True)
class End(Message, answer=RequestReply):
    """The requester is done before the window closes."""

    login_id: Id
    request: Id


@dataclass(frozen=True, slots=True)
class Extend(Message, answer=AskReply):
    """The requester asks for more time in a live grant: a request of its own, decided like the first one."""

    login_id: Id
    request: Id
    """The grant's."""
    reason: str
    address: str
    consent: ActionSignature | None = wire.added(2, default=None, weakens=True)
    """As for ``Ask``."""
    signable: bool = wire.added(2, default=False)
    """As for ``Ask``."""


@dataclass(frozen=True, slots=True)
class SignUser(Message, answer="CertificateReply"):
    """A native login draws a certificate from the grant of one of its person's requests, for the login's own key."""

    login_id: Id
    request: Id


@dataclass(frozen=True, slots=True)
class CertificateReply(Reply):
    """A certificate whose log entry is durable."""

    certificate: CertificateView


@dataclass(frozen=True, slots=True)
class Approve(Message, answer=RequestReply):
    """An approver says yes to the ask with this digest."""

    login_id: Id
    request: Id
    digest: str
    comment: str
    consent: ActionSignature | None
    """The signature, where a step asks for one; ``None``: a word alone."""
    duration: int | None = None
    """Seconds: yes, but for no longer than this; ``None``: for as long as was asked."""
    passkey: PasskeyAssertion | None = wire.added(2, default=None, weakens=True)
    """The signature by a passkey of the approver's, where there is one."""


@dataclass(frozen=True, slots=True)
class Deny(Message, answer=RequestReply):
    """An approver says no to the ask with this digest."""

    login_id: Id
    request: Id
    digest: str
    comment: str
    consent: ActionSignature | None
    """The signature, where a step asks for one; ``None``: a word alone."""


@dataclass(frozen=True, slots=True)
class Comment(Message, answer=RequestReply):
    """The requester or an approver says something, and decides nothing."""

    login_id: Id
    request: Id
    text: str


@dataclass(frozen=True, slots=True)
class Review(Message, answer=RequestReply):
    """Somebody else has looked at a break-glass access. It needs the permission ``review``."""

    login_id: Id
    request: Id
    verdict: Literal["justified", "unjustified"]
    comment: str


@dataclass(frozen=True, slots=True)
class ReadRequest(Message, answer=RequestReply):
    """One request: its requester, its approvers, reviewers and auditors may read it; who may lock, an open grant."""

    login_id: Id
    request: Id


@dataclass(frozen=True, slots=True)
class ReadRequests(Message, answer=RequestsReply):
    """Requests, newest first unless ``order`` says otherwise.

    ``mine``: the person's own; ``approve``: those that it could approve now; ``review``: break-glass that it could
    review, which needs the permission ``review``; ``all``: needs the permission ``audit``.
    """

    login_id: Id
    scope: Literal["mine", "approve", "review", "all"]
    limit: int
    before: int | None
    """Only requests asked before this time, for paging."""
    find: str | None = None
    """Only those in which this stands: in person, host, login, reason, rule, or at the beginning of the id."""
    state: RequestState | None = None
    """Only those that stand so."""
    since: int | None = None
    """Only requests asked at this time or later."""
    after: Id | None = wire.added(2, default=None)
    """Of the requests of the second ``before``, those that come after this one (the ``next_after`` of the page before)
    are wanted too; empty on the first page. Where it is missing, a page goes on to the end of its last second."""
    order: Literal["newest", "urgent"] = wire.added(2, default="newest")
    """``urgent``, of ``approve`` alone: those that expire first come first, with ``queued`` and ``total``. Then
    ``before`` and ``after`` are the moment at which the last one of the page before expires, and its id."""

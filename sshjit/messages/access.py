"""Asking for access, deciding about it, and drawing certificates from what was granted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.messages.consent import Consent
from sshjit.messages.views import CertificateView, RequestView


@dataclass(frozen=True, slots=True)
class Ask:
    """A person asks for access. With ``certificate`` and a native login, an open grant answers with one at once."""

    login_id: str
    hosts: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class AskReply:
    """What became of the ask. ``existing``: the live grant or pending request for the same thing was returned."""

    request: RequestView
    certificate: CertificateView | None
    existing: bool
    notes: tuple[str, ...]
    """Sentences for the person: "the duration was capped to 8 h", "you log in as deploy"."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The requester takes a pending request back."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class End:
    """The requester is done before the window closes."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class Approve:
    """An approver says yes to the ask with this digest."""

    login_id: str
    request: str
    digest: str
    comment: str
    consent: Consent | None
    """The signature, where a step asks for one; ``None``: a word alone."""


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
class RequestReply:
    """The request as it stands now."""

    request: RequestView


@dataclass(frozen=True, slots=True)
class SignUser:
    """A native login draws a certificate from the grant of one of its person's requests, for the login's own key."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class CertificateReply:
    """A certificate whose log entry is durable."""

    certificate: CertificateView


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One request: its requester, its approvers and auditors may read it."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class ReadRequests:
    """Requests, newest first.

    ``mine``: the person's own; ``approve``: those that it could approve now; ``all``: needs the permission ``audit``.
    """

    login_id: str
    scope: Literal["mine", "approve", "all"]
    limit: int
    before: int | None
    """Only requests asked before this time, for paging."""


@dataclass(frozen=True, slots=True)
class RequestsReply:
    """Requests, newest first."""

    requests: tuple[RequestView, ...]

"""Asking, deciding, granting, drawing certificates, ending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import passkeys
from sshjit.api.views import RequestState
from sshjit.events.parts import Channel, How, added, detail


@dataclass(frozen=True, slots=True)
class StepAsked:
    """One approval step that the rule demands."""

    role: str
    count: int
    signed: bool
    but: tuple[str, ...] = added(default=())
    """Nobody counts who may have one of these roles."""
    instead: str = added(default="")
    """The role whose people count as well once it has waited for ``after`` seconds; empty: none."""
    after: int = added(default=0)
    tell: tuple[str, ...] = added(default=())
    """The channels that are notified then."""
    passkey: passkeys.Accepted = added(default="")
    """Which passkeys count where ``signed`` is asked for; empty: none."""


@dataclass(frozen=True, slots=True)
class TicketSaid:
    """What a checker said of the ticket in a reason: ``sshjit.policy.types.TicketAnswer``, which says what each is."""

    checker: str
    ticket: str
    state: Literal["answered", "missing", "down"]
    values: tuple[tuple[str, str], ...]
    """Path -> value, as JSON writes it."""
    why: str


@dataclass(frozen=True, slots=True)
class RotaSaid:
    """What a rota said of somebody who acts: until when they are on call, if they are."""

    rota: str
    digest: str
    """SHA-256 (hex) of the text that counted; empty: none did."""
    until: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A person asked for access, and policy did not say no. Immutable: approvals are over its digest."""

    request: str
    subject: str
    login_id: str
    via: Channel
    rule: str
    policy: str
    duration: int
    pending: int
    use_by: int
    certificate: int
    start: int | None
    """The window opens at this time at the earliest."""
    break_glass: bool
    review_within: int | None
    """Seconds in which somebody else must have looked at a break-glass access."""
    notify: tuple[str, ...]
    """The channels that the rule names."""
    extends: str | None
    """The grant whose window is to be longer by ``duration``, if this asks for that."""
    hosts: tuple[str, ...] = detail()
    host_ids: tuple[str, ...] = detail()
    login: str = detail()
    action: str = detail()
    command: str | None = detail()
    reason: str = detail()
    address: str = detail()
    forwarding: tuple[str, ...] = detail()
    source: tuple[str, ...] = detail()
    verify_required: bool = detail()
    fresh_login: int | None = detail()
    """Seconds: how old the sign-in may be that draws a certificate."""
    mfa: bool = detail()
    ends_by: int | None = detail()
    """The window closes here at the latest: closing hours, a timed deny."""
    steps: tuple[StepAsked, ...] = detail()
    signed: bool = added(default=False)
    """Whether the requester signed all of this with the login's key; else it is the word of the front end."""
    kept_for: tuple[str, ...] = added(default=(), detail=True)
    """The rule said ``keep_open``: once granted it keeps the rule, for whoever holds one of these roles."""
    ticket: TicketSaid | None = added(default=None, detail=True)
    """What was said of the ticket that the rule wants; ``None``: it wants none."""
    rotas: tuple[RotaSaid, ...] = added(default=(), detail=True)
    """What the policy's rotas said of the requester."""
    post_quantum: bool = added(default=False, detail=True)
    """Its certificates are by the post-quantum CA alone."""
    post_quantum_key: bool = added(default=False, detail=True)
    """And only for a login's key of that kind."""

    @property
    def not_signed(self) -> bool:
        """Whether people decide by it, or are alarmed by it, though nobody signed it. What is automatic never is."""
        return not self.signed and (bool(self.steps) or self.break_glass)


@dataclass(frozen=True, slots=True)
class Decided:
    """An approver said yes or no to the ask with this digest."""

    request: str
    subject: str
    login_id: str
    via: Channel
    verdict: Literal["approve", "deny"]
    digest: str
    signed: bool
    duration: int | None
    """Seconds: the yes is for no longer than this."""
    comment: str = detail()
    ticket: TicketSaid | None = added(default=None, detail=True)
    """What was said, for this approval, of the requester's ticket; ``None``: the rule wants none."""
    rotas: tuple[RotaSaid, ...] = added(default=(), detail=True)
    """What the policy's rotas said of the approver."""
    passkey: passkeys.Kind = added(default="")
    """The kind of the passkey that signed it; the entry before this one proves it. Empty: none did."""
    passkey_id: str = added(default="")
    """That passkey's id."""


@dataclass(frozen=True, slots=True)
class Escalated:
    """A request has waited so long that people of further roles may answer it. Written once for each such moment."""

    request: str
    roles: tuple[str, ...]
    notify: tuple[str, ...]
    """The channels that the rule names for this."""
    steps: tuple[int, ...] = added(default=())
    """Which steps of the request, counted from 0; empty in older entries: every step of these roles."""


@dataclass(frozen=True, slots=True)
class Commented:
    """The requester or an approver made a remark."""

    request: str
    subject: str
    login_id: str
    via: Channel
    comment: str = detail()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Somebody else looked at a break-glass access."""

    request: str
    subject: str
    login_id: str
    via: Channel
    verdict: Literal["justified", "unjustified"]
    comment: str = detail()


@dataclass(frozen=True, slots=True)
class Counted:
    """What the limits of a rule counted when a window opened, that one not among them."""

    person_open: int
    person_week: int
    rule_open: int
    rule_week: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The request is approved; its window is open, or that of the grant that it extends is longer."""

    request: str
    how: How
    ends: int
    counted: Counted | None = added(default=None)
    """Of a rule with limits."""
    steps: tuple[StepAsked, ...] | None = added(default=None)
    """The approvals that its rule asked for by then, where those that it was asked with were not complete."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The request reached a state that never changes."""

    request: str
    state: RequestState
    by: str | None
    """The subject who did it; ``None``: time, or the operator."""
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class Issued:
    """A user certificate was signed. The entry is durable before the certificate leaves."""

    serial: int
    request: str
    login_id: str
    certificate: str
    """Digest of the whole certificate in wire format."""
    valid_before: int
    policy: str
    rule: str
    person: str = detail()
    login: str = detail()
    hosts: tuple[str, ...] = detail()
    key: str = detail()
    bastion: str = added(default="", detail=True)
    """The id of the bastion that this certificate passes through to the one host, and does nothing else; or empty."""
    trace: str = added(default="", detail=True)
    """The trace id of the command that drew it (``sshjit/traces.py``), as it named itself; or empty."""
    post_quantum: bool = added(default=False)
    """Whether the post-quantum CA signed it."""


@dataclass(frozen=True, slots=True)
class CertificateRevoked:
    """One certificate is worthless before its time."""

    serial: int
    by: str | None
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class Turned:
    """A verified subject was refused something. ``count`` of the same since the last such entry."""

    subject: str
    login_id: str
    message: str
    code: str
    count: int
    asked: str = detail()
    """What was asked, in a few words."""
    answer: str = detail()

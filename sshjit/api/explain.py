"""What policy would say of an ask, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.message import Reply
from sshjit.api.views import PersonView, StepView, TurnView
from sshjit.limits import Hosts


@dataclass(frozen=True, slots=True)
class ExplainBody:
    """An ``Explain`` without what the front end adds."""

    person: str | None
    hosts: Hosts
    labels: tuple[tuple[str, str], ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    start: int | None
    break_glass: bool
    each: bool = wire.added(2, default=False, weakens=True)
    """Each host for itself, as if nothing else were asked: the answer's ``each`` says it, the rest the first host."""


MOST_EACH = 64
"""Hosts of one question with ``each``: a list of hosts is asked in parts, so that nobody waits long behind it."""
Verdict = Literal["allow", "approval", "step_up", "denied"]
"""At once; after approvals; after a better sign-in; no."""


@dataclass(frozen=True, slots=True)
class MissView:
    """Why a rule does not match: ``matcher`` is its key, ``host`` the host that it is about, if it is about one."""

    matcher: str
    host: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RuleView:
    """What one rule says. ``hosts`` are those that it matches; ``decides``: the answer is this rule's."""

    kind: Literal["deny", "allow", "break_glass"]
    name: str
    hosts: tuple[str, ...]
    misses: tuple[MissView, ...]
    decides: bool


@dataclass(frozen=True, slots=True)
class TermsView:
    """On which terms it would be had. Clocks and lengths are in seconds, ``ends_by`` since the epoch."""

    duration: int
    capped: bool
    """More was asked than ``duration``."""
    pending: int
    use_by: int
    certificate: int
    ends_by: int | None
    source: tuple[str, ...]
    forwarding: tuple[str, ...]
    extend_count: int
    extend_by: int
    signed_request: bool = wire.added(2, default=False)
    """Only a request that ``ssh-jit`` signs with the login's key is taken."""
    keep_open: bool = wire.added(2, default=False)
    """It stays open under this rule, whatever becomes of the rule and of the hosts' labels."""
    ticket: str = wire.added(2, default="")
    """Which ticket must be accepted, and by whom: ``CHG-7, by jira``; the checker was not asked."""
    post_quantum: bool = wire.added(2, default=False)
    """Its certificates are by the post-quantum CA alone."""
    post_quantum_key: bool = wire.added(2, default=False)
    """And only for a login's key of that kind."""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What would become of the ask for this host alone. ``verdict``, ``code`` and ``login`` are as in the answer."""

    host: str
    verdict: Verdict
    code: str
    login: str | None
    approvals: tuple[str, ...]
    """A role for each approval that it would need."""


@dataclass(frozen=True, slots=True)
class ExplainReply(Reply):
    """The answer and every rule, in file order."""

    person: PersonView
    roles: tuple[str, ...]
    verdict: Verdict
    rule: str | None
    """The rule that decides, if one does."""
    code: str
    """For ``denied`` and ``step_up`` the stable code, else empty."""
    message: str
    hint: str
    hosts: tuple[str, ...]
    login: str | None
    terms: TermsView | None
    steps: tuple[StepView, ...]
    """What approvals it would need, and who could give them."""
    rules: tuple[RuleView, ...]
    policy: str
    """SHA-256 (hex) of the policy text that says so."""
    remarks: tuple[str, ...] = wire.added(2, default=())
    """What the sign-in lacks, or has almost: sentences without a capital and a full stop."""
    on_call: tuple[TurnView, ...] = wire.added(2, default=())
    """The person's turns of now."""
    each: tuple[HostAnswer, ...] = wire.added(2, default=())
    """Where it was asked for: an answer for each host, in the order of the question."""

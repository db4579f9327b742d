"""The question to a policy and its answer: who asks for what on which hosts, and what the policy says.

No outcome is true or false: ``if evaluate(…)`` raises ``TypeError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from sshjit.approvals import Step
from sshjit.policy.model import BreakGlass, Extend, TicketState


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time for which a rota names somebody, in seconds since the epoch."""

    rota: str
    begin: int
    end: int


FOREVER = 1 << 33
"""Of a turn that has no end: a time in the year 2242, which calendars can still tell."""


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """What ``checker`` said of ``ticket``. ``values`` are texts by path (``sshjit.policy.tickets``).

    ``why`` is a clause: why it did not answer, or not so that it can be used.
    """

    checker: str
    ticket: str
    state: TicketState
    values: tuple[tuple[str, str], ...] = ()
    why: str = ""


ASSUMED = TicketAnswer("", "", "assumed")
"""For who asks what would be: any ticket is taken for one that is accepted. The CA asks the checker."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks, as their login says. The caller has verified all of it.

    ``id`` is the CA's id of (provider, subject). ``emails`` are verified addresses in the provider's
    ``email_domains``, in lower case. ``unix_name`` is what ``@own`` stands for; ``own_listed``: it is in the
    operator's table, so it is theirs although a rule writes it out. ``auth_time`` is when the person proved who
    they are to the provider (seconds since the epoch; ``None``: the provider does not say). ``denied_groups`` and
    ``denied_emails`` are further ones that only denies look at: of other sign-ins, and those that nobody verified.
    ``said_factors`` is what the provider said of factors, ``asked_fresh`` whether it was asked for a sign-in anew; both
    are for messages. ``on_call`` is what rotas say of the person that count now. ``claims`` are those of a workload, as
    ``name=value``; ``None`` if this is a person. A workload
    has no groups and no addresses, approves nothing, and has neither permissions nor break-glass access.
    ``had_elsewhere`` are roles that the person may have by any account of theirs: ``not_own`` alone looks at them.
    """

    id: str
    provider: str
    groups: frozenset[str]
    emails: frozenset[str]
    unix_name: str | None = None
    auth_time: int | None = None
    mfa: bool = False
    hardware_key: bool = False
    denied_groups: frozenset[str] = frozenset()
    denied_emails: frozenset[str] = frozenset()
    own_listed: bool = False
    said_factors: tuple[str, ...] = ()
    asked_fresh: bool = False
    on_call: tuple[Turn, ...] = ()
    claims: frozenset[str] | None = None
    had_elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled host. ``labels`` are pairs of label and value, as in ``messages.HostView``."""

    id: str
    name: str
    labels: tuple[tuple[str, str], ...]
    bastion: Bastion | None = None
    """What people pass through to reach it. Denies look at it too; no rule has to allow it."""
    by_label: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """The same labels, to look up."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_label", dict(self.labels))


@dataclass(frozen=True, slots=True)
class Bastion:
    """An enrolled host that people pass through, by the account ``login`` there."""

    host: Host
    login: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for. ``login`` ``None``: the server chooses; ``duration`` (seconds) ``None``: all the rule allows.

    ``action`` is ``shell``, a named action, or ``command`` together with ``command``. ``address`` is the client's.
    ``start`` (seconds since the epoch): the window opens then, not now. ``ticket`` is what was said of the ticket that
    the reason names; ``None``: nobody was asked, so a rule that wants one refuses.
    """

    login: str | None
    action: str = "shell"
    command: str | None = None
    duration: int | None = None
    reason: str = ""
    address: str | None = None
    break_glass: bool = False
    start: int | None = None
    ticket: TicketAnswer | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Grants that there are: ``open`` now, and approved in the last seven days (``week``), used or not.

    A grant that begins later is open from its approval on. What makes a grant longer is no grant of its own.
    """

    open: int = 0
    week: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """The grants under one rule: those of the person who asks, and everybody's."""

    person: Count = Count()
    rule: Count = Count()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision needs to know beside the policy, the person and the hosts. Whoever asks for one says it."""

    used: Mapping[str, Used] = field(default_factory=dict)
    """Rule -> the grants under it; rules without limits need not be here."""


NO_FACTS = Facts()
"""Nobody has been granted anything: the most that a policy gives."""


class _Outcome:
    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither true nor false: use match or isinstance")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a request is allowed, or would be once it is approved. Clocks and lengths are in seconds."""

    rule: str
    login: str
    """The Unix account; chosen by the rule if the ask named none."""
    action: str
    command: str | None
    """What the certificate forces; ``None`` for a shell."""
    duration: int
    """How long the window is: what was asked, at most ``grant``."""
    capped: bool
    """More was asked than ``duration``."""
    grant: int
    certificate: int
    pending: int
    use_by: int
    ends_by: int | None
    """When the window must be over whatever its length: closing hours, a timed deny, the end of the person's role.

    Seconds since the epoch. It holds for now; ask ``ends_by`` again when the window really begins.
    """
    max_hosts: int
    source: tuple[str, ...]
    """CIDRs for ``source-address``; ``("client",)`` stands for the client's own address; empty: anywhere."""
    forwarding: tuple[str, ...]
    """Of ``port``, ``agent``, ``x11``."""
    fresh_login: int | None
    mfa: bool
    verify_required: bool
    """The certificate is for a registered ``sk-*`` key and carries ``verify-required``."""
    extend: Extend | None
    break_glass: BreakGlass | None
    """Set if and only if this is break-glass access."""
    signed_request: bool
    """A request that the requester did not sign is not taken. The CA holds this; policy knows no signatures."""
    kept_for: tuple[str, ...]
    """Under a rule with ``keep_open``: its roles, one of which the person must go on holding; else empty."""
    ticket: TicketAnswer | None = None
    """The ticket that the rule wants, and what was said of it; ``None``: it wants none."""
    post_quantum: bool = False
    """Certificates are by the post-quantum CA alone. The CA holds this; policy knows no sshd and no ssh."""
    post_quantum_key: bool = False
    """And only for a login's key of that kind."""


@dataclass(frozen=True, slots=True)
class Allow(_Outcome):
    """Allowed at once."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class NeedsApproval(_Outcome):
    """Allowed as soon as every one of ``steps`` is complete (``sshjit.approvals``)."""

    terms: Terms
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StepUp(_Outcome):
    """Allowed by ``rule``, but not to this sign-in. ``needs`` are of ``fresh_login``, ``mfa``, ``hardware_key``."""

    rule: str
    needs: tuple[str, ...]
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Denied(_Outcome):
    """Not allowed. ``code`` is stable, ``rule`` the one that decided, if one did."""

    code: str
    rule: str | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Changed(_Outcome):
    """What was granted or asked is not what ``rule`` decides now, or another rule decides: it has to be asked again.

    ``message`` says what changed, without a subject of its own for the policy.
    """

    rule: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Bounds(_Outcome):
    """What was granted still is what policy says, within these bounds: the stricter of then and now.

    ``certificate`` is in seconds; ``length`` the longest window in seconds, ``None``: as it was granted; ``ends_by`` is
    when the window must be over, as in ``Terms``, and because of its length if it is open already.
    """

    certificate: int
    forwarding: tuple[str, ...]
    length: int | None
    ends_by: int | None


Outcome = Allow | NeedsApproval | StepUp | Denied

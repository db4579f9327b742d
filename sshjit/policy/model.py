"""What a policy declares: labels, roles, actions and rules, after they were read and checked.

``load.py`` makes these values and checks what cannot be checked here; ``compiled.py`` puts them together with the
indexes that answer fast. A matcher that is ``None`` does not restrict. The loader allows such matchers only in denies,
and at least one matcher of a deny must be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sshjit.approvals import Step
from sshjit.policy.networks import Networks
from sshjit.policy.schedule import Schedule

OWN = "@own"
"""Among a rule's logins: the person's own Unix name."""
CLAIM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
"""The name of a claim, or a path to one in objects (``kubernetes.io.namespace``)."""
WORKLOAD = "workload"
"""The kind of source that gives a workload a role, by its claims."""
SHELL = "shell"
COMMAND = "command"
CLIENT = "client"
"""As a rule's source: the address that the client connects from."""
PERMISSIONS = frozenset({"hosts", "lock", "unlock", "audit", "explain", "review", "passkeys"})
FORWARDING = ("port", "agent", "x11")
DEFAULT_PENDING = 3600
"""Seconds that an unanswered request waits, where a rule has no ``pending``."""
DEFAULT_USE_BY = 900
"""Seconds in which an approved request must be used, where a rule has no ``use_by``; never more than its grant."""
DEFAULT_MAX_HOSTS = 16
"""Hosts of one request, where a rule has no ``max_hosts``."""
DEFAULT_BREAK_GLASS_FRESH_LOGIN = 900
BREAK_GLASS_REASON = 10
"""Characters that the reason of a break-glass request has at least."""
SYSTEM_LOGINS = frozenset(
    {
        *(
            "root",
            "toor",
            "daemon",
            "bin",
            "sys",
            "sync",
            "games",
            "man",
            "lp",
            "mail",
            "news",
            "uucp",
            "proxy",
            "list",
        ),
        *("www-data", "backup", "irc", "gnats", "nobody", "_apt", "sshd", "messagebus", "polkitd", "dbus", "syslog"),
        *("systemd-network", "systemd-resolve", "systemd-timesync", "systemd-coredump", "systemd-oom", "uuidd", "tss"),
        *(
            "postgres",
            "mysql",
            "redis",
            "nginx",
            "apache",
            "http",
            "named",
            "bind",
            "ldap",
            "postfix",
            "exim",
            "dovecot",
        ),
        *("ntp", "chrony", "rpc", "rpcuser", "tcpdump", "avahi", "adm", "shutdown", "halt", "operator", "ftp", "git"),
        *("admin", "wheel", "sudo", "docker", "vagrant", "ubuntu", "debian", "centos", "fedora", "ec2-user", "core"),
    }
)
"""Names that ``@own`` never becomes, whatever a claim says. A rule may still name them."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label that hosts may carry. ``values`` ``None``: any value; ``required``: no host is enrolled without it.

    ``by_token``: a fleet's invitation may give it, to hosts that no operator named.
    """

    name: str
    values: frozenset[str] | None
    required: bool
    by_token: bool = False


ROTA = "rota"
"""The kind of a source that is a rota: it belongs to no provider, and its name is the rota's."""
TicketState = Literal["assumed", "answered", "missing", "down"]
"""What is known of a ticket: nothing, it is taken for good; what its values are; that there is none; nobody answers."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a role comes from: a group or a verified address of one provider, a rota, or claims of a workload's issuer.

    The ``name`` of an address is in lower case; ``ends`` is when the source stops counting (seconds since the epoch),
    if ever. A source of the kind ``workload`` has ``claims``, as ``name=value``, all of which must be there; its name
    is their one spelling.
    """

    provider: str
    kind: str
    name: str
    ends: int | None
    claims: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Action:
    """A named action: ``command`` is what the certificate forces."""

    name: str
    command: str
    title: str


@dataclass(frozen=True, slots=True)
class Checker:
    """Who is asked about tickets, and which answer is a yes: each value, by its path, must be one of these.

    Paths and values are texts, as ``tickets.path_text`` and ``tickets.value_text`` write them.
    """

    name: str
    title: str
    expect: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Rota:
    """A rota that roles come from; what it says counts for ``lifetime`` seconds after it was issued."""

    name: str
    lifetime: int


HostLabels = tuple[tuple[str, tuple[str, ...]], ...]
"""Labels of a host, each with the values that it may have."""


@dataclass(frozen=True, slots=True)
class Matchers:
    """Which asks a rule is about. A host must have all the labels of any of ``hosts``.

    Whoever has one of ``not_roles`` is left out: of a rule that allows, if they may have it at all (as denies look at
    roles); of a deny, if they hold it.
    """

    roles: tuple[str, ...] | None
    hosts: tuple[HostLabels, ...] | None
    logins: tuple[str, ...] | None
    actions: tuple[str, ...] | None
    schedule: Schedule | None
    not_roles: tuple[str, ...] = ()
    networks: Networks | None = None
    """Of a deny: where the requests come from that it is about."""


@dataclass(frozen=True, slots=True)
class DenyRule:
    """A rule that decides as soon as it matches any of the hosts."""

    name: str
    match: Matchers
    unless_break_glass: bool


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """The reason must be given and hold a match of ``pattern`` somewhere; ``prompt`` is how to ask for it."""

    pattern: re.Pattern[str] | None
    prompt: str
    shortest: int = 1


@dataclass(frozen=True, slots=True)
class Extend:
    """A grant may be extended ``count`` times, by ``by`` seconds each, every time by a new review."""

    count: int
    by: int


@dataclass(frozen=True, slots=True)
class Limit:
    """How many grants there may be: ``open`` at once, and in any ``week`` of seven days. ``None``: any number."""

    open: int | None = None
    week: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many grants one person may have under a rule, and how many all people together."""

    person: Limit = Limit()
    rule: Limit = Limit()


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What is special about a break-glass rule. ``review_within`` is in seconds; ``notify`` names channels."""

    notify: tuple[str, ...]
    review_within: int


@dataclass(frozen=True, slots=True)
class AllowRule:
    """A rule that allows, with the requirements it makes. Clocks are in seconds.

    ``source`` is ``("client",)``, CIDRs, or nothing; ``fresh_login`` the greatest age of the sign-in in seconds.
    ``keep_open``: what was granted under the rule keeps it, whatever becomes of the rule and of the hosts' labels.
    """

    name: str
    match: Matchers
    approvals: tuple[Step, ...]
    reason: ReasonRule | None
    fresh_login: int | None
    mfa: bool
    hardware_key: bool
    pending: int
    use_by: int
    grant: int
    certificate: int
    max_hosts: int
    source: tuple[str, ...]
    forwarding: tuple[str, ...]
    extend: Extend | None
    break_glass: BreakGlass | None
    signed_request: bool
    """Whether only a request counts that the requester signed with the key of their login."""
    keep_open: bool
    networks: tuple[str, ...]
    """Where a request must come from (CIDRs); empty: from anywhere. ``source`` is never wider."""
    limits: Limits
    ticket: Checker | None = None
    """The checker that must accept the ticket that the reason names."""
    ticket_down_allows: bool = False
    """Whether a checker that does not answer is as good as one that accepts."""
    post_quantum: bool = False
    """Whether certificates are by the post-quantum CA alone."""
    post_quantum_key: bool = False
    """Whether the login's key must be a post-quantum one too."""


Rule = DenyRule | AllowRule
REQUIREMENTS = (
    *("approval", "reason", "ticket", "mfa", "hardware_key", "fresh_login", "signed_request"),
    *("post_quantum", "post_quantum_key"),
)
"""What ``[[never]] without`` may name."""


@dataclass(frozen=True, slots=True)
class Never:
    """A sentence about a policy: nobody gets this, unless they have one of some roles, or without some requirement.

    Empty ``logins`` and ``actions``, and ``break_glass`` ``None``, are about any. ``within``: until the end of that
    day, in UTC. ``all_but`` has, for each of ``hosts``, the values that ``{ not = … }`` names: what else there is, each
    policy that is held against the sentence says itself.
    """

    name: str
    hosts: tuple[HostLabels, ...] | None
    logins: tuple[str, ...]
    actions: tuple[str, ...]
    break_glass: bool | None
    unless_roles: tuple[str, ...]
    without: tuple[str, ...]
    within: date | None
    all_but: tuple[HostLabels, ...] = ()

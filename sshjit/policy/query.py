"""An ask prepared for matching, with roles looked up and "@own" resolved, and the rules that match it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sshjit import names
from sshjit.policy.compiled import Policy
from sshjit.policy.index import Index, first, members
from sshjit.policy.model import OWN, SYSTEM_LOGINS, AllowRule
from sshjit.policy.owners import ends_on, had_on, held_on
from sshjit.policy.roles import denied_roles, role_ends
from sshjit.policy.types import Host, Subject


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that matchers look at. ``roles`` are those held, with their ends; "@own" stands for ``unix_name``.

    ``denied_roles`` are those that denies look at.
    """

    policy: Policy
    roles: Mapping[str, int | None]
    unix_name: str | None
    hosts: Sequence[Host]
    login: str | None
    action: str
    break_glass: bool
    now: int
    denied_roles: frozenset[str]
    address: str | None = None
    """Where the request comes from. Denies alone look at it; one that is not known comes from everywhere."""
    had_elsewhere: frozenset[str] = frozenset()
    """Roles that the person may have by any account of theirs, for ``not_own``."""

    def held_on(self, host: Host) -> Collection[str]:
        """The roles held there, with those of owners."""
        return held_on(self.policy.owners, self.roles, host.by_label)

    def had_on(self, host: Host) -> Collection[str]:
        """The roles that denies look at there, with those of owners."""
        return had_on(self.policy.owners, self.denied_roles, host.by_label)

    def ends_on(self, host: Host) -> Mapping[str, int | None]:
        """The roles held there, with their ends."""
        return ends_on(self.policy.owners, self.roles, host.by_label)

    @property
    def allows(self) -> tuple[AllowRule, ...]:
        """The rules that may allow this."""
        return self.policy.break_glass if self.break_glass else self.policy.allows

    @property
    def allow_index(self) -> Index:
        """The index of ``allows``."""
        return self.policy.break_glass_index if self.break_glass else self.policy.allow_index

    @property
    def deny_index(self) -> Index:
        """The index of the denies that may decide this."""
        return self.policy.break_glass_deny_index if self.break_glass else self.policy.deny_index


def make_query(
    policy: Policy,
    subject: Subject,
    hosts: Sequence[Host],
    *,
    login: str | None,
    action: str,
    break_glass: bool,
    now: int,
    address: str | None = None,
) -> Query:
    """The query of ``subject`` for these hosts."""
    roles, unix_name = role_ends(policy, subject, now), usable_unix_name(policy, subject)
    if break_glass and subject.claims is not None:
        roles = {}  # emergencies are for people, who answer for them afterwards: no rule matches a workload
    denied = denied_roles(policy, subject)
    had = subject.had_elsewhere
    return Query(policy, roles, unix_name, hosts, login, action, break_glass, now, denied, address, had)


class Asked(Protocol):
    """What is asked for, or was (``Ask``, ``reevaluate.Granted``): as much of it as decides which rules it meets."""

    # ruff: noqa: D102 - each is the field of that name
    @property
    def login(self) -> str | None: ...
    @property
    def action(self) -> str: ...
    @property
    def break_glass(self) -> bool: ...
    @property
    def start(self) -> int | None: ...
    @property
    def address(self) -> str | None: ...


def ask_query(policy: Policy, subject: Subject, hosts: Sequence[Host], ask: Asked, now: int) -> Query:
    """The query that an ask makes: rules, hours and roles are those of its start, if that is later than ``now``."""
    at = now if ask.start is None else max(now, ask.start)
    return make_query(
        policy,
        subject,
        hosts,
        login=ask.login,
        action=ask.action,
        break_glass=ask.break_glass,
        now=at,
        address=ask.address,
    )


def usable_unix_name(policy: Policy, subject: Subject) -> str | None:
    """What "@own" stands for: the Unix name of the person, if it can be one, and no rule writes it out.

    An account that a rule names is guarded by that rule. Only the operator's table can make it somebody's own.
    """
    name = subject.unix_name
    if name is None or not may_be_unix_name(name):
        return None
    return name if subject.own_listed or names.lowered(name) not in policy.shared_logins else None


def may_be_unix_name(name: str) -> bool:
    """Whether ``name``, unchanged, can be the Unix name of a person: well formed, and no account of the system.

    Not in any case either: some directories take ``Root`` for ``root``.
    """
    return names.lowered(name) not in SYSTEM_LOGINS and names.is_login_name(name)


def choose_login(rule: AllowRule, unix_name: str | None) -> str | None:
    """The login that ``rule`` gives if the ask names none: "@own" if it is allowed and there is one, else its first."""
    logins = rule.match.logins or ()
    if OWN in logins and unix_name is not None:
        return unix_name
    return next((login for login in logins if login != OWN), None)


def first_allows(query: Query) -> list[int | None]:
    """For each host the number of the first allow rule that matches, in file order."""
    index = query.allow_index
    rules = index.for_action(query.action) & index.for_login(query.login, query.unix_name)
    if not query.policy.owners:
        rules &= index.for_roles(query.roles) & ~index.leaving_out(query.denied_roles)
        return [first(_open(index, rules & index.for_host(host.by_label), query.now)) for host in query.hosts]
    return [first(_open(index, rules & _for_person(query, host), query.now)) for host in query.hosts]


def _for_person(query: Query, host: Host) -> int:
    """The rules that allow this person something on the host, with the roles that they have there."""
    index = query.allow_index
    roles = index.for_roles(query.held_on(host)) & ~index.leaving_out(query.had_on(host))
    return roles & index.for_host(host.by_label)


def deciding_deny(query: Query) -> int | None:
    """The number of the first deny that matches any of the hosts."""
    return first(_open(query.deny_index, denies_at_any_time(query), query.now))


def denies_at_any_time(query: Query) -> int:
    """The denies that match any of the hosts, or a bastion before one, without regard to days and hours.

    Those that spare the person there are not among them.
    """
    index, denies = query.deny_index, 0
    if not index.every:
        return 0
    for host, matching in _denies_by_host(query):
        denies |= matching & ~(index.leaving_out(query.held_on(host)) if index.spares else 0)
    return denies


def denies_to_come(query: Query) -> Iterator[int]:
    """When denies begin to match that leave the person out now: the last of the roles ends for which they do.

    Seconds since the epoch; denies whose hours are not those of then begin with their hours.
    """
    index = query.deny_index
    for host, matching in _denies_by_host(query):
        held = query.ends_on(host)
        for number in members(matching & index.leaving_out(held)):
            match = query.policy.denies[number].match
            ends = [held[role] for role in match.not_roles if role in held]
            last = None if None in ends else max(end for end in ends if end is not None)
            begins = last if last is None or match.schedule is None else match.schedule.begins(last)
            if begins is not None:
                yield begins


def denied_hosts(query: Query, number: int) -> tuple[Host, ...]:
    """The hosts, and the bastions before them, that this deny matches."""
    index = query.deny_index
    by_host = ((host, denies & ~index.leaving_out(query.held_on(host))) for host, denies in _denies_by_host(query))
    matched = (host for host, denies in by_host if denies >> number & 1)
    return tuple({host.id: host for host in matched}.values())


def _denies_by_host(query: Query) -> Iterator[tuple[Host, int]]:
    """Each host and each bastion with the denies that match it; a bastion's by the account there too."""
    index = query.deny_index
    if not index.every:
        return
    base = index.for_action(query.action)
    if not query.policy.owners:
        base &= index.for_roles(query.denied_roles)
    base &= ~index.elsewhere(query.address, base)
    # While the login is open only denies that look at no login can match; the chosen login is looked at later.
    login = index.for_any_login() if query.login is None else index.for_login(query.login, query.unix_name)
    for host in query.hosts:
        yield host, base & login & _denied_on(query, host)
        if host.bastion is not None:
            logins = login | index.for_login(host.bastion.login, query.unix_name)
            yield host.bastion.host, base & logins & _denied_on(query, host.bastion.host)


def _denied_on(query: Query, host: Host) -> int:
    """The denies that match the host, and, where owners are asked after, the person there."""
    index = query.deny_index
    denies = index.for_host(host.by_label)
    return denies & index.for_roles(query.had_on(host)) if query.policy.owners else denies


def with_login(query: Query, login: str | None) -> Query:
    """The same query, for this login."""
    return query if login == query.login else replace(query, login=login)


def _open(index: Index, rules: int, now: int) -> int:
    return rules & ~index.closed(now, rules)

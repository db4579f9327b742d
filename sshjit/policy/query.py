"""An ask made ready to be matched: roles looked up, "@own" resolved; and which rules match it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sshjit.policy.asks import Ask, Host, Subject
from sshjit.policy.index import Index, first
from sshjit.policy.model import OWN, SYSTEM_LOGINS, AllowRule, Policy
from sshjit.policy.roles import role_ends

_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that matchers look at. ``held`` are the roles and their ends, ``own`` what "@own" stands for."""

    policy: Policy
    held: Mapping[str, int | None]
    own: str | None
    hosts: Sequence[Host]
    login: str | None
    action: str
    break_glass: bool
    now: int

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
) -> Query:
    """The query that ``subject`` makes by asking."""
    return Query(policy, role_ends(policy, subject, now), own_login(subject), hosts, login, action, break_glass, now)


def ask_query(policy: Policy, subject: Subject, hosts: Sequence[Host], ask: Ask, now: int) -> Query:
    """The query that an ask makes: rules, hours and roles are those of its start, if that is later than ``now``."""
    at = now if ask.start is None else max(now, ask.start)
    return make_query(policy, subject, hosts, login=ask.login, action=ask.action, break_glass=ask.break_glass, now=at)


def own_login(subject: Subject) -> str | None:
    """What "@own" stands for: the person's own Unix name, if it can be one."""
    return subject.own if subject.own is not None and may_be_own(subject.own) else None


def may_be_own(name: str) -> bool:
    """Whether ``name``, unchanged, can be a person's Unix name, and is not the system's."""
    return name not in SYSTEM_LOGINS and _LOGIN.fullmatch(name) is not None


def choose_login(rule: AllowRule, own: str | None) -> str | None:
    """The login that ``rule`` gives somebody who named none: "@own" if allowed and there is one, else its first."""
    logins = rule.match.logins or ()
    if OWN in logins and own is not None:
        return own
    return next((login for login in logins if login != OWN), None)


def first_allows(query: Query) -> list[int | None]:
    """For each host the number of the first allow rule that matches, in file order."""
    index = query.allow_index
    asked = index.for_roles(query.held) & index.for_action(query.action) & index.for_login(query.login, query.own)
    return [first(_open(index, asked & index.for_host(host.by_label), query.now)) for host in query.hosts]


def deciding_deny(query: Query) -> int | None:
    """The number of the first deny that matches any of the hosts."""
    return first(_open(query.deny_index, denies_at_any_time(query), query.now))


def denies_at_any_time(query: Query) -> int:
    """The denies that match any of the hosts, on whichever days and hours."""
    index = query.deny_index
    asked = index.for_roles(query.held) & index.for_action(query.action)
    # While the login is open only denies that look at no login can match; the chosen login is looked at later.
    asked &= index.for_any_login() if query.login is None else index.for_login(query.login, query.own)
    found = 0
    for host in query.hosts:
        found |= asked & index.for_host(host.by_label)
    return found


def with_login(query: Query, login: str | None) -> Query:
    """The same query, for this login."""
    return query if login == query.login else replace(query, login=login)


def _open(index: Index, rules: int, now: int) -> int:
    return rules & ~index.closed(now, rules)

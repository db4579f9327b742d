"""Decides ``[[never]]``: whether a policy gives somebody, at some time, what a sentence says nobody gets.

It is exact: a sentence holds, or there is a ``Counterexample`` that ``evaluate`` gives the same answer to, or it is
``Undecided``, which counts as broken. It is finite because of what rules can look at:

- *hosts*: all hosts of a request come under one rule, and a bastion only adds denies, so one host without a bastion is
  enough. Of its labels only those values count apart that some rule names; all others are alike.
- *logins*: who names no login gets one that they could have named. Own names that no rule writes out are all alike.
- *workloads*: the same, by the claims that their sources name; a workload never has two values of one claim.
- *people*: one account at one provider. A rule that allows needs one source of one of its roles. Further sources only
  add denies and earlier rules, but for those of roles in ``not_roles``: whoever holds them may slip past a deny or past
  an earlier rule. So people are looked at who have one source and, beside it, any of those.
- *owners*: on one host ``@team`` is one role, or nobody's. So hosts count apart that have other owners, and for each
  host the people are looked at whom the rules are about there.
- *limits*, and who may approve after a while: they only refuse or hold up, and nobody who has had nothing. So the first
  ask of somebody shows what a rule gives.
- *rotas*: a rota may name anybody at any time, so whoever comes by one is somebody without a group, at each provider,
  whom it names all the time. At one moment they are on call or not, and moments are all that is looked at.
- *place*: an address is in the same networks as one of those that are tried.
- *time*: a person's roles, and which rules match, change at the edges of ``Timeline`` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise, product
from math import prod

from sshjit.names import lowered
from sshjit.policy.analysis import Access, Holder, PolicyOverTime, Stretches, Timeline
from sshjit.policy.approval_steps import on_host
from sshjit.policy.compiled import Policy
from sshjit.policy.host_kinds import MOST, Labels, TooMany, both, fresh, hosts_of, meet
from sshjit.policy.index import members
from sshjit.policy.model import COMMAND, OWN, ROTA, SHELL, WORKLOAD, AllowRule, Matchers, Never, Rule, Source
from sshjit.policy.networks import comes_from, one_of_each
from sshjit.policy.owners import Owners, there
from sshjit.policy.query import may_be_unix_name
from sshjit.policy.roles import of_one_subject
from sshjit.policy.types import FOREVER, Host, Subject, Turn

YEARS = 2
"""How far ahead is looked, where a sentence has no ``within``."""
_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Somebody who gets what nobody should: ``rule`` decides from ``begin`` to ``end`` (seconds since the epoch)."""

    never: Never
    rule: str
    subject: Subject
    host: Host
    login: str
    action: str
    break_glass: bool
    address: str | None
    """Where they ask from; ``None``: it does not matter."""
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Undecided:
    """A sentence that was not decided, and why."""

    never: Never
    why: str


def prove(
    policy: Policy, nevers: Sequence[Never], start: int, *, hosts: Iterable[Labels] = ()
) -> tuple[Counterexample | Undecided, ...]:
    """The sentences that do not hold of ``policy`` from ``start`` (seconds since the epoch) on, each with why.

    One that ``is_over`` is not among them, whatever it says.
    Hosts have labels as the policy declares them; ``hosts`` are the labels of further ones.
    """
    ends = [_end(never) for never in nevers]
    length = YEARS * 366 * _DAY
    if None not in ends:
        length = min(length, max([_DAY, *(end - start for end in ends if end is not None)]))
    world = _World(policy, start, length, frozenset(hosts))
    answers = (world.decide(never) for never in nevers)
    return tuple(answer for answer in answers if answer is not None)


def looked_until(never: Never, start: int) -> int:
    """Up to when ``prove`` looks for a sentence, from ``start`` on (seconds since the epoch)."""
    end, furthest = _end(never), start + YEARS * 366 * _DAY
    return furthest if end is None else min(end, furthest)


def is_over(never: Never, start: int) -> bool:
    """Whether the time that a sentence is about had passed by ``start``: then it forbids nothing."""
    end = _end(never)
    return end is not None and end <= start


def _end(never: Never) -> int | None:
    """When the time ends that a sentence is about."""
    after = None if never.within is None else never.within + timedelta(days=1)
    return None if after is None else int(datetime.combine(after, time(), UTC).timestamp())


_Roles = tuple[tuple[str, ...], tuple[str, ...]]
"""Whom a rule is for on a host, and whom something else leaves out there."""


class _World:
    """One policy over the time that is looked at."""

    def __init__(self, policy: Policy, start: int, length: int, hosts: Collection[Labels]) -> None:
        self._policy = policy
        self._start = start
        self._length = length
        self._hosts = hosts
        self._people: dict[
            tuple[str, Source, tuple[Source, ...], tuple[Source, ...], str | None], tuple[Subject, Holder]
        ] = {}

    @cached_property
    def _over_time(self) -> PolicyOverTime:
        return PolicyOverTime(self._policy, Timeline([self._policy], self._start, length=self._length))

    def decide(self, never: Never) -> Counterexample | Undecided | None:
        """What is wrong with a sentence; ``None``: it holds, or it is over."""
        if is_over(never, self._start):
            return None
        during = self._during(never)
        if during is None:
            return Undecided(never, f"it reaches further ahead than {YEARS} years")
        labels = {label for alternative in never.hosts or () for label, _ in alternative}
        for what, named, known in (
            ("role", never.unless_roles, self._policy.roles),
            ("label", labels, self._policy.labels),
        ):
            unknown = sorted(set(named) - known.keys())
            if unknown:
                return Undecided(never, f"the policy has no {what} {' or '.join(unknown)}")
        asked = self._as_here(never)
        if isinstance(asked, str):
            return Undecided(never, asked)
        for break_glass in (False, True):
            if never.break_glass in (None, break_glass):
                answer = self._by_any_rule(asked, during, break_glass=break_glass)
                if answer is not None:
                    return replace(answer, never=never)
        return None

    def _as_here(self, never: Never) -> Never | str:
        """The sentence with the values that labels have in this policy, or what it names and the policy lacks.

        Whoever renames that would have a sentence about nothing; and a value that is new is among "all but".
        """
        hosts = []
        for number, alternative in enumerate(never.hosts or ()):
            left_out = dict(never.all_but[number]) if never.all_but else {}
            wanted = []
            for label, values in alternative:
                declared = self._policy.labels[label].values
                if label in left_out and declared is None:
                    return f"the label {label} has no list of values any more"
                if declared is not None and not declared.issuperset(left_out.get(label, values)):
                    return f"the label {label} lacks a value that it names"
                others = () if declared is None else tuple(sorted(declared.difference(left_out.get(label, ()))))
                wanted.append((label, others if label in left_out else values))
            hosts.append(tuple(wanted))
        if not {SHELL, COMMAND, *self._policy.actions}.issuperset(never.actions):
            return "the policy lacks an action that it names"
        return never if never.hosts is None else replace(never, hosts=tuple(hosts))

    def _by_any_rule(self, never: Never, during: Stretches, *, break_glass: bool) -> Counterexample | Undecided | None:
        rules = self._policy.break_glass if break_glass else self._policy.allows
        denies = [deny.match for deny in self._policy.denies if not (break_glass and deny.unless_break_glass)]
        for number, rule in enumerate(rules):
            when = during & self._over_time.timeline.open_during(rule.match.schedule)
            if not when or not _lacks(rule, never):
                continue
            relevant = [*denies, *(each.match for each in rules[:number])]
            try:
                example = self._against(never, rule, relevant, when, break_glass=break_glass)
            except TooMany as error:
                return Undecided(never, f'rule "{rule.name}" leaves more than {MOST} {error} to look at')
            if example is not None:
                return example
        return None

    def _during(self, never: Never) -> Stretches | None:
        """The stretches that a sentence is about; ``None`` if they are not all there."""
        end = _end(never)
        if end is None:
            return -1
        stretches = self._over_time.timeline.stretches
        gap = (before.end for before, after in pairwise(stretches) if before.end < after.begin)
        if end > next(gap, stretches[-1].end):  # weeks long before a date of years ahead are not all looked at
            return None
        return (1 << sum(stretch.begin < end for stretch in stretches)) - 1

    def _against(
        self, never: Never, rule: AllowRule, relevant: Sequence[Matchers], during: Stretches, *, break_glass: bool
    ) -> Counterexample | None:
        """Somebody whom ``rule`` gives what it should not; ``relevant``: denies and rules above, which may keep it."""
        actions = [each for each in rule.match.actions or () if not never.actions or each in never.actions]
        pairs = product(rule.match.hosts or ((),), never.hosts or ((),))
        wanted = [shared for ours, theirs in pairs if (shared := both(ours, theirs)) is not None]
        if not actions or not wanted:
            return None
        relevant = [
            match
            for match in relevant
            if (match.actions is None or not set(match.actions).isdisjoint(actions))
            and any(meet(labels, some) for labels in match.hosts or ((),) for some in wanted)
        ]
        owners = self._asked_after(rule, relevant)
        kinds = hosts_of(self._policy, wanted, relevant, owners, self._hosts)
        groups, addresses = self._by_people(rule, kinds, relevant), _addresses(rule, relevant)
        for (login, own), action in product(self._logins(rule, never), actions):
            for (roles, left_out), hosts in groups.items():
                for source in self._sources(roles):
                    for subject, holder in self._persons(source, left_out, own):
                        for host, address in product(hosts, addresses):
                            access = Access(holder, host, login, action, break_glass, address)
                            example = self._violation(never, access, subject, during)
                            if example is not None:
                                return example
        return None

    def _by_people(
        self, rule: AllowRule, hosts: Iterable[Host], relevant: Sequence[Matchers]
    ) -> dict[_Roles, list[Host]]:
        """The hosts, by the roles that ``rule`` is for there, and by those that something else leaves out there."""
        groups: dict[_Roles, list[Host]] = {}
        sparing = [match for match in relevant if match.not_roles]
        for host in hosts:
            if on_host(self._policy.owners, rule, host) is not None:
                about = (match for match in sparing if _may_be_about(match, host))
                left_out = dict.fromkeys(role for match in about for role in match.not_roles)
                key = (self._there(rule.match.roles or (), host), self._there(left_out, host))
                groups.setdefault(key, []).append(host)
        return groups

    def _there(self, roles: Iterable[str], host: Host) -> tuple[str, ...]:
        """The roles as they are on this host, without those of owners that it does not have."""
        owners = self._policy.owners
        real = (there(owners, role, host.by_label) for role in roles)
        return tuple(dict.fromkeys(role for role in real if role not in owners))

    def _asked_after(self, rule: AllowRule, relevant: Sequence[Matchers]) -> list[Owners]:
        """The tables of owners that decide something here."""
        roles = {role for match in (rule.match, *relevant) for role in (*(match.roles or ()), *match.not_roles)}
        roles |= {role for step in rule.approvals for role in (step.role, step.instead)}
        return [owners for role, owners in self._policy.owners.items() if role in roles]

    def _violation(self, never: Never, access: Access, subject: Subject, during: Stretches) -> Counterexample | None:
        for rule, when in self._over_time.decisions(access):
            when &= during & ~self._excepted(never, access.holder)  # noqa: PLW2901
            from_there = not rule.networks or comes_from(access.address, rule.networks)
            if when and from_there and _lacks(rule, never):
                stretch = self._over_time.timeline.stretches[next(members(when))]
                what = (access.host, access.login, access.action, access.break_glass, access.address)
                return Counterexample(never, rule.name, subject, *what, stretch.begin, stretch.end)
        return None

    def _excepted(self, never: Never, holder: Holder) -> Stretches:
        eras = self._over_time.timeline.eras
        return sum(
            eras[era] for era, roles in holder.roles.items() if any(role in roles for role in never.unless_roles)
        )

    # ----------------------------------------------------------------------------------------------- logins and people

    def _logins(self, rule: AllowRule, never: Never) -> Iterator[tuple[str, str | None]]:
        """The accounts that ``rule`` gives and ``never`` is about, each with the own name of who gets it."""
        for login in rule.match.logins or ():
            if login != OWN and (not never.logins or login in never.logins):
                yield login, None
            elif login != OWN and OWN in never.logins and may_be_unix_name(login):
                yield login, login
        if OWN not in (rule.match.logins or ()):
            return
        if not never.logins or OWN in never.logins:
            named = {lowered(login) for login in self._named_logins}
            unnamed = next(name for name in fresh("somebody") if name not in named)
            yield unnamed, unnamed
        for login in never.logins:
            if login != OWN and may_be_unix_name(login):
                yield login, login

    @cached_property
    def _named_logins(self) -> frozenset[str]:
        rules: tuple[Rule, ...] = (*self._policy.denies, *self._policy.named.values())
        matches: list[Matchers] = [rule.match for rule in rules]
        return frozenset(login for match in matches for login in match.logins or ())

    def _sources(self, roles: Iterable[str]) -> dict[Source, None]:
        return dict.fromkeys(source for role in roles for source in self._policy.roles[role])

    @cached_property
    def _providers(self) -> list[str]:
        sources = (source for sources in self._policy.roles.values() for source in sources)
        return sorted({source.provider for source in sources if source.kind != ROTA}) or ["any"]

    def _persons(self, source: Source, left_out: Iterable[str], own: str | None) -> Iterator[tuple[Subject, Holder]]:
        """Everybody with this source, at every provider that has it. A workload has no own name."""
        if source.kind == WORKLOAD and own is not None:
            return
        for provider in [source.provider] if source.kind != ROTA else self._providers:
            yield from self._persons_of(provider, source, left_out, own)

    def _persons_of(
        self, provider: str, source: Source, left_out: Iterable[str], own: str | None
    ) -> Iterator[tuple[Subject, Holder]]:
        """Everybody with this source and, beside it, any that lets them slip past a deny or an earlier rule.

        Those are roles that are ``left_out``. A role that a deny leaves out helps who holds it; one that a rule leaves
        out helps whoever may have it, also by another sign-in, which gives no right.
        """
        further = dict.fromkeys(
            other
            for role in left_out
            for other in self._policy.roles[role]
            if (other.provider == provider or other.kind == ROTA) and other != source
        )
        ways = [("", "held") if other.kind == ROTA else ("", "held", "had") for other in further]
        if prod(map(len, ways)) > MOST:
            raise TooMany("kinds of people")
        for how in product(*ways):
            held = tuple(each for each, way in zip(further, how, strict=True) if way == "held")
            had = tuple(each for each, way in zip(further, how, strict=True) if way == "had")
            if not of_one_subject(source, held, had):
                continue
            key = (provider, source, held, had, own)
            if key not in self._people:
                subject = self._subject(provider, (source, *held), had, own)
                self._people[key] = subject, self._over_time.holder(subject)
            yield self._people[key]

    def _subject(self, provider: str, holds: Sequence[Source], had: Sequence[Source], own: str | None) -> Subject:
        def named(kind: str, sources: Iterable[Source]) -> frozenset[str]:
            return frozenset(source.name for source in sources if source.kind == kind)

        if holds[0].kind == WORKLOAD:
            claims = frozenset().union(*(held.claims for held in holds))
            return Subject("somebody", provider, frozenset(), frozenset(), claims=claims)
        return Subject(
            id="somebody",
            provider=provider,
            groups=named("group", holds),
            emails=named("email", holds),
            unix_name=own,
            mfa=True,
            hardware_key=True,
            denied_groups=named("group", had),
            denied_emails=named("email", had),
            own_listed=own is not None and lowered(own) in self._policy.shared_logins,
            on_call=tuple(Turn(source.name, 0, FOREVER) for source in holds if source.kind == ROTA),
        )


def _may_be_about(match: Matchers, host: Host) -> bool:
    """Whether a rule may be about the host; what it lacks does not matter."""
    have = host.by_label
    return match.hosts is None or any(
        all(label not in have or have[label] in values for label, values in labels) for labels in match.hosts
    )


def _addresses(rule: AllowRule, relevant: Iterable[Matchers]) -> list[str | None]:
    """One address of each kind that a request under ``rule`` may come from; ``None``: nothing looks at it."""
    denied = [cidr for match in relevant if match.networks is not None for cidr in match.networks.cidrs]
    if not denied and not rule.networks:
        return [None]
    kinds = one_of_each(tuple(dict.fromkeys((*denied, *rule.networks))))
    return [address for address in kinds if not rule.networks or comes_from(address, rule.networks)]


def _lacks(rule: AllowRule, never: Never) -> bool:
    """Whether a rule gives what it gives without something that the sentence wants."""
    has = {
        "approval": bool(rule.approvals),
        "reason": rule.reason is not None,
        "ticket": rule.ticket is not None and not rule.ticket_down_allows,
        "mfa": rule.mfa,
        "hardware_key": rule.hardware_key,
        "fresh_login": rule.fresh_login is not None,
        "signed_request": rule.signed_request,
        "post_quantum": rule.post_quantum,
        "post_quantum_key": rule.post_quantum_key,
    }
    return not never.without or not all(has[each] for each in never.without)

"""Warnings about a policy that is valid and probably not meant so: rules that never decide, names that nothing uses.

Only what is certain is a warning: after one that was wrong, people stop reading them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path

from sshjit.policy import Policy, empty_roles, roles_without_people, words
from sshjit.policy.model import WORKLOAD, AllowRule, DenyRule, Rule
from sshjit.policy.owners import written_out
from sshjit.policy.problems import Path as KeyPath
from sshjit.policy.problems import Problem, Report
from sshjit.policy.proof import is_over
from sshjit.policy.schedule import show_time
from sshjit.tomllines import key_lines
from sshjit_client.policy.covering import covers
from sshjit_client.policy.fall_through import fall_through
from sshjit_client.policy.policy_files import read_text

Warn = tuple[KeyPath, str]
_Numbered = tuple[int, AllowRule]


def warnings(policy: Policy, path: Path, now: int) -> tuple[Problem, ...]:
    """The warnings about a valid policy, by line; ``now`` is in seconds since the epoch."""
    report = Report(str(path), key_lines(read_text(path)))
    for at, message in (
        *_roles(policy, now),
        *_actions(policy),
        *_owners(policy),
        *_calendars(policy, now),
        *_terms(policy),
        *_over(policy, now),
        *_rules(policy, now),
        *_laxer(policy, now),
    ):
        report.add(at, message)
    return tuple(sorted(report.problems, key=lambda problem: problem.line))


def _granting(policy: Policy) -> Iterator[tuple[str, int, AllowRule]]:
    """Every rule that allows, with its place in the file."""
    for kind, rules in (("allow", policy.allows), ("break_glass", policy.break_glass)):
        for number, rule in enumerate(rules):
            yield kind, number, rule


def _roles(policy: Policy, now: int) -> Iterator[Warn]:
    real = partial(written_out, policy.owners)
    denied = {
        role: f'deny "{rule.name}", which names' for rule in policy.denies for role in real(rule.match.roles or ())
    }
    used = {*denied, *(role for rule in policy.denies for role in rule.match.not_roles)}
    for _, _, rule in _granting(policy):
        denied.update((role, f'rule "{rule.name}", which leaves out') for role in real(rule.match.not_roles))
        used.update(rule.match.roles or ())
        used.update(rule.match.not_roles)
        used.update(role for step in rule.approvals for role in (step.role, step.instead))
    used.update(role for roles in policy.permissions.values() for role in roles)
    used.update(role for owners in policy.owners.values() for role in owners.roles.values())
    for role, sources in policy.roles.items():
        if not sources:
            yield ("roles", role), "has no source: nobody holds it"
        if role not in used:
            yield ("roles", role), "no rule, step or permission names it"
        for number, source in enumerate(sources):
            if source.ends is not None and source.ends <= now:
                yield ("roles", role, number), f"this source ended on {show_time(source.ends)}"
            if source.ends is not None and role in denied:
                yield ("roles", role, number), f"its end does not end the {denied[role]} this role"


def _owners(policy: Policy) -> Iterator[Warn]:
    every: tuple[Rule, ...] = (*policy.denies, *policy.named.values())
    used = {role for rule in every for role in (*(rule.match.roles or ()), *rule.match.not_roles)}
    used |= {role for rule in policy.allows for step in rule.approvals for role in (step.role, step.instead, *step.but)}
    for role, owners in policy.owners.items():
        if role not in used:
            yield ("owners", owners.name), "no rule names them"
        values = policy.labels[owners.label].values
        for value in sorted(values - owners.roles.keys()) if values is not None else ():
            yield ("owners", owners.name, "roles"), f'nobody owns hosts with {owners.label}="{value}"'


def _actions(policy: Policy) -> Iterator[Warn]:
    allowed = {action for _, _, rule in _granting(policy) for action in rule.match.actions or ()}
    for action in policy.actions:
        if action not in allowed:
            yield ("actions", action), "no rule allows it"


def _calendars(policy: Policy, now: int) -> Iterator[Warn]:
    rules: tuple[Rule, ...] = (*policy.denies, *policy.named.values())
    used = {
        name
        for rule in rules
        if rule.match.schedule is not None
        for name in (*rule.match.schedule.calendars, *rule.match.schedule.but)
    }
    today = datetime.fromtimestamp(now, UTC).date()
    for name, dates in policy.calendars.items():
        if name not in used:
            yield ("calendars", name), "no rule names it"
        elif max(dates) < today:
            yield ("calendars", name), f"its last date is {max(dates)}: from then on it names no day"


def _terms(policy: Policy) -> Iterator[Warn]:
    for name in policy.idle_terms:
        yield ("terms", name), "no rule takes them"


def _rules(policy: Policy, now: int) -> Iterator[Warn]:
    empty, earlier = empty_roles(policy, now), {"allow": _Earlier(), "break_glass": _Earlier()}
    for kind, number, rule in _granting(policy):
        where: KeyPath = (kind, number)
        nobody = roles_without_people(policy, now) if kind == "break_glass" else empty
        if set(written_out(policy.owners, rule.match.roles or ())) <= nobody:
            yield (*where, "roles"), f"matches nobody: {words.listed(rule.match.roles or ())} cannot be held now"
        before = earlier[kind].first_over(rule)
        if before is not None:
            yield where, f'never decides: rule "{before.name}" before it matches everything that it matches'
        earlier[kind].add(rule)
        for deny in policy.denies:
            if _denies_all(deny, rule):
                yield where, f'never allows anything: deny "{deny.name}" matches everything that it matches'
                break
        for at, step in enumerate(rule.approvals):
            names = written_out(policy.owners, step.at(step.after).roles)
            every = (source for name in names for source in policy.roles[name])
            sources = [source for source in every if source.ends is None or now < source.ends]
            if sources and all(source.kind == WORKLOAD for source in sources):
                yield (*where, "approvals", at), f'"{step.role}" is of workloads alone, which approve nothing'
            elif not sources:
                yield (*where, "approvals", at), f'nobody can hold "{step.role}" now, so every request is refused'
            elif (
                step.role not in policy.owners
                and all(source.kind == "email" for source in sources)
                and len({source.name for source in sources}) < step.count
            ):
                yield (*where, "approvals", at), f'needs {step.count} people of "{step.role}", which has fewer'


def _is_over(rule: Rule, now: int) -> bool:
    schedule = rule.match.schedule
    return schedule is not None and not schedule.matches(now) and schedule.opens(now) is None


def _over(policy: Policy, now: int) -> Iterator[Warn]:
    """Rules and sentences that no day is left for."""
    every: list[tuple[str, int, Rule]] = [("deny", number, rule) for number, rule in enumerate(policy.denies)]
    every += _granting(policy)
    for kind, number, rule in every:
        if _is_over(rule, now):
            yield (kind, number, "until"), "it is over: the rule does not match any more"
    for number, never in enumerate(policy.nevers):
        if is_over(never, now):
            yield ("never", number, "within"), "it is over: nothing is proved of the sentence any more"


def _laxer(policy: Policy, now: int) -> Iterator[Warn]:
    for kind, rules in (("allow", policy.allows), ("break_glass", policy.break_glass)):
        for number, key, text in fall_through(policy, rules, now):
            yield (kind, number, key), text


class _Earlier:
    """The rules above one, by what a rule must share to cover another, so that not all pairs are compared."""

    def __init__(self) -> None:
        self._count = 0
        self._by: dict[tuple[str, str | None], list[_Numbered]] = {}

    def add(self, rule: AllowRule) -> None:
        """Puts a rule below those that are here."""
        for kind, values in self._keys(rule):
            for value in set(values or (None,)):
                self._by.setdefault((kind, value), []).append((self._count, rule))
        self._count += 1

    def first_over(self, rule: AllowRule) -> AllowRule | None:
        """The topmost rule that covers ``rule``: it shares all its roles and logins, so the rarer is looked up."""
        near = min((self._sharing(kind, values) for kind, values in self._keys(rule)), key=len)
        for _, before in sorted(near, key=itemgetter(0)):
            if covers(before.match, rule.match):
                return before
        return None

    def _sharing(self, kind: str, values: Collection[str] | None) -> list[_Numbered]:
        with_one = self._by.get((kind, min(values)), []) if values else []
        return [*self._by.get((kind, None), []), *with_one]

    @staticmethod
    def _keys(rule: AllowRule) -> tuple[tuple[str, Collection[str] | None], ...]:
        return ("role", rule.match.roles), ("login", rule.match.logins)


def _denies_all(deny: DenyRule, rule: AllowRule) -> bool:
    spared = deny.unless_break_glass and rule.break_glass is not None
    return not spared and covers(deny.match, rule.match)

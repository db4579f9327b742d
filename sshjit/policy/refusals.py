"""Refusals because no rule matches or a deny does, with a hint at the rule that would have to allow it."""

from __future__ import annotations

from collections.abc import Sequence

from sshjit.policy import words
from sshjit.policy.compiled import Policy
from sshjit.policy.index import first
from sshjit.policy.model import COMMAND, OWN, SHELL, AllowRule, HostLabels
from sshjit.policy.owners import there
from sshjit.policy.query import Query, denied_hosts
from sshjit.policy.types import Ask, Denied, Host

AHEAD = 30 * 24 * 3600
"""Seconds that a window may begin ahead of now."""


def malformed(policy: Policy, hosts: Sequence[Host], ask: Ask, now: int) -> Denied | None:
    """The refusal of a malformed ask: no host, an unknown action, a command that does not fit it, a wrong start."""
    if not hosts:
        return Denied("no_host", None, "no host is named", "name at least one host")
    if ask.action not in (SHELL, COMMAND) and ask.action not in policy.actions:
        known = words.listed([SHELL, COMMAND, *policy.actions])
        return Denied("unknown_action", None, f'there is no action "{ask.action}"', f"the actions are {known}")
    if (ask.action == COMMAND) != bool(ask.command) or ask.command == "":
        return Denied(
            "bad_command",
            None,
            "an exact command is missing" if ask.action == COMMAND else f'the action "{ask.action}" takes no command',
            'an exact command goes with the action "command", and only with it',
        )
    if ask.duration is not None and ask.duration <= 0:
        return Denied("bad_duration", None, "the duration must be longer than 0", 'write it like "30m" or "8h"')
    return None if ask.start is None else bad_start(ask.start, now, break_glass=ask.break_glass)


def bad_start(start: int | None, now: int, *, break_glass: bool) -> Denied | None:
    """The refusal of a start that is too far ahead of ``now``, or of an emergency that can wait."""
    if start is None or start <= now:
        return None
    if break_glass:
        text, hint = "break-glass access begins at once or not at all", "what can wait can be approved"
        return Denied("bad_start", None, text, hint)
    if start > now + AHEAD:
        text, hint = "a window begins at most 30 days ahead", "ask again when it is nearer"
        return Denied("bad_start", None, text, hint)
    return None


def changed_action(action: str) -> Denied:
    """The refusal of a grant whose named action has become another command."""
    return Denied("action_changed", None, f'the action "{action}" has another command now', "make a new request")


def not_kept(rule: str, roles: Sequence[str]) -> Denied:
    """The refusal of a grant that is kept open, to somebody who lost the roles for which it was given."""
    return Denied(
        "no_rule", rule, f'rule "{rule}" keeps this open for {words.roles_not_held(roles)}', "make a new request"
    )


_WHY = "the owner of the policy knows why"


def nobody_can_approve(rule: str, role: str) -> Denied:
    """The refusal of a request that needs an approval that nobody can give (``sshjit.approvals.unfillable``)."""
    message = f'rule "{rule}" needs an approval by the role {role}, and nobody except the requester could give it'
    return Denied("nobody_can_approve", rule, message, "ask the owner of the policy to name another approver")


def denied_by(query: Query, number: int) -> Denied:
    """The refusal by a deny."""
    rule = query.policy.denies[number]
    hints = []
    if rule.match.schedule is not None:
        hints.append(f"it applies {rule.match.schedule}")
    if rule.match.networks is not None:
        hints.append(f"it applies to requests {rule.match.networks}")
    if rule.unless_break_glass:
        hints.append("it does not apply to break-glass access")
    denied = denied_hosts(query, number)
    hit, own = words.listed(host.name for host in denied), {host.id for host in query.hosts}
    if own.isdisjoint(host.id for host in denied):
        bastions = {host.id for host in denied}
        behind = (host.name for host in query.hosts if host.bastion and host.bastion.host.id in bastions)
        hit = f"{hit}, through which {words.listed(behind)} is reached"
    return Denied("denied_by_rule", rule.name, f'rule "{rule.name}" denies access to {hit}', "; ".join(hints) or _WHY)


def different_rules(query: Query, rules: Sequence[AllowRule]) -> Denied:
    """The refusal of hosts that fall under different rules; ``rules`` are those of ``query.hosts``."""
    under: dict[str, list[str]] = {}
    for host, rule in zip(query.hosts, rules, strict=True):
        under.setdefault(rule.name, []).append(host.name)
    parts = words.listed(f'{words.listed(hosts)} under "{name}"' for name, hosts in under.items())
    return Denied("different_rules", None, f"the hosts fall under different rules: {parts}", "request them separately")


def no_rule(query: Query, host: Host) -> Denied:
    """The refusal because no rule allows it; the hint names the nearest rule."""
    kind = "break-glass rule" if query.break_glass else "rule"
    login = f" as {query.login}" if query.login else ""
    message = f"no {kind} allows {words.doing(query.action)} {host.name}{login}"
    return Denied("no_rule", None, message, _nearest(query, host, kind))


def _nearest(query: Query, host: Host, kind: str) -> str:
    """A sentence about the first rule that misses by one matcher, or else by more."""
    index = query.allow_index
    here = index.for_host(host.by_label)
    role = index.for_roles(query.held_on(host)) & ~index.leaving_out(query.had_on(host))
    action = index.for_action(query.action)
    login = index.for_login(query.login, query.unix_name)
    open_now = ~index.closed(query.now, here)
    if (number := first(here & role & action & login)) is not None:
        rule = query.allows[number]
        return f'rule "{rule.name}" allows it {rule.match.schedule}'
    if (number := first(here & role & action & open_now)) is not None:
        rule = query.allows[number]
        return f'rule "{rule.name}" allows {words.logins(rule.match.logins)} on {host.name}' + _nameless(query, rule)
    if (number := first(here & role & login & open_now)) is not None:
        rule = query.allows[number]
        return f'rule "{rule.name}" allows {words.actions(rule.match.actions)} on {host.name}'
    for near in (here & action & login & open_now, here & ~role, here):
        if (number := first(near)) is not None:
            return _whom(query, host, query.allows[number])
    return f"no {kind} is about a host with {words.pairs(host.labels)}" + _nearly(query, host)


def _nearly(query: Query, host: Host) -> str:
    """The rule that asks for labels most of which the host has; empty where no rule asks for any that it has."""

    def had(labels: HostLabels) -> tuple[int, int]:
        have = sum(host.by_label.get(label) in values for label, values in labels)
        return have, have - len(labels)

    wanted = ((rule, labels) for rule in query.allows for labels in rule.match.hosts or ())
    nearest = max(wanted, key=lambda each: had(each[1]), default=None)
    if nearest is None or not had(nearest[1])[0]:
        return ""
    return f'; rule "{nearest[0].name}" is about hosts with {words.accepted(nearest[1])}'


def _whom(query: Query, host: Host, rule: AllowRule) -> str:
    """Which role ``rule`` needs, and the roles held; where one of its roles is held, what it allows to that one."""
    owners = query.policy.owners
    roles = tuple(dict.fromkeys(there(owners, role, host.by_label) for role in rule.match.roles or ()))
    logins = rule.match.logins
    named = query.login if query.login in (logins or ()) else None
    fits = query.action in (rule.match.actions or ())
    held = f"roles held: {', '.join(sorted(query.roles)) or 'none'}"
    had = query.had_on(host)
    left_out = [there(owners, role, host.by_label) for role in rule.match.not_roles if role in had]
    if left_out:
        return f'rule "{rule.name}" is not for {words.roles(left_out)}; {held}'
    if any(role in query.roles for role in roles):
        action = "" if fits else f"{words.actions(rule.match.actions)} as "
        what = f"{action}{named or words.logins(logins)}"
        return f'rule "{rule.name}" allows {what} on {host.name} to {words.roles(roles)}; {held}'
    action = "" if fits else f", for {words.actions(rule.match.actions)}"
    what = named or words.logins(logins, "or")
    return f"{what} on {host.name} needs the {words.either(roles)}{action} (rule {rule.name}); {held}"


def _nameless(query: Query, rule: AllowRule) -> str:
    lacking = query.unix_name is None and OWN in (rule.match.logins or ())
    return "; the sign-in gives no user name" if lacking else ""

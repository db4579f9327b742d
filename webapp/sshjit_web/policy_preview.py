"""Policy as the front end applies it first, by its own copy: to preview a request, and to refuse it early.

The rules are those of ``sshjit.policy``, so the words are the CA's. What only the CA knows is left to it:
who could approve, what is locked, what was asked before. Its answer counts; nothing here ever gives anybody anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from sshjit import access_request, explanation, policy, wire
from sshjit.api.explain import ExplainReply, Verdict
from sshjit.api.hosts import HostView
from sshjit.api.session import LoginView
from sshjit.api.views import StepView
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import Refused
from sshjit.policy import Allow, Denied, Explanation, NeedsApproval, Outcome, Policy, StepUp, Subject, Terms

EARLY = frozenset({"bad_command", "bad_duration"})
"""Refusals that no earlier request changes, so that the CA need not be asked. A grant that is kept open (``keep_open``)
is returned whether or not a rule would allow it now, or its action still has a name."""


def preview(
    rules: Policy, login: LoginView, known: Sequence[HostView], ask: Ask | Explain, now: int
) -> ExplainReply | None:
    """What the CA will say to ``ask``; ``None`` where that takes knowing more than the front end does.

    Raises:
        Invalid: as ``sshjit.access_request.read``.

    """
    hosts = find_hosts(known, ask.hosts, ask.labels)
    if not hosts or (ask.start is not None and ask.start > now + policy.AHEAD):
        return None
    wanted = replace(access_request.read(ask, now), ticket=policy.ASSUMED)  # the CA asks about it
    explained = policy.explain(rules, subject_of(login), hosts, wanted, now)
    return _reply(rules, login, hosts, explained, wanted.address)


def refuse_early(preview: ExplainReply | None) -> None:
    """Refuses what the CA would certainly refuse. Raises ``Refused`` with policy's code and words."""
    if preview is not None and preview.verdict == "denied" and preview.code in EARLY:
        raise Refused(preview.code, preview.message, hint=preview.hint)


def subject_of(login: LoginView) -> Subject:
    """Somebody as policy knows them, by what the CA said of the sign-in."""
    return Subject(
        id=login.person.id,
        provider=login.person.provider,
        groups=frozenset(login.groups),
        emails=frozenset(login.verified),
        unix_name=login.own,
        own_listed=True,  # the CA has said that it is theirs
        auth_time=login.auth_time,
        mfa=login.mfa,
        said_factors=login.said_factors,
        asked_fresh=login.asked_fresh,
        hardware_key=login.hardware_key,
        on_call=tuple(policy.Turn(turn.rota, turn.begin, turn.end) for turn in login.on_call),
        claims=frozenset(login.claims) if login.workload else None,
    )


def find_hosts(
    known: Sequence[HostView], wanted: Sequence[str], labels: Sequence[tuple[str, str]]
) -> tuple[policy.Host, ...] | None:
    """The hosts by name or alias in that order, then all with the labels; ``None`` if one or its bastion is unknown."""
    by_name = {name: host for host in known for name in (*host.aliases, host.name)}
    hosts = {name: by_name.get(name) for name in wanted}
    if None in hosts.values():
        return None
    have = {host.name: host for host in hosts.values() if host is not None}
    if labels:
        have.update((host.name, host) for host in known if set(labels) <= set(host.labels))
    bastions = {host.name: host for host in known if host.jump_login}
    if any(host.via and host.via not in bastions for host in have.values()):
        return None
    return tuple(_policy_host(host, bastions.get(host.via)) for host in have.values())


def _policy_host(host: HostView, bastion: HostView | None) -> policy.Host:
    """A host as policy sees it, with the bastion through which people reach it."""
    passed = None if bastion is None else policy.Bastion(_policy_host(bastion, None), bastion.jump_login)
    return policy.Host(host.id, host.name, host.labels, passed)


def reason_prompt(rules: Policy, preview: ExplainReply | None) -> str:
    """How the rule that would decide asks for the reason; empty if no such rule is known, or it asks for none."""
    rule = None if preview is None else rules.named.get(preview.rule or "")
    return "" if rule is None or rule.reason is None else rule.reason.prompt


def _reply(
    rules: Policy, login: LoginView, hosts: Sequence[policy.Host], explained: Explanation, address: str | None
) -> ExplainReply:
    verdict, (code, message, hint) = _refusal(explained.outcome)
    terms, steps = explanation.terms_and_steps(explained)
    return ExplainReply(
        person=login.person,
        roles=explained.roles,
        verdict=verdict,
        rule=explanation.deciding_rule(explained),
        code=code,
        message=message,
        hint=hint,
        hosts=tuple(host.name for host in hosts),
        login=explained.login,
        terms=None if terms is None else explanation.terms_view(terms, _source(terms, address)),
        steps=tuple(wire.fill(StepView, step, missing=step.count, candidates=()) for step in steps),
        rules=explanation.rule_views(explained),
        policy=rules.digest,
    )


def _refusal(outcome: Outcome) -> tuple[Verdict, tuple[str, str, str]]:
    """The verdict, and for a no its code, sentence and hint."""
    match outcome:
        case Allow():
            return "allow", ("", "", "")
        case NeedsApproval():
            return "approval", ("", "", "")
        case StepUp(_, _, message, hint):
            return "step_up", ("step_up", message, hint)
        case Denied(code, _, message, hint):
            return "denied", (code, message, hint)
    assert_never(outcome)


def _source(terms: Terms, address: str | None) -> tuple[str, ...]:
    return (address,) if address is not None and terms.source == ("client",) else terms.source

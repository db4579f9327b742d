"""What the chosen rule requires of the ask and of the sign-in. If it is not met, no other rule is tried.

``networks`` are held against the address that the front end says; what counts is ``source``, which is never wider: it
goes into the certificate, and sshd sees the real address.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sshjit.approvals import Step
from sshjit.durations import show
from sshjit.names import MAX_REASON
from sshjit.policy import words
from sshjit.policy.compiled import Policy
from sshjit.policy.limits import limit_reached
from sshjit.policy.model import CLIENT, COMMAND, NO_LIMITS, SHELL, AllowRule
from sshjit.policy.networks import comes_from
from sshjit.policy.tickets import ticket_in, ticket_refusal
from sshjit.policy.types import (
    Allow,
    Ask,
    Denied,
    Facts,
    Host,
    NeedsApproval,
    Outcome,
    StepUp,
    Subject,
    Terms,
    TicketAnswer,
)

CLOCK_SKEW = 300
"""Seconds that a provider's clock may be ahead of ours."""


def apply_requirements(
    policy: Policy,
    rule: AllowRule,
    subject: Subject,
    hosts: Sequence[Host],
    ask: Ask,
    *,
    steps: tuple[Step, ...] | Denied,
    login: str,
    ends: int | None,
    facts: Facts,
    now: int,
) -> Outcome:
    """The answer of the chosen ``rule``. Refusals come before step-ups, which could not help against them."""
    refused = _refusal(rule, hosts, ask)
    if refused is None and rule.limits is not NO_LIMITS:
        refused = limit_reached(rule, facts)
    if refused is not None:
        return refused
    if isinstance(steps, Denied):
        return steps
    terms = _terms(policy, rule, ask, login, ends)
    more = step_up(terms, subject, now)
    if more is not None:
        return more
    # The last of all: the CA asks a checker only for who meets everything else.
    refused = ticket_refusal(rule, ask.reason.strip(), ask.ticket)
    if refused is not None:
        return refused
    return NeedsApproval(terms, steps) if steps else Allow(terms)


class SignInRequirements(Protocol):
    """What a rule requires of a sign-in: ``Terms``, or the request that was made under them."""

    @property
    def rule(self) -> str:
        """The rule that requires it."""

    @property
    def fresh_login(self) -> int | None:
        """The greatest age of the sign-in, in seconds."""

    @property
    def mfa(self) -> bool:
        """A second factor."""

    @property
    def verify_required(self) -> bool:
        """A registered hardware key."""


def step_up(terms: SignInRequirements, subject: Subject, now: int) -> StepUp | None:
    """What the sign-in lacks for ``terms``. The CA checks it again for the login that gets a certificate."""
    needs = []
    if subject.claims is not None:
        return _for_people(terms)
    if terms.fresh_login is not None and not _fresh(subject.auth_time, terms.fresh_login, now):
        needs.append(("fresh_login", *_sign_in(subject, terms.fresh_login)))
    if terms.mfa and not subject.mfa:
        needs.append(("mfa", f"a sign-in with a second factor{_said(subject)}", "sign in again with a second factor"))
    if terms.verify_required and not subject.hardware_key:
        needs.append(("hardware_key", "a registered hardware key", "sign in with --key and a registered sk key"))
    if not needs:
        return None
    kinds, what, hints = zip(*needs, strict=True)
    return StepUp(terms.rule, kinds, f'rule "{terms.rule}" needs {" and ".join(what)}', "; ".join(hints))


def _for_people(terms: SignInRequirements) -> StepUp | None:
    """What a workload lacks: nobody signed in, so there is no second factor and no fresh sign-in, ever."""
    asked = {"fresh_login": terms.fresh_login is not None, "mfa": terms.mfa, "hardware_key": terms.verify_required}
    needs = tuple(name for name, needed in asked.items() if needed)
    if not needs:
        return None
    message = f'rule "{terms.rule}" needs {words.listed(needs)}, which no workload has'
    return StepUp(terms.rule, needs, message, "a rule for workloads does without; put it before this one")


def _said(subject: Subject) -> str:
    """What the provider said of factors instead."""
    return f" (the provider said {', '.join(subject.said_factors)})" if subject.said_factors else ""


def _sign_in(subject: Subject, age: int) -> tuple[str, str]:
    """What is needed instead of this sign-in, and what to do: OpenID Connect Core, 3.1.2.1, on ``max_age``.

    A provider that was asked and does not say when somebody signed in will not say it the next time.
    """
    needed = f"a sign-in within the last {show(age)}"
    if subject.auth_time is None:
        needed += ", and the provider does not report when that was (auth_time)"
        if subject.asked_fresh:
            return (
                needed,
                "tell your administrator: the provider must put auth_time into ID tokens (Keycloak: scope basic)",
            )
    return needed, "sign in again: ssh-jit login --fresh"


def _fresh(auth_time: int | None, age: int, now: int) -> bool:
    return auth_time is not None and -CLOCK_SKEW <= now - auth_time <= age


def _refusal(rule: AllowRule, hosts: Sequence[Host], ask: Ask) -> Denied | None:
    if len(hosts) > rule.max_hosts:
        message = f'rule "{rule.name}" allows at most {rule.max_hosts} hosts at a time, not {len(hosts)}'
        return Denied("too_many_hosts", rule.name, message, "ask for fewer hosts at a time")
    wrong = wrong_reason(rule, ask.reason.strip())
    if wrong:
        hint = rule.reason.prompt if rule.reason is not None else ""
        if len(ask.reason.strip()) > MAX_REASON:
            hint = "shorten the reason; what is longer belongs in a ticket that it names"
        return Denied("bad_reason", rule.name, f'rule "{rule.name}" needs {wrong}', hint)
    if rule.networks and not comes_from(ask.address, rule.networks):
        where = "from an address that is not known" if ask.address is None else f"from {ask.address}"
        networks = words.listed(rule.networks, "or")
        message = f'rule "{rule.name}" takes requests from {networks} alone, and this one comes {where}'
        return Denied("wrong_network", rule.name, message, "send the request from there")
    if rule.source == (CLIENT,) and ask.address is None:
        message = f'rule "{rule.name}" allows access only from the address of the requester, which is not known'
        return Denied("no_address", rule.name, message, "send the request from the machine that will connect")
    return None


def wrong_reason(rule: AllowRule, reason: str) -> str:
    """Which reason is required instead; empty if ``reason`` is accepted."""
    if len(reason) > MAX_REASON:
        return f"a reason of at most {MAX_REASON} characters"
    if rule.reason is None or (
        len(reason) >= rule.reason.shortest and (rule.reason.pattern is None or rule.reason.pattern.search(reason))
    ):
        return ""
    if not reason:
        return "a reason"
    if len(reason) < rule.reason.shortest:
        return f"a reason of at least {rule.reason.shortest} characters"
    return f"a reason like {rule.reason.pattern.pattern}" if rule.reason.pattern else "a reason"


def _terms(policy: Policy, rule: AllowRule, ask: Ask, login: str, ends: int | None) -> Terms:
    duration = ask.duration if ask.duration is not None else rule.grant
    named = policy.actions.get(ask.action)
    return Terms(
        rule=rule.name,
        login=login,
        action=ask.action,
        command=None
        if ask.action == SHELL
        else ask.command
        if ask.action == COMMAND or named is None
        else named.command,
        duration=min(duration, rule.grant),
        capped=duration > rule.grant,
        grant=rule.grant,
        certificate=rule.certificate,
        pending=rule.pending,
        use_by=rule.use_by,
        ends_by=ends,
        max_hosts=rule.max_hosts,
        source=rule.source,
        forwarding=rule.forwarding,
        fresh_login=rule.fresh_login,
        mfa=rule.mfa,
        verify_required=rule.hardware_key,
        extend=rule.extend,
        break_glass=rule.break_glass,
        signed_request=rule.signed_request,
        kept_for=(rule.match.roles or ()) if rule.keep_open else (),
        ticket=_ticket(rule, ask),
        post_quantum=rule.post_quantum,
        post_quantum_key=rule.post_quantum_key,
    )


def _ticket(rule: AllowRule, ask: Ask) -> TicketAnswer | None:
    """The ticket that the rule wants, and what was said of it."""
    if rule.ticket is None or ask.ticket is None:
        return None
    if ask.ticket.state != "assumed":
        return ask.ticket
    return TicketAnswer(rule.ticket.name, ticket_in(rule, ask.reason.strip()), "assumed")

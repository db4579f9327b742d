"""Tickets at the CA: whom to ask about which, before the turn in which it counts, and what follows from the answer.

What has to be asked is found out in a turn, by policy as it is then; the asking is done in a thread; and the handler
decides anew with the answer. If anything changed meanwhile, the answer is about something else, and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sshjit import access_request, names, policy, requests
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Approve, Ask, Extend
from sshjit.errors import Refused, SshJitError
from sshjit.policy import ASSUMED, Allow, NeedsApproval, Outcome, TicketAnswer
from sshjit.policy.model import Checker
from sshjit.policy.tickets import ticket_in, ticket_refusal
from sshjit.requests import Request
from sshjit_ca.access import lookup, usage
from sshjit_ca.access.approvals import may_decide
from sshjit_ca.access.recheck import find_existing
from sshjit_ca.context import Context
from sshjit_ca.state import Login, locks


@dataclass(frozen=True, slots=True)
class Errand:
    """A question to be asked for a person, whom one of their accounts stands for: always the same one."""

    person: str
    checker: Checker
    ticket: str


def for_ask(context: Context, message: Ask) -> Errand | None:
    """Which ticket an ask needs looked up; ``None``: none, or it is refused whatever the answer.

    Raises:
        Refused: ``ticket_busy``.

    """
    if not context.policy.tickets:
        return None
    try:
        context = _now(context)
        login = context.login(message.login_id)
        hosts = lookup.target_hosts(context, message)
        locks.refuse_new(context.state, (host.id for host in (*hosts, *context.bastions(hosts))))
        want = replace(access_request.read(message, context.now), ticket=ASSUMED)
        if find_existing(context, login, hosts, want) is not None:
            return None
        subject = context.policy_subject(login)
        there, facts = context.policy_hosts(hosts), usage.facts(context, subject.id)
        outcome = policy.evaluate(context.policy, subject, there, want, context.now, facts=facts)
    except SshJitError:  # the handler says it
        return None
    return _errand(context, login, outcome)


def for_extension(context: Context, message: Extend) -> Errand | None:
    """The same for more time."""
    if not context.policy.tickets:
        return None
    try:
        context = _now(context)
        login = context.login(message.login_id)
        grant = context.request(message.request)
        if grant.asked.subject != login.opened.subject:
            return None
        requests.require_open(grant, context.now)
        hosts, want = context.hosts_of(grant), replace(extension_ask(context, message, grant), ticket=ASSUMED)
        subject = context.policy_subject(login)
        outcome = policy.evaluate(context.policy, subject, context.policy_hosts(hosts), want, context.now)
    except SshJitError:
        return None
    return _errand(context, login, outcome)


def for_approval(context: Context, message: Approve) -> Errand | None:
    """The same for a yes to a request: its ticket is looked up again."""
    if not context.policy.tickets:
        return None
    try:
        context = _now(context)
        login, request = context.login(message.login_id), context.request(message.request)
        requests.require(request, RequestState.PENDING, context.now)
        if not may_decide(context, login, request):
            return None
    except SshJitError:
        return None
    rule, reason = context.policy.named.get(request.asked.rule), request.asked.reason.strip()
    if rule is None or rule.ticket is None or ticket_refusal(rule, reason, ASSUMED) is not None:
        return None
    return _taken(context, login, rule.ticket, ticket_in(rule, reason))


def look_up(context: Context, errand: Errand, _: int) -> TicketAnswer:
    """Asks, in a thread."""
    try:
        return context.tickets.ask(errand.checker, errand.ticket)
    finally:
        context.tickets.end_turn(errand.person)


def require_ticket(context: Context, request: Request) -> TicketAnswer | None:
    """What was said just now of the ticket that a request names, if its rule wants one.

    Raises:
        Refused: ``ticket_refused``, ``ticket_down``, ``unknown_ticket``, ``ticket_unchecked``, ``bad_ticket``.

    """
    rule = context.policy.named.get(request.asked.rule)
    if rule is None or rule.ticket is None:
        return None
    answer = context.prepared_or_none(TicketAnswer)
    refusal = ticket_refusal(rule, request.asked.reason.strip(), answer)
    if refusal is not None:
        raise Refused(refusal.code, refusal.message, hint=refusal.hint)
    return answer


def extension_ask(context: Context, message: Extend, grant: Request) -> policy.Ask:
    """What somebody asks for who wants more time.

    Raises:
        Invalid: what ``sshjit.names`` refuses.

    """
    asked = grant.asked
    return policy.Ask(
        login=asked.login,
        action=asked.action,
        command=asked.command if asked.action not in context.policy.actions else None,
        reason=names.free_text(message.reason, "the reason"),
        address=names.free_text(message.address, "the address", 64) or None,
        break_glass=asked.break_glass,
    )


def _errand(context: Context, login: Login, outcome: Outcome) -> Errand | None:
    """Who would be refused anyway, or has to sign in anew, asks nobody."""
    wanted = outcome.terms.ticket if isinstance(outcome, Allow | NeedsApproval) else None
    if wanted is None:
        return None
    return _taken(context, login, context.policy.tickets[wanted.checker], wanted.ticket)


def _taken(context: Context, login: Login, checker: Checker, ticket: str) -> Errand:
    errand = Errand(min(locks.accounts_of(context.state, login.opened.subject)), checker, ticket)
    context.tickets.take_turn(errand.person, context.now)
    return errand


def _now(context: Context) -> Context:
    """The context at this very time: the one of the last batch may be old. Raises ``Failed``, by the clock."""
    return replace(context, now=context.clock.now(context.state.time))

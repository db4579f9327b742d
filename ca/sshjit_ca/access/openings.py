"""Opens what waits and has everything by now: at the approval that was missing, or when something else made it enough.

A role by a rota that begins, a lock that is lifted, a policy that asks for fewer approvals: then nobody says anything,
and the CA opens the request by itself, if policy of that moment gives it.
"""

from __future__ import annotations

from sshjit import policy, requests, wire
from sshjit.api.views import RequestState
from sshjit.approvals import Step
from sshjit.errors import Refused
from sshjit.events import How, Opened, StepAsked
from sshjit.policy import Bounds, TicketAnswer
from sshjit.policy.tickets import ticket_refusal
from sshjit.requests import Request
from sshjit_ca.access import recheck, usage
from sshjit_ca.access.approvals import complete
from sshjit_ca.access.grants import window_end
from sshjit_ca.context import Context
from sshjit_ca.state import locks


def opened(context: Context, request: Request, bounds: Bounds) -> Opened | None:
    """What is written down when a waiting request has every approval that it needs; ``None``: some are missing.

    Raises:
        Refused: as ``window_end``.

    """
    steps = _steps_in_the_end(context, request)
    if steps is None:
        return None
    asked = request.asked
    fewer = None if steps == asked.steps else steps
    how: How = "automatic" if fewer == () else "reviewed"
    counts = None if asked.extends is not None else usage.counted(context, asked.rule, asked.subject)
    return Opened(request.id, how, window_end(context, request, bounds), counts, fewer)


def open_what_is_enough(context: Context, request: Request) -> bool:
    """Opens a request that waits although nothing is missing any more; whether it did."""
    if requests.state_at(request, context.now) is not RequestState.PENDING or not _may_be_enough(context, request):
        return False
    try:
        locks.refuse_new(context.state, context.on_the_way(request))
        locks.refuse_person(context.state, request.asked.subject)
        bounds = recheck.bounds_or_refusal(context, request)
        event = opened(context, request, bounds) if isinstance(bounds, Bounds) else None
    except Refused:
        return False
    if event is None or not _ticket_counts(context, request):
        return False
    context.record(event)
    return True


def _may_be_enough(context: Context, request: Request) -> bool:
    """Whether it is worth to look: somebody said yes, or its rule asks for nobody's yes any more."""
    rule = context.policy.named.get(request.asked.rule)
    known = request.asked.subject in context.state.newest_login
    return known and rule is not None and (bool(request.decisions) or not rule.approvals)


def _steps_in_the_end(context: Context, request: Request) -> tuple[StepAsked, ...] | None:
    """The steps that are complete: those that it was asked with, or those of its rule by now."""
    if complete(context, request):
        return request.asked.steps
    subject = context.policy_subject(context.newest_login(request.asked.subject))
    hosts = context.policy_hosts(context.hosts_of(request))
    steps: tuple[Step, ...] | None = policy.steps_now(context.policy, subject, hosts, request.asked, context.now)
    if steps is None or not complete(context, request, steps):
        return None
    return tuple(wire.fill(StepAsked, step) for step in steps)


def _ticket_counts(context: Context, request: Request) -> bool:
    """Whether what was said last of its ticket, at the ask or at an approval, is a yes by the rule of now."""
    rule = context.policy.named[request.asked.rule]
    if rule.ticket is None:
        return True
    answers = [request.asked.ticket, *(decision.said.ticket for decision in request.decisions)]
    last = next((answer for answer in reversed(answers) if answer is not None), None)
    answer = None if last is None else wire.fill(TicketAnswer, last)
    return ticket_refusal(rule, request.asked.reason.strip(), answer) is None

"""From policy's yes to a request in the log, on which terms, and opened at once where no approval is needed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import assert_never

from sshjit import approvals, durations, policy, requests, wire
from sshjit.api.views import RequestState
from sshjit.approvals import Step
from sshjit.errors import Refused
from sshjit.events import Asked, Opened, StepAsked, TicketSaid
from sshjit.policy import Allow, Bounds, Denied, NeedsApproval, StepUp, Terms
from sshjit.requests import Request
from sshjit_ca.access import usage
from sshjit_ca.access.approvals import approved_until
from sshjit_ca.context import Context
from sshjit_ca.sources.on_call import rotas_said
from sshjit_ca.state import Host, Login, locks

HOUR = 3600


@dataclass(frozen=True, slots=True)
class PendingGrant:
    """An ask that policy did not refuse: what was asked, and on which terms it may be had."""

    login_id: str
    wanted: policy.Ask
    hosts: tuple[Host, ...]
    terms: Terms
    steps: tuple[Step, ...]
    extends: Request | None = None


def terms_or_refusal(outcome: policy.Outcome) -> tuple[Terms, tuple[Step, ...]]:
    """The terms of a yes, and the approvals that it still needs. Raises ``Refused`` with policy's codes."""
    match outcome:
        case Allow(terms):
            return terms, ()
        case NeedsApproval(terms, steps):
            return terms, steps
        case StepUp(_, _, text, hint):
            raise Refused("step_up", text, hint=hint)
        case Denied(code, _, text, hint):
            raise Refused(code, text, hint=hint)
    assert_never(outcome)


def refuse_flood(context: Context, login: Login) -> None:
    """One person cannot fill the log, by whatever asks in their name. Raises ``Refused``: ``too_many``.

    Accounts that an address in common links are one person here.
    """
    state, most = context.state, context.config.asks_per_hour
    own = [state.requests_of.get(subject, []) for subject in locks.accounts_of(state, login.opened.subject)]
    if sum(map(len, own)) < most:
        return
    lately = sorted(time for asked in own for time in _lately(context, asked))
    if len(lately) >= most:
        left = lately[-most] + HOUR - context.now
        text = f"you made {most} requests within the last hour"
        raise Refused("too_many", text, hint=f"ask again in {durations.show(left)}").again_after(left)


def _lately(context: Context, asked: Sequence[str]) -> Iterator[int]:
    """When those of these requests, oldest first, were made that are of the last hour; what is gone is older."""
    known = (context.state.requests.get(each) for each in reversed(asked))
    return takewhile(lambda time: context.now - time < HOUR, (0 if each is None else each.time for each in known))


def refuse_pile(context: Context, login: Login) -> None:
    """One person cannot fill the queue of those who decide. Raises ``Refused``: ``too_many_waiting``.

    Accounts that an address in common links are one person here.
    """
    state, most = context.state, context.config.waiting_max
    own = (state.waiting.get(subject, ()) for subject in locks.accounts_of(state, login.opened.subject))
    waiting = sum(
        requests.state_at(state.requests[each], context.now) is RequestState.PENDING for ids in own for each in ids
    )
    if waiting >= most:
        hint = "take some back: ssh-jit requests lists them, ssh-jit cancel ends one"
        raise Refused("too_many_waiting", f"{waiting} requests of yours wait for an answer already", hint=hint)


def require_possible(context: Context, login: Login, pending: PendingGrant) -> None:
    """What could never be had is not asked. Raises ``Refused``: ``nobody_can_approve``, ``no_address``.

    Nor is what would wait beside too much that waits already: ``too_many_waiting``.
    """
    nobody = None
    if pending.steps:
        refuse_pile(context, login)
        requester = context.person(login.opened.subject)
        nobody = approvals.unfillable(
            pending.steps,
            requester,
            context.person_directory(),
            policy.roles_without_people(context.policy, context.now),
        )
    if nobody is not None:
        terms_or_refusal(policy.nobody_can_approve(pending.terms.rule, nobody.role))
    source(pending.terms, pending.wanted.address)


def event(context: Context, login: Login, pending: PendingGrant, request_id: str, *, signed: bool) -> Asked:
    """What is written down of an ask that ``require_possible`` let pass; ``signed`` is the caller's to know."""
    terms, steps, hosts = pending.terms, pending.steps, pending.hosts
    glass = terms.break_glass
    return wire.fill(
        Asked,
        terms,
        request=request_id,
        subject=login.opened.subject,
        login_id=pending.login_id,
        via=login.opened.via,
        policy=context.policy.digest,
        start=pending.wanted.start,
        break_glass=glass is not None,
        review_within=None if glass is None else glass.review_within,
        notify=() if glass is None else glass.notify,
        extends=None if pending.extends is None else pending.extends.id,
        hosts=tuple(host.name for host in hosts),
        host_ids=tuple(host.id for host in hosts),
        reason=pending.wanted.reason,
        address=pending.wanted.address or "",
        source=source(terms, pending.wanted.address),
        steps=tuple(wire.fill(StepAsked, step) for step in steps),
        signed=signed,
        ticket=None if terms.ticket is None else ticket_said(terms.ticket),
        rotas=rotas_said(context.policy, context.state, context.policy_subject(login), context.now),
    )


def ticket_said(answer: policy.TicketAnswer) -> TicketSaid:
    """What a checker said, as the log keeps it."""
    if answer.state == "assumed":
        raise ValueError("nobody was asked about the ticket")
    return TicketSaid(answer.checker, answer.ticket, answer.state, answer.values, answer.why)


def record(context: Context, login: Login, pending: PendingGrant, *, signed: bool) -> Request:
    """Writes a new request down that ``require_possible`` let pass, and opens its window where no approval is needed.

    Raises:
        Refused: as ``window_end``.

    """
    terms, steps = pending.terms, pending.steps
    asked = event(context, login, pending, context.new_id("req"), signed=signed)
    known = login is context.newest_login(asked.subject) and pending.extends is None  # then policy has said it already
    ends = None if steps else window_end(context, Request(asked, context.now), terms if known else None)
    context.record(asked)
    if ends is not None:
        counts = None if pending.extends is not None else usage.counted(context, asked.rule, asked.subject)
        context.record(Opened(asked.request, "automatic" if terms.break_glass is None else "break_glass", ends, counts))
    return context.request(asked.request)


def source(terms: Terms, address: str | None) -> tuple[str, ...]:
    """The networks that the certificate works from; ``client``: only the address that asked.

    Raises:
        Refused: ``no_address``.

    """
    if terms.source != ("client",):
        return terms.source
    try:
        return (ipaddress.ip_address((address or "").partition("%")[0]).compressed,)
    except ValueError:
        raise Refused(
            "no_address", f"rule {terms.rule!r} binds certificates to your address, and your address is not known"
        ) from None


def bound_elsewhere(request: Request, address: str | None) -> str:
    """That the certificates of a request that is returned do not work from where it is asked for now; else empty."""
    bound = request.asked.source
    try:
        here = ipaddress.ip_address((address or "").partition("%")[0])
        if not bound or any(here in ipaddress.ip_network(network) for network in bound):
            return ""
    except ValueError:
        return ""  # nobody knows from where it is asked
    end = "cancel" if request.state is RequestState.PENDING else "done"
    return (
        f"{request.id} works from {', '.join(bound)} alone, and not from {here}, where you are now; "
        f"to ask from here: ssh-jit {end} {request.id}, then ask again"
    )


def pending_grant(
    context: Context, login_id: str, login: Login, hosts: tuple[Host, ...], want: policy.Ask
) -> PendingGrant:
    """On which terms the ask may be had, when nothing that lives gives it already; nothing is written down.

    Raises:
        Refused: as ``ask``.

    """
    refuse_flood(context, login)
    subject = context.policy_subject(login)
    facts = usage.facts(context, subject.id)
    outcome = policy.evaluate(context.policy, subject, context.policy_hosts(hosts), want, context.now, facts=facts)
    pending = PendingGrant(login_id, want, hosts, *terms_or_refusal(outcome))
    if want.break_glass:
        _refuse_unreviewed(context, login)
    require_possible(context, login, pending)
    return pending


def _refuse_unreviewed(context: Context, login: Login) -> None:
    """Whoever broke the glass, and whose access nobody looked at in time, waits for that. Raises ``review_overdue``."""
    own = locks.accounts_of(context.state, login.opened.subject)
    for request in map(context.state.requests.__getitem__, context.state.unreviewed):
        overdue = request.unreviewed and request.review_by is not None and request.review_by <= context.now
        if overdue and request.asked.subject in own:
            raise Refused(
                "review_overdue",
                f"nobody has reviewed your break-glass access {request.id} yet, and it is overdue",
                hint="ask somebody with the permission 'review' to look at it",
            )


def window_end(context: Context, request: Request, within: Terms | Bounds | None = None) -> int:
    """When a window that is opened now must close: by its length, closing hours, a timed deny, an approver's role.

    ``within`` is what policy said just now, if it was asked; else it is asked for closing hours and denies.

    Raises:
        Refused: ``grant_over``: what it extends is not open any more, or could not become longer; ``host_gone``;
            ``role_ends``: of an approver, before the window opens.

    """
    asked = request.asked
    start = grant_end(context, request) if asked.extends is not None else requests.window_start(asked, context.now)
    closes = within.ends_by if within is not None else _closes(context, request, start)
    lengths = [requests.at_most(request), within.length if isinstance(within, Bounds) else None]
    end = requests.window_end(asked, start, min((each for each in lengths if each is not None), default=None))
    end = end if closes is None else min(end, closes)
    approved = approved_until(context, request)
    if approved is not None and approved <= start:
        text = "an approver's role ends before this access would begin"
        raise Refused("role_ends", text, hint="somebody else has to approve it")
    end = end if approved is None else min(end, approved)
    if end <= start and asked.extends is not None:
        raise Refused("grant_over", f"the access of {asked.extends} cannot be extended any more")
    return end


def _closes(context: Context, request: Request, start: int) -> int | None:
    """When closing hours, a timed deny or the end of a role close a window that begins at ``start``."""
    asked = request.asked
    return policy.ends_by(
        context.policy,
        context.policy_subject(context.newest_login(asked.subject)),
        context.policy_hosts(context.hosts_of(request)),
        login=asked.login,
        action=asked.action,
        break_glass=asked.break_glass,
        now=context.now if asked.extends is not None else start,
        address=asked.address,
    )


def grant_end(context: Context, request: Request) -> int:
    """When the grant closes that ``request`` wants to extend. Raises ``Refused``: ``grant_over``."""
    grant = context.state.requests.get(request.asked.extends or "")
    if grant is None or grant.ends is None or requests.state_at(grant, context.now) is not RequestState.APPROVED:
        raise Refused("grant_over", "the access that this extends is over", hint="ask for new access")
    return grant.ends

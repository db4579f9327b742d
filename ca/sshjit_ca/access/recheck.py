"""Whether what was asked or granted goes on: the question at every certificate and every approval, and around them.

Policy is evaluated anew (``sshjit.policy.reevaluate``), the machines must be the same, and the approvers of then must
be approvers now. Everybody asks here: so what is refused is not returned for the next ask, is not shown as something
to approve, and is what a change of policy or labels is said to close.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sshjit import ask_again, policy, requests
from sshjit.api.views import RequestState
from sshjit.approvals import Step
from sshjit.errors import Refused
from sshjit.policy import Bounds, Changed, Denied, Held, Subject
from sshjit.requests import Request
from sshjit_ca.access import usage
from sshjit_ca.access.approvals import approved_until, complete, extensions_in_force, require_approvals
from sshjit_ca.context import Context
from sshjit_ca.state import Host, Login, request_index

_STANDING = (RequestState.PENDING, RequestState.APPROVED)


def require(context: Context, subject: Subject, request: Request, hosts: Sequence[Host]) -> Bounds:
    """The bounds within which a grant may still be used, or a waiting request be approved.

    ``subject`` is the requester as policy sees them; what the sign-in that draws a certificate lacks is not asked.

    Raises:
        Refused: ``policy_changed``, ``approval_gone``, and policy's codes.

    """
    bounds = _bounds(context, subject, request, hosts)
    if request.state is RequestState.APPROVED:
        for extension in extensions_in_force(context, request):
            _bounds(context, subject, extension, hosts, again=request)
        require_approvals(context, request)
        return _approved_within(context, bounds, request, *extensions_in_force(context, request))
    if request.asked.extends is not None:
        grant = context.request(request.asked.extends)
        require(context, subject, grant, hosts)
        return _approved_within(context, bounds, grant)
    return bounds


def _approved_within(context: Context, bounds: Bounds, *approved: Request) -> Bounds:
    """The bounds, which end when the role of an approver does without whom it would not be approved."""
    ends = [bounds.ends_by, *(approved_until(context, request) for request in approved)]
    return replace(bounds, ends_by=min((end for end in ends if end is not None), default=None))


def bounds_or_refusal(
    context: Context, request: Request, subject: Subject | None = None, hosts: Sequence[Host] | None = None
) -> Bounds | Refused:
    """As ``require``; without a subject: of the person by their newest sign-in; without hosts: of those as they are."""
    try:
        if subject is None:
            subject = context.policy_subject(context.newest_login(request.asked.subject))
        return require(context, subject, request, context.hosts_of(request) if hosts is None else hosts)
    except Refused as error:
        return error


def end_within(request: Request, answer: Bounds | Refused) -> int | None:
    """When an open grant ends within these bounds (seconds since the epoch); ``None``: it is not open within them."""
    if isinstance(answer, Refused) or request.ends is None:
        return None
    return request.ends if answer.ends_by is None else min(request.ends, answer.ends_by)


def refusal(context: Context, request: Request, *, hosts: Sequence[Host] | None = None) -> Refused | None:
    """What ``require`` refuses to the person, by their newest sign-in."""
    answer = bounds_or_refusal(context, request, hosts=hosts)
    return answer if isinstance(answer, Refused) else None


def looked_at(context: Context, request: Request) -> Bounds | Refused | None:
    """``bounds_or_refusal`` of a waiting request or an open grant; ``None`` of what is over, or only extends one."""
    standing = requests.state_at(request, context.now)
    known = request.asked.subject in context.state.newest_login
    if standing not in _STANDING or not known or (standing is RequestState.APPROVED and request.asked.extends):
        return None
    return bounds_or_refusal(context, request)


def find_existing(
    context: Context, login: Login, hosts: tuple[Host, ...], want: policy.Ask
) -> tuple[Request, Bounds] | None:
    """The newest open or pending request for the same thing that could still be had, and within which bounds.

    The same thing is the same person, login (any, where none was named), action, command and start, and these hosts or
    these among others. Reason and duration were settled when it was asked; whoever wants others ends this one first.
    """
    going_on = (
        (request, answer) for request, answer in _same_thing(context, login, hosts, want) if isinstance(answer, Bounds)
    )
    return next(going_on, None)


def find_closed(context: Context, login: Login, hosts: tuple[Host, ...], want: policy.Ask) -> str:
    """That the newest request for the same thing does not go on, in words for who asks again; else an empty text."""
    newest = next(_same_thing(context, login, hosts, want), None)
    if newest is None or not isinstance(newest[1], Refused):
        return ""
    request, answer = newest[0], newest[1]
    was = "access" if request.state is RequestState.APPROVED else "request"
    return f"your {was} {request.id} does not go on: {reason_of(request, answer.message)}"


def reason_of(request: Request, message: str) -> str:
    """Why a request does not go on, where its id is said already."""
    return message.removeprefix(_out_of_date(request))


def _out_of_date(request: Request) -> str:
    return f"{request.id} is out of date: "


def _same_thing(
    context: Context, login: Login, hosts: tuple[Host, ...], want: policy.Ask
) -> Iterator[tuple[Request, Bounds | Refused]]:
    """The open and pending requests for the same thing, the newest first, and whether each could still be had."""
    ids = tuple(host.id for host in hosts)
    subject: Subject | None = None
    for request_id in reversed(request_index.standing(context.state, login.opened.subject, want.action, ids[0])):
        request = context.state.requests[request_id]
        asked = request.asked
        if not set(ids).issubset(asked.host_ids):
            continue
        if want.login not in (None, asked.login) or want.command not in (None, asked.command):
            continue
        if not _as_soon(context, request, want):
            continue
        if requests.state_at(request, context.now) not in _STANDING:
            continue
        subject = subject or context.policy_subject(login)
        yield request, bounds_or_refusal(context, request, subject, hosts if asked.host_ids == ids else None)


def _bounds(
    context: Context, subject: Subject, request: Request, hosts: Sequence[Host], *, again: Request | None = None
) -> Bounds:
    """What policy says of this one request; else the hint is to ask for ``again``, or for the same, once more.

    Raises:
        Refused: ``policy_changed``, and policy's codes.

    """
    waits = request.state is RequestState.PENDING  # limits keep nobody from what was granted
    facts = usage.facts(context, request.asked.subject, (request.asked.rule,)) if waits else policy.Facts()
    held, there = _held(context, request), context.policy_hosts(hosts)
    answer = policy.reevaluate(context.policy, subject, there, request.granted, held, now=context.now, facts=facts)
    match answer:
        case Bounds():
            return answer
        case Denied(code, _, message, hint):
            raise Refused(code, message, hint=hint)
        case Changed(_, message):
            raise Refused(
                "policy_changed", f"{_out_of_date(request)}{message}", hint=ask_again.line((again or request).asked)
            )


def _held(context: Context, request: Request) -> Held:
    """What became of the request so far, as policy looks at it."""
    extends = request.asked.extends

    def approved(steps: Sequence[Step]) -> bool:
        return complete(context, request, tuple(steps))

    if extends is not None:
        grant = context.state.requests.get(extends)
        return Held(request.since, approved, extensions=0 if grant is None else grant.extended)
    opens = request.opens
    return Held() if opens is None else Held(opens, approved, _longer(context, request))


def _longer(context: Context, grant: Request) -> int:
    """Seconds by which extensions made the grant's window longer."""
    if not grant.extended:
        return 0
    made = (each for each in request_index.extensions(context.state, grant) if each.since is not None)
    return sum(each.asked.duration for each in made)


def _as_soon(context: Context, request: Request, want: policy.Ask) -> bool:
    """Whether the request gives what is wanted when it is wanted.

    Who breaks the glass does not wait for an approval, nor take another account than an emergency's for it, unless they
    named it; whoever has broken it asks for nothing else meanwhile.
    """
    asked = request.asked
    if asked.extends is not None:
        return False
    if want.break_glass and not asked.break_glass and (want.login is None or request.state is RequestState.PENDING):
        return False
    return asked.start == want.start or (want.start is None and asked.start is not None and asked.start <= context.now)

"""Whether what was asked once may still be had: the question before every certificate, and before returning a grant."""

from __future__ import annotations

from sshjit import policy, requests
from sshjit.api.views import RequestState
from sshjit.errors import Refused
from sshjit.policy import Denied, Subject
from sshjit.requests import Request
from sshjit_ca.context import Context, policy_hosts
from sshjit_ca.state import Host, Login, request_index

_STANDING = (RequestState.PENDING, RequestState.APPROVED)


def policy_denial(context: Context, login: Login, request: Request, hosts: tuple[Host, ...]) -> Denied | None:
    """Why the policy of now does not allow the login's person what was asked; ``None`` if it does."""
    return policy_denial_for(context, context.policy_subject(login), request, hosts)


def policy_denial_for(context: Context, subject: Subject, request: Request, hosts: tuple[Host, ...]) -> Denied | None:
    """``policy_denial`` for a person as policy sees them. Access that begins later is judged as of then."""
    asked = request.asked
    return policy.still_allowed(
        context.policy,
        subject,
        policy_hosts(hosts),
        login=asked.login,
        action=asked.action,
        command=asked.command,
        break_glass=asked.break_glass,
        now=context.now if asked.start is None else max(context.now, asked.start),
    )


def find_existing(context: Context, login: Login, hosts: tuple[Host, ...], want: policy.Ask) -> Request | None:
    """The newest open or pending request for the same thing, if it could still be had.

    The same thing is the same person, login (any, where none was named), action, command and start, and these hosts or
    these among others. Reason and duration were settled when it was asked; whoever wants others ends this one first.
    """
    ids = tuple(host.id for host in hosts)
    for request_id in reversed(request_index.standing(context.state, login.opened.subject, want.action, ids[0])):
        request = context.state.requests[request_id]
        asked = request.asked
        if asked.host_ids != ids and not set(ids).issubset(asked.host_ids):
            continue
        if want.login not in (None, asked.login) or want.command not in (None, asked.command):
            continue
        if not _as_soon(context, request, want):
            continue
        if requests.state_at(request, context.now) not in _STANDING:
            continue
        if len(asked.host_ids) == len(ids):
            return request if policy_denial(context, login, request, hosts) is None else None
        if _whole(context, login, request):
            return request
    return None


def _whole(context: Context, login: Login, request: Request) -> bool:
    """Whether what was asked for more hosts could still be had, for all of them."""
    try:
        return policy_denial(context, login, request, context.hosts_of(request)) is None
    except Refused:
        return False


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

"""Asking for access: what policy says becomes a request, or a refusal that explains itself."""

from __future__ import annotations

from sshjit import access_request, durations, policy, requests
from sshjit.api.ask import AskReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import Failed, Refused
from sshjit.requests import Request
from sshjit_ca.access import grants, issuance, lookup
from sshjit_ca.access.grants import Deal
from sshjit_ca.access.recheck import taken_away
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context, policy_hosts
from sshjit_ca.state import Host, Login, locks, request_index

_STANDING = (RequestState.PENDING, RequestState.APPROVED)


def ask(context: Context, message: Ask) -> AskReply:
    """Decides an ask; with an open window and a native login, draws a certificate at once.

    Raises:
        Refused: policy's codes (``no_rule``, ``denied_by_rule``, …), ``step_up``, ``nobody_can_approve``, ``locked``,
            ``review_overdue``.
        Invalid: ``unknown_host``, ``no_host``, and what ``sshjit.names`` refuses.

    """
    login = context.login(message.login_id)
    want = access_request.read(message, context.now)
    hosts = lookup.hosts(context, message)
    locks.refuse_new(context.state, (host.id for host in hosts))
    notes: tuple[str, ...] = ()
    request = live(context, login, hosts, want)
    existing = request is not None
    if request is None:
        deal = settle(context, message.login_id, login, hosts, want)
        request, notes = grants.record(context, login, deal), _notes(deal)
    certificate = None
    if message.certificate and login.opened.via == "native" and _open(context, request):
        try:
            certificate = issuance.draw(context, login, message.login_id, request)
        except Failed as error:
            # What was granted stays granted: the certificate can be drawn once the CA's key signs again.
            notes = (*notes, f"no certificate could be signed: {error.message}")
        request = context.request(request.id)
    return AskReply(request_view(context, request), certificate, existing, notes)


def settle(context: Context, login_id: str, login: Login, hosts: tuple[Host, ...], want: policy.Ask) -> Deal:
    """On which terms the ask may be had, when nothing that lives gives it already; nothing is written down.

    Raises:
        Refused: as ``ask``.

    """
    grants.refuse_flood(context, login)
    outcome = policy.evaluate(context.policy, context.policy_subject(login), policy_hosts(hosts), want, context.now)
    deal = Deal(login_id, want, hosts, *grants.agreed(outcome))
    if want.break_glass:
        _refuse_unreviewed(context, login)
    grants.refuse_hopeless(context, login, deal)
    return deal


def _open(context: Context, request: Request) -> bool:
    """Whether certificates can be drawn now."""
    approved = requests.state_at(request, context.now) is RequestState.APPROVED
    return approved and request.opens is not None and request.opens <= context.now


def _refuse_unreviewed(context: Context, login: Login) -> None:
    """Whoever broke the glass, and whose access nobody looked at in time, waits for that. Raises ``review_overdue``."""
    for subject in locks.accounts_of(context.state, login.opened.subject):
        for request_id in context.state.requests_of.get(subject, ()):
            request = context.state.requests[request_id]
            if request.unreviewed and request.review_by is not None and request.review_by <= context.now:
                raise Refused(
                    "review_overdue",
                    f"nobody has reviewed your break-glass access {request_id} yet, and it is overdue",
                    hint="ask somebody with the permission 'review' to look at it",
                )


def live(context: Context, login: Login, hosts: tuple[Host, ...], want: policy.Ask) -> Request | None:
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
            return request if taken_away(context, login, request, hosts) is None else None
        if _whole(context, login, request):
            return request
    return None


def _whole(context: Context, login: Login, request: Request) -> bool:
    """Whether what was asked for more hosts could still be had, for all of them."""
    try:
        return taken_away(context, login, request, context.hosts_of(request)) is None
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


def _notes(deal: Deal) -> tuple[str, ...]:
    """What was decided differently from what was asked."""
    terms, notes = deal.terms, []
    if deal.wanted.login is None:
        notes.append(f"you log in as {terms.login}")
    if terms.capped:
        notes.append(f"rule {terms.rule!r} allows {durations.show(terms.duration)}, so that is what you get")
    return tuple(notes)

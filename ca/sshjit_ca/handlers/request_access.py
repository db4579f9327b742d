"""What a person does about their own access: ask for it, draw certificates from it, extend it, take it back, end it."""

from __future__ import annotations

from dataclasses import replace

from sshjit import access_request, durations, policy, requests
from sshjit.api.ask import AskReply
from sshjit.api.details import RequestReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Ask, Cancel, CertificateReply, End, Extend, SignUser
from sshjit.errors import Failed, Invalid, Refused
from sshjit.events import Closed
from sshjit.policy import Bounds, Terms, TicketAnswer
from sshjit.requests import Request
from sshjit_ca.access import denials, dialects, grants, issuance, lookup, recheck, signed_requests
from sshjit_ca.access.grants import PendingGrant
from sshjit_ca.access.recheck import find_existing
from sshjit_ca.access.revocation import close_extensions
from sshjit_ca.access.ticket_errands import extension_ask
from sshjit_ca.access.views import going_on_view, request_view
from sshjit_ca.access.visibility import visible_request
from sshjit_ca.context import Context
from sshjit_ca.state import Login, locks
from sshjit_ca.state.request_index import extensions


def ask(context: Context, message: Ask) -> AskReply:
    """Decides an ask; with an open window and a native login, draws a certificate at once.

    Raises:
        Refused: policy's codes (``no_rule``, ``denied_by_rule``, …), ``step_up``, ``nobody_can_approve``, ``locked``,
            ``review_overdue``, ``denied_lately``, ``signature_needed``, ``challenge_over``, ``signature_refused``, and
            those of ``dialects.of``.
        Invalid: ``unknown_host``, ``no_host``, and what ``sshjit.names`` refuses.

    """
    login = context.login(message.login_id)
    want = replace(access_request.read(message, context.now), ticket=context.prepared_or_none(TicketAnswer))
    if want.break_glass:
        lookup.person_login(context, message.login_id)
    hosts = lookup.target_hosts(context, message)
    locks.refuse_new(context.state, (host.id for host in (*hosts, *context.bastions(hosts))))
    existing = find_existing(context, login, hosts, want)
    if existing is None:
        closed = recheck.find_closed(context, login, hosts, want)
        try:
            pending = grants.pending_grant(context, message.login_id, login, hosts, want)
        except Refused as error:
            if not closed:
                raise
            raise Refused(error.code, f"{error.message}; {closed}", hint=error.hint) from None
        denials.refuse_early(context, login, pending)
        if login.opened.via == "native":  # else nobody knows yet by which sign-in it is drawn
            dialects.of(context, hosts, context.key_of(login), login.opened.reads, pending.terms)
        notes = (*_notes(pending), *([f"{closed}; this is a new request"] if closed else []))
        to_sign = signed_requests.challenge(context, login, message, pending, notes)
        if to_sign is not None:
            return to_sign
        signed = signed_requests.signed(context, login, message, pending)
        request = grants.record(context, login, pending, signed=signed)
        within: Terms | Bounds = pending.terms
    else:
        request, within = existing
        elsewhere = grants.bound_elsewhere(request, want.address)
        notes = (elsewhere,) if elsewhere else ()
    certificate = None
    if message.certificate and login.opened.via == "native" and _open(context, request):
        try:
            certificate = issuance.issue_certificate(context, login, message.login_id, request, within=within, to=hosts)
        except Failed as error:
            # What was granted stays granted: the certificate can be drawn once the CA's key signs again.
            notes = (*notes, f"no certificate could be signed: {error.message}")
        request = context.request(request.id)
    view = going_on_view(context, request, within if isinstance(within, Bounds) else None)
    return AskReply(view, certificate, existing is not None, notes)


def sign_user(context: Context, message: SignUser) -> CertificateReply:
    """A certificate for the login's own key, from a grant of the login's own person.

    Raises:
        Refused: ``login_over``, ``not_native``, ``not_yours``, ``policy_changed``, ``approval_gone``, ``step_up``,
            ``locked``, and policy's codes.
        Invalid: ``unknown_request``, ``wrong_state``, ``not_yet``, ``extension``.

    """
    login = context.login(message.login_id)
    request = visible_request(context, login, message.request)
    return CertificateReply(issuance.issue_certificate(context, login, message.login_id, request))


def extend(context: Context, message: Extend) -> AskReply:
    """Asks for more time, by the rule that would allow the same ask now; a pending ask for more is returned as it is.

    Raises:
        Refused: ``cannot_extend``, ``grant_over``, ``locked``, ``step_up``, ``policy_changed`` of the grant itself,
            ``signature_needed``, ``challenge_over``, ``signature_refused``, and policy's codes.
        Invalid: ``unknown_request``, ``wrong_state``, ``not_yet``, ``extension``.

    """
    login = context.login(message.login_id)
    grant = _own_request(context, message.login_id, message.request)
    requests.require_open(grant, context.now)
    subject = context.policy_subject(login)
    recheck.require(context, subject, grant, context.hosts_of(grant))
    waiting = [
        one
        for one in extensions(context.state, grant)
        if requests.state_at(one, context.now) is RequestState.PENDING
        and isinstance(recheck.bounds_or_refusal(context, one, subject), Bounds)
    ]
    if waiting:
        return AskReply(going_on_view(context, waiting[-1]), None, existing=True, notes=())
    locks.refuse_new(context.state, context.on_the_way(grant))
    grants.refuse_flood(context, login)
    pending = _extension(context, login, message, grant)
    grants.require_possible(context, login, pending)
    denials.refuse_early(context, login, pending)
    notes = (f"rule {pending.terms.rule!r} extends by {durations.show(pending.terms.duration)}",)
    to_sign = signed_requests.challenge(context, login, message, pending, notes)
    if to_sign is not None:
        return to_sign
    signed = signed_requests.signed(context, login, message, pending)
    request = grants.record(context, login, pending, signed=signed)
    return AskReply(request_view(context, request), None, existing=False, notes=notes)


def cancel(context: Context, message: Cancel) -> RequestReply:
    """The requester takes a request back that nobody has answered."""
    request = _own_request(context, message.login_id, message.request)
    requests.require(request, RequestState.PENDING, context.now)
    return _close(context, request, RequestState.CANCELLED, "taken back")


def end(context: Context, message: End) -> RequestReply:
    """The requester is done: the window closes now, and its certificates are worthless. So are its extensions.

    Raises:
        Invalid: ``unknown_request``, ``wrong_state``, ``extension``.

    """
    request = _own_request(context, message.login_id, message.request)
    requests.require(request, RequestState.APPROVED, context.now)
    if request.asked.extends is not None:
        only = f"request {request.id} only extends {request.asked.extends}"
        raise Invalid("extension", only, hint=f"ssh-jit done {request.asked.extends}")
    close_extensions(context, request, RequestState.ENDED, request.asked.subject, "what it extends is done")
    return _close(context, request, RequestState.ENDED, "done")


def _open(context: Context, request: Request) -> bool:
    """Whether certificates can be drawn now."""
    approved = requests.state_at(request, context.now) is RequestState.APPROVED
    return approved and request.opens is not None and request.opens <= context.now


def _notes(pending: PendingGrant) -> tuple[str, ...]:
    """What was decided differently from what was asked."""
    terms, notes = pending.terms, []
    if pending.wanted.login is None:
        notes.append(f"you log in as {terms.login}")
    if terms.capped:
        notes.append(f"rule {terms.rule!r} allows {durations.show(terms.duration)}, so that is what you get")
    return tuple(notes)


def _extension(context: Context, login: Login, message: Extend, grant: Request) -> PendingGrant:
    hosts, ticket = context.hosts_of(grant), context.prepared_or_none(TicketAnswer)
    wanted = replace(extension_ask(context, message, grant), ticket=ticket)
    subject = context.policy_subject(login)
    terms, steps = grants.terms_or_refusal(
        policy.evaluate(context.policy, subject, context.policy_hosts(hosts), wanted, context.now)
    )
    by = _by(grant, terms)
    ends = grant.ends or context.now
    longer = ends + by if terms.ends_by is None else min(ends + by, terms.ends_by)
    if longer <= ends:
        raise Refused("cannot_extend", f"rule {terms.rule!r} closes no later than your access ends")
    # Nobody's yes may come when there is nothing left to extend.
    pending = min(terms.pending, ends - context.now)
    return PendingGrant(message.login_id, wanted, hosts, replace(terms, duration=by, pending=pending), steps, grant)


def _by(grant: Request, terms: Terms) -> int:
    """By how many seconds the rule extends the grant once more."""
    if terms.extend is None:
        raise Refused(
            "cannot_extend", f"rule {terms.rule!r} does not allow extensions", hint="request it again when it has ended"
        )
    if grant.extended >= terms.extend.count:
        times = "once" if terms.extend.count == 1 else f"{terms.extend.count} times"
        text = f"rule {terms.rule!r} extends {times}, and that was done"
        raise Refused("cannot_extend", text, hint="request it again when it has ended")
    return terms.extend.by


def _own_request(context: Context, login_id: str, request_id: str) -> Request:
    """The login's person's own request; somebody else's does not exist for them. Raises: ``unknown_request``."""
    login = context.login(login_id)
    request = context.state.requests.get(request_id)
    if request is None or request.asked.subject != login.opened.subject:
        raise Invalid("unknown_request", "you have no request of this id", hint="ssh-jit requests")
    return request


def _close(context: Context, request: Request, state: RequestState, why: str) -> RequestReply:
    context.record(Closed(request.id, state, request.asked.subject, why))
    return RequestReply(request_view(context, context.request(request.id)))

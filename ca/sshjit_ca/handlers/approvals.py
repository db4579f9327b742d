"""Saying yes or no to somebody's request: the right person, once, to exactly what was shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sshjit import approvals, durations, names, passkeys, requests
from sshjit.api.details import RequestReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Approve, Deny
from sshjit.errors import Invalid, Refused
from sshjit.events import Closed, Decided, PasskeyUsed
from sshjit.policy import Bounds
from sshjit.requests import Request
from sshjit_ca.access import lookup, openings, recheck, signed_actions
from sshjit_ca.access.approvals import may_decide, signature_needed, steps_of, taken_back
from sshjit_ca.access.grants import grant_end, ticket_said
from sshjit_ca.access.passkeys import meant, signed_approval, strength
from sshjit_ca.access.ticket_errands import require_ticket
from sshjit_ca.access.views import request_view
from sshjit_ca.access.visibility import visible_request
from sshjit_ca.context import Context
from sshjit_ca.sources.on_call import rotas_said
from sshjit_ca.state import Login, locks


def approve(context: Context, message: Approve) -> RequestReply:
    """One more yes; with the last that was missing the window opens. The same yes once more changes nothing.

    Raises:
        Refused: ``own_request``, ``not_an_approver``, ``signature_needed``, ``locked``, ``policy_changed``,
            ``grant_over``, ``host_gone``, policy's codes, and as ``signed_actions`` and ``passkeys``.
        Invalid: ``unknown_request``, ``wrong_state``, ``digest_differs``, ``already_decided``, ``bad_duration``.

    """
    if (answered := _answered(context, message, "approve")) is not None:
        return answered
    login, request = _approver(context, message.login_id, message.request)
    locks.refuse_new(context.state, context.on_the_way(request))
    locks.refuse_person(context.state, request.asked.subject)
    _check_length(message, request)
    if request.asked.extends is not None:
        grant_end(context, request)
    bounds = _require_current(context, request)
    ticket = require_ticket(context, request)
    decided, used = _decided(context, login, message, request, "approve")
    decided = replace(decided, ticket=None if ticket is None else ticket_said(ticket))
    _check_signature(passkeys.given(decided), signature_needed(context, login, request), request)
    after = requests.decide(request, decided, context.now)
    opened = openings.opened(context, after, bounds)
    if used is not None:
        context.record(used)
    context.record(decided)
    if opened is not None:
        context.record(opened)
    return RequestReply(request_view(context, context.request(request.id)))


def _check_signature(given: int, needed: int, request: Request) -> None:
    """Raises ``Refused``: ``signature_needed``, where a stronger signature would bring the request nearer."""
    if given < needed:
        by = "your key" if needed == passkeys.KEY else "your key or a passkey of yours"
        by = "your key or a passkey that cannot be synced" if needed == passkeys.DEVICE_BOUND else by
        hint = f"ssh-jit approve {request.id}"
        raise Refused("signature_needed", f"this approval requires a signature by {by}", hint=hint)


def _require_current(context: Context, request: Request) -> Bounds:
    """What was asked still is what policy says, of the requester by their newest sign-in.

    Raises:
        Refused: ``policy_changed``, ``host_gone``, and policy's codes; the hint is for the approver.

    """
    try:
        subject = context.policy_subject(context.newest_login(request.asked.subject))
        return recheck.require(context, subject, request, context.hosts_of(request))
    except Refused as error:
        raise Refused(error.code, error.message, hint="the requester has to make a new request") from None


def _check_length(message: Approve, request: Request) -> None:
    """A yes may be for less than what was asked, and for no more."""
    if message.duration is not None and not 1 <= message.duration <= request.asked.duration:
        asked = durations.show(request.asked.duration)
        raise Invalid("bad_duration", f"{asked} was requested; approve that or less")


def deny(context: Context, message: Deny) -> RequestReply:
    """One no ends it, and says why. Raises as ``approve`` does, and ``Invalid``: ``no_reason``."""
    if (answered := _answered(context, message, "deny")) is not None:
        return answered
    login, request = _approver(context, message.login_id, message.request)
    decided, _ = _decided(context, login, message, request, "deny")
    if not decided.comment:
        raise Invalid("no_reason", "give a reason; the requester reads it", hint="--reason TEXT")
    context.record(decided)
    context.record(Closed(request.id, RequestState.DENIED, login.opened.subject, decided.comment))
    return RequestReply(request_view(context, context.request(request.id)))


def _answered(context: Context, message: Approve | Deny, verdict: Literal["approve", "deny"]) -> RequestReply | None:
    """The request as it is, if this person gave this very answer before, and now says no more by it.

    A second click, or an answer that is sent again because none came back, is no error; nothing is recorded.
    """
    login = lookup.person_login(context, message.login_id)
    request = visible_request(context, login, message.request)
    mine = (decision.said for decision in request.decisions if decision.said.subject == login.opened.subject)
    wanted = (verdict, message.digest, message.duration if isinstance(message, Approve) else None)
    same = [answer for answer in mine if (answer.verdict, answer.digest, answer.duration) == wanted]
    before = max((passkeys.given(answer) for answer in same if not taken_back(context, answer)), default=-1)
    if before < 0 or before < _offered(context, login, message):
        return None
    return RequestReply(request_view(context, request))


def _approver(context: Context, login_id: str, request_id: str) -> tuple[Login, Request]:
    """The login and the request, once it is clear that this person may say something about it now."""
    login = lookup.person_login(context, login_id)
    request = visible_request(context, login, request_id)
    subject = login.opened.subject
    if approvals.same_person(context.person(subject), context.person(request.asked.subject)):
        raise Refused("own_request", "you cannot approve your own request")
    if not may_decide(context, login, request):
        roles = " or ".join(sorted({role for step in steps_of(context, request) for role in step.roles})) or "nobody"
        raise Refused("not_an_approver", "you cannot approve or deny this request", hint=f"that needs the role {roles}")
    requests.require(request, RequestState.PENDING, context.now)
    return login, request


def _decided(
    context: Context, login: Login, message: Approve | Deny, request: Request, verdict: Literal["approve", "deny"]
) -> tuple[Decided, PasskeyUsed | None]:
    mine = [each.said for each in request.decisions if each.said.subject == login.opened.subject]
    before = max((passkeys.given(said) for said in mine if not taken_back(context, said)), default=-1)
    if before >= _offered(context, login, message):
        raise Invalid("already_decided", "you have already answered this request")
    if message.digest != requests.digest(request.asked):
        raise Invalid("digest_differs", f"request {request.id} has changed since it was shown", hint="look at it again")
    signed = signed_actions.signed_answer(context, message, request, verdict)
    used = signed_approval(context, login, message, request) if isinstance(message, Approve) else None
    decided = Decided(
        request=request.id,
        subject=login.opened.subject,
        login_id=message.login_id,
        via=login.opened.via,
        verdict=verdict,
        digest=message.digest,
        signed=signed,
        duration=message.duration if isinstance(message, Approve) else None,
        comment=names.free_text(message.comment, "the comment"),
        rotas=rotas_said(context.policy, context.state, context.policy_subject(login), context.now),
    )
    if used is None:
        return decided, None
    kind = passkeys.kind(device_bound=context.state.passkeys[used.passkey].device_bound)
    return replace(decided, passkey=kind, passkey_id=used.passkey), used


def _offered(context: Context, login: Login, message: Approve | Deny) -> int:
    """How strongly the answer is signed if its signature is a good one."""
    if message.consent is not None:
        return passkeys.KEY
    if isinstance(message, Approve) and message.passkey is not None:
        return strength(meant(context, login, message.passkey.credential))
    return passkeys.UNSIGNED

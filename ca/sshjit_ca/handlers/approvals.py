"""Saying yes or no to somebody's request: the right person, once, to exactly what was shown."""

from __future__ import annotations

from typing import Literal

from sshjit import approvals, durations, names, requests
from sshjit.api.details import RequestReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Approve, Deny
from sshjit.errors import Invalid, Refused
from sshjit.events import Closed, Decided, Opened
from sshjit.requests import Request
from sshjit_ca.access import required_approvals, signed_actions, windows
from sshjit_ca.access.views import request_view, steps_of
from sshjit_ca.context import Context
from sshjit_ca.state import Login, locks


def approve(context: Context, message: Approve) -> RequestReply:
    """One more yes; with the last that was missing the window opens.

    Raises:
        Refused: ``own_request``, ``not_an_approver``, ``signature_needed``, ``locked``, ``grant_over``,
            ``window_over``, ``host_gone``, and as ``consenting``.
        Invalid: ``unknown_request``, ``wrong_state``, ``digest_differs``, ``already_decided``, ``bad_duration``.

    """
    login, request = _approver(context, message.login_id, message.request)
    locks.refuse_new(context.state, request.asked.host_ids)
    locks.refuse_person(context.state, request.asked.subject)
    _check_length(message, request)
    if request.asked.extends is not None:
        windows.grant_end(context, request)
    said = _said(context, login, message, request, "approve")
    if not said.signed and not _word_counts(context, login, request):
        raise Refused(
            "signature_needed",
            "here your approval counts only with a signature by your key",
            hint=f"ssh-jit approve {request.id}",
        )
    heard = requests.decide(request, said, context.now)
    ends = windows.window_end(context, heard) if required_approvals.complete(context, heard) else None
    context.record(said)
    if ends is not None:
        context.record(Opened(request.id, "reviewed", ends))
    return RequestReply(request_view(context, context.request(request.id)))


def _check_length(message: Approve, request: Request) -> None:
    """A yes may be for less than what was asked, and for no more."""
    if message.duration is not None and not 1 <= message.duration <= request.asked.duration:
        asked = durations.show(request.asked.duration)
        raise Invalid("bad_duration", f"{asked} was asked for, so a yes is for that or for less")


def deny(context: Context, message: Deny) -> RequestReply:
    """One no ends it, and says why. Raises as ``approve`` does, and ``Invalid``: ``no_reason``."""
    login, request = _approver(context, message.login_id, message.request)
    said = _said(context, login, message, request, "deny")
    if not said.comment:
        raise Invalid("no_reason", "say why not: whoever asked reads it", hint="--reason TEXT")
    context.record(said)
    context.record(Closed(request.id, RequestState.DENIED, login.opened.subject, said.comment))
    return RequestReply(request_view(context, context.request(request.id)))


def may_decide(context: Context, login: Login, request: Request) -> bool:
    """Whether the login's person is one whom some step of the request asks, and is not the requester."""
    return bool(decides_as(context, login, request))


def decides_as(context: Context, login: Login, request: Request) -> tuple[str, ...]:
    """The roles for which the login's person is asked."""
    if not request.asked.steps:
        return ()
    me, requester = context.person(login.opened.subject), context.person(request.asked.subject)
    if not any(step.role in me.roles for step in request.asked.steps) or not approvals.others(
        requester, (me,), context.known()
    ):
        return ()
    return tuple(sorted({step.role for step in request.asked.steps} & me.roles))


def _approver(context: Context, login_id: str, request_id: str) -> tuple[Login, Request]:
    """The login and the request, once it is clear that this person may say something about it now."""
    login, request = context.login(login_id), context.request(request_id)
    subject = login.opened.subject
    if approvals.same_person(context.person(subject), context.person(request.asked.subject)):
        raise Refused("own_request", "nobody approves their own request, whoever they are")
    if not may_decide(context, login, request):
        roles = " or ".join(sorted({step.role for step in request.asked.steps})) or "nobody"
        raise Refused("not_an_approver", "you are not one who decides this request", hint=f"it is up to {roles}")
    requests.require(request, RequestState.PENDING, context.now)
    return login, request


def _word_counts(context: Context, login: Login, request: Request) -> bool:
    """Whether there is a step that the person could fill without a signature."""
    roles = decides_as(context, login, request)
    return any(step.role in roles and not step.signed for step in steps_of(request))


def _said(
    context: Context, login: Login, message: Approve | Deny, request: Request, verdict: Literal["approve", "deny"]
) -> Decided:
    spoken = [each.said for each in request.decisions if each.said.subject == login.opened.subject]
    if any(said.signed or message.consent is None for said in spoken):
        raise Invalid("already_decided", "you have answered this request already")
    if message.digest != requests.digest(request.asked):
        raise Invalid("digest_differs", f"request {request.id} is not the one that was shown", hint="look at it again")
    return Decided(
        request=request.id,
        subject=login.opened.subject,
        login_id=message.login_id,
        via=login.opened.via,
        verdict=verdict,
        digest=message.digest,
        signed=signed_actions.signed_answer(context, message, request, verdict),
        duration=message.duration if isinstance(message, Approve) else None,
        comment=names.free_text(message.comment, "the comment"),
    )

"""What is said about a request without deciding it: remarks, and the look back at a break-glass access."""

from __future__ import annotations

from sshjit import names, requests
from sshjit.api.details import RequestReply
from sshjit.ca_protocol.requests import Comment, Review
from sshjit.errors import Invalid, Refused
from sshjit.events import Commented, Reviewed
from sshjit.requests import Request
from sshjit_ca.access import lookup
from sshjit_ca.access.approvals import could_review, may_decide
from sshjit_ca.access.views import request_view
from sshjit_ca.access.visibility import visible_request
from sshjit_ca.context import Context
from sshjit_ca.state import Login


def comment(context: Context, message: Comment) -> RequestReply:
    """The requester, an approver or a reviewer says something.

    Raises:
        Refused: ``login_over``.
        Invalid: ``unknown_request``, ``no_text``, ``too_many_remarks``.

    """
    login, request = context.login(message.login_id), context.state.requests.get(message.request)
    if request is None or not _may_speak(context, login, request):
        raise Invalid(
            "unknown_request", "there is no request of this id that you can comment on", hint="ssh-jit requests"
        )
    text = names.free_text(message.text, "the comment")
    if not text.strip():
        raise Invalid("no_text", "the comment is empty")
    said = Commented(request.id, login.opened.subject, message.login_id, login.opened.via, text)
    requests.remark(request, said, context.now)
    context.record(said)
    return RequestReply(request_view(context, context.request(request.id)))


def review(context: Context, message: Review) -> RequestReply:
    """Somebody with the permission ``review``, and not the person's own, has looked at a break-glass access.

    Raises:
        Refused: ``not_permitted``, ``own_request``.
        Invalid: ``unknown_request``, ``nothing_to_review``, ``already_reviewed``, ``no_text``.

    """
    login = lookup.person_login(context, message.login_id)
    if not context.permitted(login, "review"):
        raise Refused("not_permitted", "reviewing needs the permission 'review', which you do not have")
    request = visible_request(context, login, message.request)
    if not could_review(context, login, request):
        raise Refused("own_request", "you cannot review your own break-glass access")
    text = names.free_text(message.comment, "the comment")
    if message.verdict == "unjustified" and not text.strip():
        raise Invalid("no_text", "give a comment: what was not justified")
    said = Reviewed(request.id, login.opened.subject, message.login_id, login.opened.via, message.verdict, text)
    requests.look_at(request, said, context.now)
    context.record(said)
    return RequestReply(request_view(context, context.request(request.id)))


def _may_speak(context: Context, login: Login, request: Request) -> bool:
    return (
        request.asked.subject == login.opened.subject  # not by an address in common: that only ever forbids
        or may_decide(context, login, request)
        or (request.review_by is not None and context.permitted(login, "review"))
    )

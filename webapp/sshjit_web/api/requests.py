"""Asking: for access, for more of it, for a certificate; and what one's requests look like."""

from __future__ import annotations

from typing import Literal

from flask import Response, request

from sshjit import wire
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.bodies import CommentBody, DecisionBody, ExtendBody, ReviewBody
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import (
    Approve,
    Ask,
    Cancel,
    CertificateReply,
    Comment,
    Deny,
    End,
    Extend,
    ReadRequest,
    ReadRequests,
    Review,
    SignUser,
)
from sshjit.errors import Invalid
from sshjit_web.api.calls import Asked, Question, calls, hand_on
from sshjit_web.api.json_io import (
    MAX_PAGE,
    address,
    blueprint,
    body,
    carried,
    choice,
    decided,
    limit,
    login_id,
    no_body,
    number,
)
from sshjit_web.ca_client import Carried

Scope = Literal["mine", "approve", "review", "all"]
Order = Literal["newest", "urgent"]


@calls.post("/requests")
def ask(asked: Asked) -> Question:
    """Requests access."""
    content = asked.body(AskBody)
    signable = _signable(content, asked.reader())
    return _asked(wire.fill(Ask, content, login_id=asked.login_id(), address=asked.address, signable=signable))


@calls.post("/requests/<request_id>/extend")
def extend(asked: Asked, request_id: str) -> Question:
    """Requests more time for a grant."""
    content = asked.body(ExtendBody)
    signable = _signable(content, asked.reader())
    message = wire.fill(
        Extend, content, login_id=asked.login_id(), request=request_id, address=asked.address, signable=signable
    )
    return _asked(message)


@blueprint.post("/explain")
def explain() -> Response:
    """What would become of a request, and why. Nothing is recorded."""
    message = wire.fill(Explain, body(ExplainBody), login_id=login_id(), address=address())
    return carried(message, ExplainReply)


@blueprint.get("/requests")
def requests() -> Response:
    """Requests, newest first; with ``order=urgent`` the queue (``scope=approve``), what expires first in front."""
    message = ReadRequests(
        login_id(),
        choice("scope", Scope) or "mine",
        limit(MAX_PAGE),
        number("before"),
        request.args.get("find") or None,
        choice("state", RequestState),
        number("since"),
        request.args.get("after"),
        choice("order", Order) or "newest",
    )
    return carried(message, RequestsReply)


@calls.get("/requests/<request_id>")
def one(asked: Asked, request_id: str) -> Question:
    """One request, and for approvers what is known of the requester."""
    return hand_on(ReadRequest(asked.login_id(), request_id), RequestReply)


@blueprint.post("/requests/<request_id>/cancel")
def cancel(request_id: str) -> Response:
    """Cancels one's own pending request."""
    no_body()
    return decided(Cancel(login_id(), request_id))


@blueprint.post("/requests/<request_id>/end")
def end(request_id: str) -> Response:
    """Ends one's own access before its time."""
    no_body()
    return decided(End(login_id(), request_id))


@calls.post("/requests/<request_id>/certificate")
def certificate(asked: Asked, request_id: str) -> Question:
    """Draws a certificate for the login's own key."""
    asked.no_body()
    return hand_on(SignUser(asked.login_id(), request_id), CertificateReply, "certificate", status=201)


def _signable(content: AskBody | ExtendBody, reader: int) -> bool:
    """Whether the caller can take a challenge: since version 2, unless its key cannot sign."""
    return reader >= 2 and not content.unsigned


def _asked(message: Ask | Extend) -> Question:
    return Question(message, AskReply, _existing_or_new)


def _existing_or_new(reply: Carried) -> tuple[int, str]:
    to_sign = "challenge" in reply.parts and reply.part("challenge") != "null"
    return 200 if to_sign or reply.part("existing") == "true" else 201, reply.text


@blueprint.post("/requests/<request_id>/approve")
def approve(request_id: str) -> Response:
    """Approves the request with this digest."""
    return decided(wire.fill(Approve, body(DecisionBody), login_id=login_id(), request=request_id))


@blueprint.post("/requests/<request_id>/deny")
def deny(request_id: str) -> Response:
    """Denies the request with this digest."""
    content = body(DecisionBody)
    if content.duration is not None:
        raise Invalid("bad_message", "only an approval can be for less time")
    return decided(wire.fill(Deny, content, login_id=login_id(), request=request_id))


@blueprint.post("/requests/<request_id>/comment")
def comment(request_id: str) -> Response:
    """Adds a comment."""
    return decided(wire.fill(Comment, body(CommentBody), login_id=login_id(), request=request_id))


@blueprint.post("/requests/<request_id>/review")
def review(request_id: str) -> Response:
    """Reviews an emergency access."""
    return decided(wire.fill(Review, body(ReviewBody), login_id=login_id(), request=request_id))

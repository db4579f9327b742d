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
from sshjit_web.api.json_io import (
    MAX_PAGE,
    address,
    blueprint,
    body,
    carried,
    choice,
    decided,
    json_text,
    limit,
    login_id,
    no_body,
    number,
    reader,
)
from sshjit_web.services import services

Scope = Literal["mine", "approve", "review", "all"]
Order = Literal["newest", "urgent"]


@blueprint.post("/requests")
def ask() -> Response:
    """Requests access."""
    content = body(AskBody)
    return _asked(wire.fill(Ask, content, login_id=login_id(), address=address(), signable=_signable(content)))


@blueprint.post("/requests/<request_id>/extend")
def extend(request_id: str) -> Response:
    """Requests more time for a grant."""
    content = body(ExtendBody)
    return _asked(
        wire.fill(
            Extend,
            content,
            login_id=login_id(),
            request=request_id,
            address=address(),
            signable=_signable(content),
        )
    )


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


@blueprint.get("/requests/<request_id>")
def one(request_id: str) -> Response:
    """One request, and for approvers what is known of the requester."""
    return carried(ReadRequest(login_id(), request_id), RequestReply)


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


@blueprint.post("/requests/<request_id>/certificate")
def certificate(request_id: str) -> Response:
    """Draws a certificate for the login's own key."""
    no_body()
    return carried(SignUser(login_id(), request_id), CertificateReply, "certificate", status=201)


def _signable(content: AskBody | ExtendBody) -> bool:
    """Whether the caller can take a challenge: since version 2, unless its key cannot sign."""
    return reader() >= 2 and not content.unsigned


def _asked(message: Ask | Extend) -> Response:
    reply = services().ca.carry(message, AskReply, reader())
    to_sign = "challenge" in reply.parts and reply.part("challenge") != "null"
    return json_text(reply.text, 200 if to_sign or reply.part("existing") == "true" else 201)


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

"""What others say about a request: yes, no, a remark, and how a break-glass access looks afterwards."""

from __future__ import annotations

from flask import Response

from sshjit.api.bodies import CommentBody, DecisionBody, ReviewBody
from sshjit.ca_protocol.requests import Approve, Comment, Deny, Review
from sshjit.errors import Invalid
from sshjit_web.api.speech import blueprint, body, decided, login_id


@blueprint.post("/requests/<request_id>/approve")
def approve(request_id: str) -> Response:
    """Says yes to the ask with this digest."""
    said = body(DecisionBody)
    return decided(Approve(login_id(), request_id, said.digest, said.comment, said.consent, said.duration))


@blueprint.post("/requests/<request_id>/deny")
def deny(request_id: str) -> Response:
    """Says no to the ask with this digest."""
    said = body(DecisionBody)
    if said.duration is not None:
        raise Invalid("bad_message", "only a yes can be for less time")
    return decided(Deny(login_id(), request_id, said.digest, said.comment, said.consent))


@blueprint.post("/requests/<request_id>/comment")
def comment(request_id: str) -> Response:
    """Says something and decides nothing."""
    return decided(Comment(login_id(), request_id, body(CommentBody).text))


@blueprint.post("/requests/<request_id>/review")
def review(request_id: str) -> Response:
    """Says whether a break-glass access was justified."""
    said = body(ReviewBody)
    return decided(Review(login_id(), request_id, said.verdict, said.comment))

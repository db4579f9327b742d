"""Break-glass accesses that somebody else has to look at, and what they found."""

from __future__ import annotations

from typing import Literal, cast

from flask import redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.details import RequestReply, RequestsReply
from sshjit.ca_protocol.requests import ReadRequests, Review
from sshjit.errors import Invalid, SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import room
from sshjit_web.pages.requests import again
from sshjit_web.pages.room import REQUESTS_SHOWN, blueprint
from sshjit_web.services import services


@blueprint.get("/reviews")
def reviews() -> str:
    """What waits for a review that this person may do."""
    login = current_login()
    message = ReadRequests(login.id, "review", REQUESTS_SHOWN, room.number("before"))
    reply = services().ca.call(message, RequestsReply)
    return room.render("reviews.html", login, waiting=reply.requests, older=reply.next)


@blueprint.post("/requests/<request_id>/review")
def review(request_id: str) -> AnyResponse | str:
    """Records what the reviewer found."""
    login = current_login()
    try:
        verdict, found = room.text("verdict"), forms.one_line(room.text("comment"))
        if verdict not in ("justified", "unjustified"):
            raise Invalid("bad_form_field", "there is no verdict", hint="choose whether it was justified")
        if verdict == "unjustified":
            found = forms.required(found, "the comment", "say what was not in order")
        said = cast("Literal['justified', 'unjustified']", verdict)
        services().ca.call(Review(login.id, request_id, said, found), RequestReply)
    except SshJitError as error:
        return again(login, request_id, error)
    services().marks.drop(login)
    return redirect(url_for("pages.reviews"), code=303)

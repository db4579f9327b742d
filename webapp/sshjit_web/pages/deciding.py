"""What waits for one's answer, and the answer: first shown once more, then carried to the authority."""

from __future__ import annotations

from typing import Literal

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit import durations
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.session import LoginView
from sshjit.ca_protocol.requests import Approve, Deny, ReadRequests
from sshjit.errors import SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import room
from sshjit_web.pages.requests import again
from sshjit_web.pages.room import REQUESTS_SHOWN, blueprint
from sshjit_web.services import services


@blueprint.get("/approvals")
def queue() -> str:
    """What this person could approve now."""
    login = current_login()
    message = ReadRequests(login.id, "approve", REQUESTS_SHOWN, room.number("before"))
    reply = services().ca.call(message, RequestsReply)
    return room.render("queue.html", login, waiting=reply.requests, older=reply.next)


@blueprint.post("/requests/<request_id>/<any(approve, deny):verdict>")
def decide(request_id: str, verdict: Literal["approve", "deny"]) -> AnyResponse | str:
    """First asks whether that is meant, showing the request once more; then carries the decision to the authority."""
    login = current_login()
    digest = request.form.get("digest", "")
    try:
        comment, duration = _said(verdict)
        if request.form.get("confirmed") != "yes":
            return _confirm(login, request_id, verdict, comment, duration)
    except SshJitError as error:
        if error.code != "bad_form_field":
            raise
        return again(login, request_id, error)
    message = (
        Approve(login.id, request_id, digest, comment, None, duration)
        if verdict == "approve"
        else Deny(login.id, request_id, digest, comment, None)
    )
    services().ca.call(message, RequestReply)
    services().marks.drop(login)
    return room.to_request(request_id)


def _said(verdict: str) -> tuple[str, int | None]:
    """The comment, and for how long at most. A no must say why."""
    if verdict == "deny":
        hint = "say why not: whoever asked reads it, and it is kept in the log"
        return forms.required(room.text("denial"), "the reason for the denial", hint), None
    wish = room.text("duration")
    return room.text("comment"), durations.parse(wish) if wish else None


def _confirm(login: LoginView, request_id: str, verdict: str, comment: str, duration: int | None) -> str:
    reply = room.seen(login, request_id)
    return room.render(
        "confirm.html",
        login,
        view=reply.request,
        verdict=verdict,
        comment=comment,
        duration=duration,
        wish=room.text("duration"),
        labels=room.hosts_of(login, reply.request),
    )

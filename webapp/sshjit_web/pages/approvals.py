"""What waits for one's decision: requests to approve or deny, and break-glass access to review.

A decision is first shown once more, then carried to the CA.
"""

from __future__ import annotations

from typing import Literal, cast

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit import durations
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.passkeys import PasskeyAssertion
from sshjit.api.session import LoginView
from sshjit.ca_protocol.requests import Approve, Deny, ReadRequests, Review
from sshjit.errors import Invalid, SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import REQUESTS_SHOWN, blueprint
from sshjit_web.pages.requests import again
from sshjit_web.services import services


@blueprint.get("/approvals")
def queue() -> str:
    """What this person could approve now."""
    login = current_login()
    message = ReadRequests(login.id, "approve", REQUESTS_SHOWN, common.number("before"), after=common.query("after"))
    reply = services().ca.call(message, RequestsReply)
    return common.render("approvals.html", login, waiting=reply.requests, older=common.older(reply))


@blueprint.post("/requests/<request_id>/<any(approve, deny):verdict>")
def decide(request_id: str, verdict: Literal["approve", "deny"]) -> AnyResponse | str:
    """First asks whether that is meant, showing the request once more; then carries the decision to the CA."""
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
    passkey = _passkey()
    message = (
        Approve(login.id, request_id, digest, comment, None, duration, passkey)
        if verdict == "approve"
        else Deny(login.id, request_id, digest, comment, None)
    )
    try:
        services().ca.call(message, RequestReply)
    except SshJitError as error:
        if passkey is None:
            raise
        return again(login, request_id, error)
    services().banners.drop(login)
    return common.to_request(request_id)


def _passkey() -> PasskeyAssertion | None:
    """What a passkey signed, if one did."""
    names = ("challenge", "passkey", "client_data", "authenticator_data", "signature")
    challenge, *signed = (request.form.get(name, "") for name in names)
    return PasskeyAssertion(challenge, *signed) if signed[0] else None


def _said(verdict: str) -> tuple[str, int | None]:
    """The comment, and for how long at most. A no must say why."""
    if verdict == "deny":
        hint = "give a reason: the requester sees it, and it is kept in the log"
        return forms.required(common.text("denial"), "the reason for the denial", hint), None
    wish = common.text("duration")
    return common.text("comment"), durations.parse(wish) if wish else None


def _confirm(login: LoginView, request_id: str, verdict: str, comment: str, duration: int | None) -> str:
    reply = common.seen(login, request_id)
    return common.render(
        "confirm_decision.html",
        login,
        view=reply.request,
        about=reply.about,
        verdict=verdict,
        comment=comment,
        duration=duration,
        wish=common.text("duration"),
        labels=common.hosts_of(login, reply.request),
    )


@blueprint.get("/reviews")
def reviews() -> str:
    """What waits for a review that this person may do."""
    login = current_login()
    message = ReadRequests(login.id, "review", REQUESTS_SHOWN, common.number("before"), after=common.query("after"))
    reply = services().ca.call(message, RequestsReply)
    return common.render("reviews.html", login, waiting=reply.requests, older=common.older(reply))


@blueprint.post("/requests/<request_id>/review")
def review(request_id: str) -> AnyResponse | str:
    """Records what the reviewer found."""
    login = current_login()
    try:
        verdict, comment = common.text("verdict"), forms.one_line(common.text("comment"))
        if verdict not in ("justified", "unjustified"):
            raise Invalid("bad_form_field", "no verdict is chosen", hint="choose whether it was justified")
        if verdict == "unjustified":
            comment = forms.required(comment, "the comment", "say what was not justified")
        said = cast("Literal['justified', 'unjustified']", verdict)
        services().ca.call(Review(login.id, request_id, said, comment), RequestReply)
    except SshJitError as error:
        return again(login, request_id, error)
    services().banners.drop(login)
    return redirect(url_for("pages.reviews"), code=303)

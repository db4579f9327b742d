"""Going on with what was typed before a sign-in: the form again, filled in, or the question whether it is still meant.

Nothing is sent by itself: what a draft holds was typed before the person was known to be who they are now.
"""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.session import LoginView
from sshjit.errors import Invalid, Refused
from sshjit_web import forms, security
from sshjit_web.auth import current_login
from sshjit_web.drafts import Draft
from sshjit_web.pages import break_glass, common, request_form, sign_ins
from sshjit_web.pages.common import blueprint
from sshjit_web.services import services

_MEANT = {
    "approve": "Approve the request",
    "deny": "Deny the request",
    "cancel": "Cancel your request",
    "end": "End your access",
    "pages.extend": "Request more time",
    "pages.comment": "Add a comment",
    "pages.review": "Record your review",
    "pages.revoke": "Revoke the access",
    "pages.lock": "Lock",
    "pages.end_sign_ins": "End sign-ins",
}
"""What a form does, by the last word of its address or by its view."""
_SHOWN = ("comment", "denial", "reason", "text", "verdict", "duration", "kind", "target", "sign_in")
"""Fields that people typed or chose."""


@blueprint.post("/continue")
def sign_in_again() -> AnyResponse:
    """Keeps the form that was sent, for the time of a new sign-in, and leads there."""
    current_login()
    kept = security.keep_draft(request.form.get("form", ""))
    if not kept:
        raise Invalid("too_large", "what you typed cannot be kept", hint="shorten it, or sign in from another tab")
    return redirect(url_for("auth.sign_in", next=kept, fresh="1"), code=303)


@blueprint.get("/continue/<draft_id>")
def go_on(draft_id: str) -> AnyResponse | str:
    """Shows again what was typed."""
    login = current_login()
    draft = services().drafts.find(draft_id, security.browser_token(), now=services().now())
    if draft is None:
        problem = "what you typed is not kept any more, or was typed in another browser"
        raise Invalid("unknown_page", problem, hint="begin again")
    if draft.subject not in ("", services().author(login.person.id)):
        problem = "somebody else typed this, who was signed in here before"
        raise Refused("not_yours", problem, hint="sign in as that person to go on with it")
    if draft.endpoint == "pages.ask":
        return request_form.filled(login, forms.read_ask(MultiDict(draft.fields)))
    if draft.endpoint == "pages.take":
        return break_glass.filled(login, forms.read_ask(MultiDict(draft.fields)))
    shown = [(name, *_shown(login, name, value)) for name, value in draft.fields if name in _SHOWN]
    args: dict[str, Any] = dict(draft.view_args)
    address = url_for(draft.endpoint, **args)
    back = draft.view_args.get("request_id")
    return common.render(
        "continue.html", login, meant=_meant(draft), address=address, fields=draft.fields, shown=shown, back=back
    )


def _shown(login: LoginView, name: str, value: str) -> tuple[str, int | None]:
    return sign_ins.describe(login, value) if name == "sign_in" else (value, None)


def _meant(draft: Draft) -> str:
    act = draft.view_args.get("verdict") or draft.view_args.get("act") or draft.endpoint
    return _MEANT.get(act, "Send the form")

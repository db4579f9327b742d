"""One's own sign-ins, in browsers and on command lines, and ending those that one does not want any more."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.session import LoginView
from sshjit.ca_protocol.logins import EndLogins, LoginsReply, OwnLogin, ReadLogins
from sshjit.errors import Failed, Invalid
from sshjit_web.auth import current_login
from sshjit_web.pages.common import blueprint, render
from sshjit_web.services import services

OTHERS = "others"
"""What the form sends in place of one sign-in to end all but this browser's."""


@blueprint.get("/sign-ins")
def sign_ins() -> str:
    """The list, with this browser's own sign-in on top."""
    login, have = current_login(), services()
    logins = sorted(_living(login), key=lambda each: each.id != login.id)
    titles = {name: party.title for name, party in have.parties.items()}
    used, limits = _last_uses(logins), have.sessions.limits
    return render("sign_ins.html", login, logins=logins, titles=titles, used=used, limits=limits)


@blueprint.post("/sign-ins/end")
def end_sign_ins() -> AnyResponse:
    """Ends one, or all but this browser's."""
    login, have = current_login(), services()
    ended = request.form.get("sign_in", "")
    if not ended:
        raise Invalid("bad_form_field", "no sign-in is chosen", hint="choose the one to end")
    before = {each.id for each in _living(login)}
    left = have.ca.call(EndLogins(login.id, None if ended == OTHERS else ended), LoginsReply).logins
    have.sessions.forget_logins(before - {each.id for each in left})
    return redirect(url_for("pages.sign_ins"), code=303)


def describe(login: LoginView, sign_in: str) -> tuple[str, int | None]:
    """What ``end_sign_ins`` ends for this choice, in words; when that one was opened, in seconds since the epoch."""
    living = {each.id: each for each in _living(login)}
    if sign_in == OTHERS:
        return f"All but this browser's: {len(living.keys() - {login.id})}", None
    chosen = living.get(sign_in)
    if chosen is None:
        return "A sign-in that is over already", None
    kind = "Browser" if chosen.kind == "web" else "Command line"
    address = f" from {chosen.address}" if chosen.address else ""
    return f"{kind}{address}", chosen.opened


def _living(login: LoginView) -> tuple[OwnLogin, ...]:
    return services().ca.call(ReadLogins(login.id), LoginsReply).logins


def _last_uses(logins: list[OwnLogin]) -> dict[str, int]:
    """When each browser was used last; of none, where our database does not say."""
    try:
        return services().store.last_uses([each.id for each in logins if each.kind == "web"])
    except Failed:
        return {}

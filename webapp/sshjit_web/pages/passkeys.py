"""One's own passkeys, the page that makes one for a terminal, and what a passkey is asked to sign.

Nothing here registers one: the page carries what the browser made to the CA, which holds it until the terminal signs.
"""

from __future__ import annotations

from flask import Response, jsonify, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit import durations
from sshjit.api.passkeys import PasskeyOfferReply, PasskeysReply
from sshjit.ca_protocol.passkeys import (
    MakePasskey,
    PasskeyChallengeReply,
    PasskeyOptionsReply,
    ReadPasskeyChallenge,
    ReadPasskeyOptions,
    ReadPasskeys,
    RemovePasskey,
)
from sshjit.errors import SshJitError
from sshjit_web import errors
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint
from sshjit_web.services import services


@blueprint.get("/passkeys")
def passkeys() -> str:
    """One's own passkeys."""
    login = current_login()
    known = services().ca.call(ReadPasskeys(login.id, everybody=False), PasskeysReply).passkeys
    return common.render("passkeys.html", login, passkeys=known)


@blueprint.post("/passkeys/remove")
def remove_passkey() -> AnyResponse:
    """Removes one of them."""
    login = current_login()
    services().ca.call(RemovePasskey(login.id, common.text("passkey"), ""), PasskeysReply)
    return redirect(url_for("pages.passkeys"), code=303)


@blueprint.get("/passkeys/new")
def new_passkey() -> str:
    """The page whose address a terminal shows, with its code."""
    return common.render("new_passkey.html", current_login(), code=common.query("code"), offer=None, error=None)


@blueprint.post("/passkeys/new")
def make_passkey() -> AnyResponse | str:
    """Carries what the browser made to the CA, and shows what to compare with the terminal."""
    login, code = current_login(), common.text("code")
    try:
        message = MakePasskey(login.id, code, common.text("client_data"), common.text("authenticator_data"))
        offer = services().ca.call(message, PasskeyOfferReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(common.render("new_passkey.html", login, code=code, offer=None, error=error), error)
    return common.render("new_passkey.html", login, code=code, offer=offer, error=None)


@blueprint.post("/passkeys/options")
def passkey_options() -> AnyResponse:
    """What the script asks the browser for, to make a passkey."""
    login = current_login()
    try:
        options = services().ca.call(ReadPasskeyOptions(login.id, common.text("code")), PasskeyOptionsReply)
    except SshJitError as error:
        return _problem(error)
    name = login.person.email or login.person.name
    return jsonify(
        rp={"id": options.rp_id, "name": "ssh-jit"},
        challenge=options.challenge,
        user={"id": options.user, "name": name, "displayName": login.person.name},
        algorithms=options.algorithms,
        exclude=options.exclude,
    )


@blueprint.post("/requests/<request_id>/passkey")
def passkey_challenge(request_id: str) -> AnyResponse:
    """What a passkey has to sign to approve a request with this comment and duration: the text, and by which keys."""
    login, wish = current_login(), common.text("duration")
    try:
        duration = durations.parse(wish) if wish else None
        message = ReadPasskeyChallenge(login.id, request_id, common.text("comment"), duration)
        asked = services().ca.call(message, PasskeyChallengeReply)
    except SshJitError as error:
        return _problem(error)
    return jsonify(text=asked.text, challenge=asked.challenge, rp_id=asked.rp_id, credentials=asked.credentials)


def _problem(error: SshJitError) -> Response:
    """The error for the script, which shows it beside the button."""
    answer = jsonify(message=error.message, hint=error.hint, code=error.code)
    answer.status_code = errors.status_of(error)
    return answer

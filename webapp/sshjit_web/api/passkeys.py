"""Passkeys as ``ssh-jit`` handles them: begun, signed for, accepted for others, and removed."""

from __future__ import annotations

from flask import Response, request

from sshjit import wire
from sshjit.api.passkeys import (
    AcceptPasskey,
    AcceptPasskeyBody,
    PasskeyOfferReply,
    PasskeysReply,
    RegisterPasskey,
    RegisterPasskeyBody,
    RemovePasskeyBody,
)
from sshjit.ca_protocol.passkeys import OfferPasskey, ReadPasskeyOffer, ReadPasskeys, RemovePasskey
from sshjit_web.api.json_io import blueprint, body, carried, login_id, no_body


@blueprint.get("/passkeys")
def passkeys() -> Response:
    """One's own passkeys; with ``everybody=yes`` those of all people."""
    return carried(ReadPasskeys(login_id(), everybody=request.args.get("everybody") == "yes"), PasskeysReply)


@blueprint.post("/passkeys/offers")
def offer_passkey() -> Response:
    """Begins a registration: the code is for the page that makes the passkey."""
    no_body()
    return carried(OfferPasskey(login_id()), PasskeyOfferReply, status=201)


@blueprint.get("/passkeys/offers/<code>")
def passkey_offer(code: str) -> Response:
    """What a browser made for this code so far."""
    return carried(ReadPasskeyOffer(login_id(), code), PasskeyOfferReply)


@blueprint.post("/passkeys/offers/<code>/register")
def register_passkey(code: str) -> Response:
    """Registers what was made, by a signature of the sign-in's key."""
    message = wire.fill(RegisterPasskey, body(RegisterPasskeyBody), login_id=login_id(), code=code)
    return carried(message, PasskeysReply, status=201)


@blueprint.post("/passkeys/<passkey_id>/accept")
def accept_passkey(passkey_id: str) -> Response:
    """Lets somebody else's new passkey count at once. It needs a signature."""
    message = wire.fill(AcceptPasskey, body(AcceptPasskeyBody), login_id=login_id(), passkey=passkey_id)
    return carried(message, PasskeysReply)


@blueprint.post("/passkeys/<passkey_id>/remove")
def remove_passkey(passkey_id: str) -> Response:
    """Removes one of one's own."""
    message = wire.fill(RemovePasskey, body(RemovePasskeyBody), login_id=login_id(), passkey=passkey_id)
    return carried(message, PasskeysReply)

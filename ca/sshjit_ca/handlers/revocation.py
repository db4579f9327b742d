"""Ending access before its time: a whole grant, one certificate, or a sign-in with everything that it drew."""

from __future__ import annotations

from dataclasses import replace

from sshjit import requests
from sshjit.api.locks import RevokeReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.locks import Revoke
from sshjit.errors import Invalid, Refused
from sshjit.events import CertificateRevoked
from sshjit_ca.access.lookup import id_meant
from sshjit_ca.access.revocation import close_grant, close_login, drawn_together, require_reason
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context


def revoke(context: Context, message: Revoke) -> RevokeReply:
    """Revokes; from now on nothing new is issued, and the next bundle tells hosts about what is alive.

    Raises:
        Refused: ``not_permitted``.
        Invalid: ``unknown_request``, ``unknown_certificate``, ``unknown_login``, ``wrong_state``, ``bad_message``,
            ``which_request``, ``which_login``.

    """
    reason = require_reason(message.reason)
    if [message.request, message.serial, message.sign_in].count(None) != 2:
        raise Invalid("bad_message", "name one of: a request, a certificate, a sign-in")
    message = _whole(context, message)
    try:
        owner = _owner(context, message)
    except Invalid:
        _permitted(context, message, None)  # who may not revoke what others have is not told either what there is
        raise
    by = _permitted(context, message, owner)
    if message.serial is not None:
        return _revoke_certificate(context, message.serial, by, reason)
    if message.sign_in is not None:
        if not context.state.logins[message.sign_in].alive(context.now):
            raise Invalid("wrong_state", "this sign-in has already ended")
        return RevokeReply((), close_login(context, message.sign_in, by, reason))
    request = context.request(message.request or "")
    if request.asked.extends is not None:  # whoever takes more time away means the access
        request = context.request(request.asked.extends)
    requests.require(request, RequestState.APPROVED, context.now)
    alive = close_grant(context, request, by, reason)
    return RevokeReply((request_view(context, context.request(request.id)),), alive)


def _whole(context: Context, message: Revoke) -> Revoke:
    """The message with whole ids, where the operator named beginnings."""
    state, request, login = context.state, message.request, message.sign_in
    if request is not None:
        return replace(message, request=id_meant(context, request, state.requests, "req-", "request"))
    if login is not None:
        return replace(message, sign_in=id_meant(context, login, state.logins, "login-", "login"))
    return message


def _revoke_certificate(context: Context, serial: int, by: str | None, reason: str) -> RevokeReply:
    certificate = context.state.emergencies.get(serial) or context.state.certificates[serial]
    if serial in context.state.revoked:
        raise Invalid("wrong_state", f"certificate {serial} is already revoked")
    together = drawn_together(context, serial)
    for each in together:
        context.record(CertificateRevoked(each, by, reason))
    return RevokeReply((), len(together) if certificate.valid_before > context.now else 0)


def _owner(context: Context, message: Revoke) -> str:
    """The subject whose access it is; empty for what the operator drew."""
    if message.request is not None:
        return context.request(message.request).asked.subject
    if message.sign_in is not None:
        login = context.state.logins.get(message.sign_in)
        if login is None:
            raise Invalid("unknown_login", "there is no such sign-in")
        return login.opened.subject
    if message.serial in context.state.emergencies:
        return ""
    certificate = context.state.certificates.get(message.serial or 0)
    if certificate is None:
        raise Invalid("unknown_certificate", f"no certificate has the serial {message.serial}")
    return context.request(certificate.request).asked.subject


def _permitted(context: Context, message: Revoke, owner: str | None) -> str | None:
    """Who revokes: the login's subject, or ``None`` for the operator at the admin socket. No owner: it is not there."""
    login = context.person_or_operator(message.login_id)
    if login is None:
        return None
    if login.opened.subject != owner and not context.permitted(login, "lock"):
        raise Refused(
            "not_permitted", "this is not yours to revoke; that needs the permission 'lock'", hint="ssh-jit requests"
        )
    return login.opened.subject

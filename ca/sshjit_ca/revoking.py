"""Ending access before its time: a whole grant, or one certificate."""

from __future__ import annotations

from sshjit import names, requests
from sshjit.errors import Invalid, Refused
from sshjit.events import CertificateRevoked, Closed
from sshjit.messages import RequestState, Revoke, RevokeReply
from sshjit.requests import Request
from sshjit_ca.desk import Desk, Door
from sshjit_ca.views import request_view


def revoke(desk: Desk, message: Revoke, door: Door) -> RevokeReply:
    """Revokes; from now on nothing new is issued, and the next bundle tells hosts about what is alive.

    Raises:
        Refused: ``not_permitted``.
        Invalid: ``unknown_request``, ``unknown_certificate``, ``wrong_state``, ``bad_message``.

    """
    reason = names.free_text(message.reason, "the reason")
    if not reason:
        raise Invalid("no_reason", "say why", hint="--reason TEXT")
    if (message.request is None) == (message.serial is None):
        raise Invalid("bad_message", "name either a request or a certificate")
    request = _request(desk, message)
    by = _permitted(desk, message, request, door)
    if message.serial is not None:
        return _one(desk, message.serial, by, reason)
    requests.require(request, RequestState.APPROVED, desk.now)
    alive = _alive(desk, request)
    desk.record(Closed(request.id, RequestState.REVOKED, by, reason))
    return RevokeReply((request_view(desk, desk.request(request.id)),), alive)


def _one(desk: Desk, serial: int, by: str | None, reason: str) -> RevokeReply:
    certificate = desk.state.certificates[serial]
    if serial in desk.state.revoked:
        raise Invalid("wrong_state", f"certificate {serial} is revoked already")
    desk.record(CertificateRevoked(serial, by, reason))
    return RevokeReply((), int(certificate.valid_before > desk.now))


def _request(desk: Desk, message: Revoke) -> Request:
    if message.request is not None:
        return desk.request(message.request)
    certificate = desk.state.certificates.get(message.serial or 0)
    if certificate is None:
        raise Invalid("unknown_certificate", f"no certificate has the serial {message.serial}")
    return desk.request(certificate.request)


def _permitted(desk: Desk, message: Revoke, request: Request, door: Door) -> str | None:
    """Who revokes: the login's subject, or ``None`` for the operator at the admin door."""
    if message.login_id is None:
        if door != "admin":
            raise Refused("not_permitted", "say who you are")
        return None
    login = desk.login(message.login_id)
    if login.opened.subject != request.asked.subject and not desk.permitted(login, "lock"):
        raise Refused("not_permitted", "you may not revoke what belongs to others")
    return login.opened.subject


def _alive(desk: Desk, request: Request) -> int:
    serials = desk.state.certificates_of.get(request.id, ())
    return sum(desk.state.certificates[serial].valid_before > desk.now for serial in serials)

"""Ending access before its time."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.standing import RequestView


@dataclass(frozen=True, slots=True)
class Revoke:
    """Ends one of these before its time: a grant, a certificate by its serial, or a sign-in with what it drew.

    Over the web door it needs the permission ``lock``, or to be one's own; the admin door passes no ``login_id``.
    """

    login_id: str | None
    request: str | None
    serial: int | None
    sign_in: str | None
    """The id of the sign-in that is over from now on."""
    reason: str


@dataclass(frozen=True, slots=True)
class RevokeReply:
    """The requests that are revoked now, and how many live certificates that touches."""

    requests: tuple[RequestView, ...]
    certificates: int

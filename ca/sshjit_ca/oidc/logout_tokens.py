"""Logout tokens: a provider says that somebody's sessions are over.

OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6. Two forms are out there: Keycloak's, of the type
``logout+jwt`` with ``exp``, ``sub`` and ``sid``; and Hydra's, of the type ``JWT`` with ``sid`` alone. What every one
must have: our client as audience, a new ``iat``, the event, and no nonce, so that no ID token passes for one. That it
is taken once, and ends nothing that began after it, is for the handler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit.providers import Provider
from sshjit_ca.oidc import id_tokens
from sshjit_ca.oidc.claims import MAX_NAME, time_of
from sshjit_ca.oidc.id_tokens import MAX_AGE, SKEW
from sshjit_ca.oidc.provider_keys import ProviderKeys

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({None, "JWT", "logout+jwt", "application/logout+jwt"})


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Whose sessions are over: those of ``subject``, or the one that the provider calls ``session``."""

    id: str
    """``jti``: it is taken once."""
    subject: str | None
    session: str | None
    issued: int
    """When the provider made it, by its own clock: it says nothing of what came later."""


def verify(token: str, provider: Provider, keys: ProviderKeys, now: int) -> LogoutToken:
    """Checks a logout token.

    Raises:
        Invalid: ``bad_token`` and the like (``sshjit/token_codes.py``), ``unknown_key``: not a token that we take.
        Refused: ``token_refused``: a proper token, but no logout for us, or not any more.
        Failed: ``provider_down`` and the like.

    """
    claims = id_tokens.verify_signed(token, provider, keys)
    if id_tokens.header_of(token).get("typ") not in TYPES:
        raise _refused("is of another type")
    audience = claims.get("aud")
    ours = (provider.web.client_id, provider.native.client_id)
    if claims.get("iss") != provider.issuer or (audience not in ours and audience not in [[client] for client in ours]):
        raise _refused("is by another issuer, or for another client")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise _refused("does not name the event of a logout")
    if "nonce" in claims:
        raise _refused("has a nonce, as ID tokens have")
    if not now - MAX_AGE <= time_of(claims, "iat") <= now + SKEW:
        raise _refused("was not issued just now")
    if claims.get("exp") is not None and time_of(claims, "exp") <= now:
        raise _refused("has expired")
    subject, session = _subject(claims, provider.subject_claim), _text(claims, "sid")
    made = LogoutToken(_text(claims, "jti") or "", subject, session, time_of(claims, "iat"))
    if not made.id or (made.subject is None and made.session is None):
        raise _refused("has no jti, or says neither sub nor sid")
    return made


def _text(claims: dict[str, Any], key: str) -> str | None:
    value = claims.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not names.printable_ascii(value):
        raise Invalid("bad_token", f"the logout token cannot be read: its {names.show(key)} is not a short text")
    return value


def _subject(claims: dict[str, Any], key: str) -> str | None:
    """As in an ID token (``claims.subject``), where it need not be ASCII."""
    value = claims.get(key)
    if value is not None and (not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable()):
        raise Invalid("bad_token", f"the logout token cannot be read: its {names.show(key)} is not a short text")
    return value


def _refused(problem: str) -> Refused:
    return Refused("token_refused", f"the logout token {problem}", hint="tell your administrator")

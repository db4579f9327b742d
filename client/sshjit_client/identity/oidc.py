"""The native OpenID Connect flow: authorisation code with PKCE (RFC 7636, RFC 8252), with a nonce made from a key.

Only the verified bundle says where the provider is. This module does not look into the ID token: the CA checks it, and
nothing in it can lead this program anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from sshjit.bundle import Provider
from sshjit.errors import Failed, Invalid, Refused
from sshjit.limits import MAX_ID_TOKEN, TOO_MANY_GROUPS
from sshjit.login import b64url, nonce
from sshjit_client.network import http_client

FRESH = {"prompt": "login", "max_age": "60"}
"""Asks for a sign-in now, and makes ``auth_time`` required (OpenID Connect Core, 3.1.2.1); providers differ over 0."""
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")


class Tokens(NamedTuple):
    """What a code was exchanged for. The access token is there only where the CA asks the userinfo endpoint."""

    id_token: str
    access_token: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in: everything that the provider's answer must match. ``redirect``: our own address."""

    provider: Provider
    redirect: str
    state: str
    verifier: str
    salt: bytes
    nonce: str
    fresh: bool
    """Whether the person must sign in now, and the provider must say when they did."""

    @classmethod
    def begin(
        cls, provider: Provider, redirect: str, key_blob: bytes, random: bytes, *, fresh: bool = False
    ) -> Attempt:
        """A new attempt from 80 random bytes."""
        if len(random) != 80:
            raise ValueError("an attempt takes 80 random bytes")
        salt = random[:16]
        state, verifier = b64url(random[16:48]), b64url(random[48:80])
        return cls(provider, redirect, state, verifier, salt, nonce(key_blob, salt), fresh)

    def address(self) -> str:
        """The address where the person signs in."""
        endpoint = _endpoint(self.provider, self.provider.authorization_endpoint)
        challenge = b64url(hashlib.sha256(self.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect,
            "scope": " ".join(self.provider.scopes),
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **(FRESH if self.fresh else {}),
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def code(self, query: str) -> str:
        """The code in the query that the browser brought back.

        Raises:
            Invalid: ``other_attempt`` when it does not belong to this attempt; keep waiting.
            Refused: ``login_failed`` when the provider refused, or another provider answered (RFC 9207).

        """
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
        except ValueError:
            raise Invalid("other_attempt", "the address has no answer of the provider") from None
        answer = dict(pairs)
        if len(answer) != len(pairs):
            raise Invalid("other_attempt", "the address has a parameter twice")
        if not hmac.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            raise Invalid("other_attempt", "the address belongs to another attempt to sign in")
        if answer.get("iss", self.provider.issuer) != self.provider.issuer:
            raise Refused("login_failed", f"another provider answered: {answer['iss']}")
        if "error" in answer:
            raise self._refusal(answer["error"], answer.get("error_description", ""))
        if not answer.get("code"):
            raise Refused("login_failed", f"{self.provider.title} sent no code")
        return answer["code"]

    def look(self) -> None:
        """Looks whether anybody answers where the person was sent, for a browser that failed does not say why.

        Raises:
            Failed: ``provider_down``.

        """
        parts = urlsplit(_endpoint(self.provider, self.provider.authorization_endpoint))
        _exchange(self.provider, "GET", f"{parts.scheme}://{parts.netloc}/")

    def redeem(self, code: str) -> Tokens:
        """Exchanges the code for the tokens.

        Raises:
            Failed: when the provider can't be reached or sends nonsense.
            Refused: ``login_failed`` when it does not accept the code.

        """
        endpoint = _endpoint(self.provider, self.provider.token_endpoint)
        form = {
            "grant_type": "authorization_code",
            "client_id": self.provider.client_id,
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
            **({} if self.provider.client_secret is None else {"client_secret": self.provider.client_secret}),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = _exchange(self.provider, "POST", endpoint, body=urlencode(form).encode(), headers=headers)
        reply = _object(answer.body)
        if answer.status != 200:
            why = str(reply.get("error_description") or f"HTTP {answer.status}")
            raise self._refusal(str(reply.get("error", "")), why)
        token, access = reply.get("id_token"), reply.get("access_token")
        title = self.provider.title
        if not isinstance(token, str) or not token.isascii() or not token:
            raise Failed("bad_answer", f"{title} sent no ID token")
        if len(token) > MAX_ID_TOKEN:
            problem = f"the ID token of {title} has {len(token)} characters; at most {MAX_ID_TOKEN} are taken"
            raise Failed("token_too_large", problem, hint=TOO_MANY_GROUPS)
        return Tokens(token, access if self.provider.userinfo and isinstance(access, str) else None)

    def _refusal(self, error: str, description: str) -> Refused:
        """What the provider's error (RFC 6749, 4.1.2.1 and 5.2) means for the person."""
        title, hint = self.provider.title, ""
        if error == "invalid_scope":
            problem = f"{title} refused the scopes that we ask for ({' '.join(self.provider.scopes)})"
            hint = "tell your administrator: the client must be allowed each, or the setting `scopes` leaves it out"
        elif error in _CLIENT_ERRORS:
            problem = f"{title} refused our client id or secret"
            hint = "tell your administrator: the setting `native` must name a public client that is registered there"
        else:
            problem = f"{title} did not sign you in"
        return Refused("login_failed", f"{problem}: {description or error}", hint=hint)


def _endpoint(provider: Provider, endpoint: str | None) -> str:
    if endpoint is None and provider.problem:
        problem = f"{provider.title} cannot be used: {provider.problem}"
        raise Failed("provider_settings", problem, hint="tell your administrator")
    if endpoint is None:
        problem = f"the CA has not reached {provider.title} yet"
        raise Failed("provider_unknown", problem, hint="try again in a minute; if it goes on, tell the operator")
    return endpoint


def _exchange(
    provider: Provider, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> http_client.Answer:
    try:
        return http_client.exchange(method, url, body=body, headers=headers)
    except Failed as error:
        hint = error.hint or "try again later"
        raise Failed("provider_down", f"{provider.title}: {error.message}", hint=hint) from None


def _object(body: bytes) -> dict[str, Any]:
    """A provider's JSON. It may have anything in it, floats too, so we can't use our own strict reader."""
    import json  # noqa: PLC0415

    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

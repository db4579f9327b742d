"""The native OpenID Connect flow: authorisation code with PKCE (RFC 7636, RFC 8252), with a nonce made from a key.

Only the verified bundle says where the provider is. This module does not look into the ID token: the CA checks it, and
nothing in it can lead this program anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sshjit.bundle import Provider
from sshjit.errors import Failed, Invalid, Refused
from sshjit.login import b64url, nonce
from sshjit_client.network import http_client

_LONGEST = 16 * 1024


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
            **({"max_age": "0"} if self.fresh else {}),  # makes auth_time required (OpenID Connect Core, 3.1.2.1)
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
            why = answer.get("error_description") or answer["error"]
            raise Refused("login_failed", f"{self.provider.title} did not sign you in: {why}")
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

    def redeem(self, code: str) -> str:
        """Exchanges the code for the ID token.

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
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = _exchange(self.provider, "POST", endpoint, body=urlencode(form).encode(), headers=headers)
        reply = _object(answer.body)
        if answer.status != 200:
            why = reply.get("error_description") or reply.get("error") or f"HTTP {answer.status}"
            raise Refused("login_failed", f"{self.provider.title} did not sign you in: {why}")
        token = reply.get("id_token")
        if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= _LONGEST:
            raise Failed("bad_answer", f"{self.provider.title} sent no ID token")
        return token


def _endpoint(provider: Provider, endpoint: str | None) -> str:
    if endpoint is None:
        raise Failed("provider_unknown", f"the CA has not reached {provider.title} yet", hint="try again in a minute")
    return endpoint


def _exchange(
    provider: Provider, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> http_client.Answer:
    try:
        return http_client.exchange(method, url, body=body, headers=headers)
    except Failed as error:
        raise Failed("provider_down", f"{provider.title}: {error.message}", hint="try again later") from None


def _object(body: bytes) -> dict[str, Any]:
    """A provider's JSON. It may have anything in it, floats too, so we can't use our own strict reader."""
    import json  # noqa: PLC0415

    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

"""Sign-in at a provider, as its confidential client: OpenID Connect's code flow with PKCE, by Authlib.

This file asks for a code and turns it into an ID token. It decides nothing about who somebody is: the token is not
even opened here. It goes to the CA with the nonce that was asked for, and the CA's verdict counts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session

from sshjit import names, token_endpoint_auth
from sshjit.discovery import Discovery, discovery_url, parse_discovery
from sshjit.errors import Failed, Refused, SshJitError
from sshjit.limits import MAX_ID_TOKEN, TOO_MANY_GROUPS
from sshjit.providers import Provider
from sshjit_web import client_authentication, provider_transport

LOG = logging.getLogger(__name__)
METADATA_LIFETIME = 3600
"""Seconds after which a provider's metadata are fetched again."""
METADATA_PAUSE = 5
"""Seconds for which a provider that failed is not asked again."""
FRESH = {"prompt": "login", "max_age": "60"}
"""What asks for a sign-in now. ``max_age=0`` asks for ever at one provider, is ignored at another, and is an error at a
third; whether the sign-in is as new as a rule wants, the CA decides by ``auth_time``."""
_UNUSABLE = (requests.RequestException, OSError, ValueError, TypeError, LookupError, SshJitError)
"""What an unreachable provider, or one whose metadata are no use to us, ends in."""
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
"""Errors about our client id or secret, not about the person's code (RFC 6749, 5.2)."""


class Tokens(NamedTuple):
    """What a code was exchanged for. The access token is for the CA, where claims come from userinfo; else ``None``."""

    id_token: str
    access_token: str | None


class RelyingParty:
    """Our registration at one provider. ``clock`` gives seconds; ``key`` is the session key."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        *,
        client_secret: str,
        origin: str,
        key: bytes,
        clock: Callable[[], float],
        tls_roots: str | None = None,
        icon: bytes | None = None,
    ) -> None:
        self.name = name
        self.icon = icon
        self.icon_type = "image/svg+xml" if (provider.icon or "").endswith(".svg") else "image/png"
        self.title = provider.title
        self.email_domains = provider.email_domains
        self._provider = provider
        self._secret = client_secret
        self._redirect = f"{origin}/auth/{name}/callback"
        self._signed_out = f"{origin}/sign-in"
        self._key = key
        self._clock = clock
        self._roots = tls_roots
        self._lock = threading.Lock()
        self._known: Discovery | None = None
        self._problem = self._down()
        """Why there is no ``_known``."""
        self._ask_again = 0.0

    def nonce(self, state: str) -> str:
        """The nonce of the sign-in with this state; derived, so that nothing secret is stored."""
        return self._derive("nonce", state)

    def authorization_url(self, state: str, *, fresh: bool = False) -> str:
        """Where to send the browser. ``fresh``: to prove there anew who they are (OpenID Connect Core, 3.1.2.1).

        Raises:
            Failed: ``provider_down``.

        """
        discovery = self.discovery()
        with self._session(discovery) as session:
            url, _ = session.create_authorization_url(
                discovery.authorization_endpoint,
                state=state,
                nonce=self.nonce(state),
                code_verifier=self._derive("pkce", state),
                **(FRESH if fresh else {}),
            )
        return str(url)

    def end_session_url(self) -> str | None:
        """Where the browser signs out at the provider too (RP-Initiated Logout 1.0); ``None``: it has no such place.

        No ID token is kept, so there is no hint for the provider, and it may ask the person.

        Raises:
            Failed: ``provider_down`` and the like.

        """
        endpoint = self.discovery().end_session_endpoint
        if endpoint is None:
            return None
        web = self._provider.web
        back = {"post_logout_redirect_uri": self._signed_out} if web.post_logout_redirect else {}
        query = urlencode({"client_id": web.client_id, **back})
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    @property
    def has_end_session(self) -> bool:
        """Whether the metadata that are known already name such a place."""
        known = self._known
        return known is not None and known.end_session_endpoint is not None

    def tokens(self, state: str, answer: Mapping[str, str]) -> Tokens:
        """The tokens for the provider's ``answer``, the query of the callback.

        Raises:
            Refused: ``sign_in_refused`` when the provider says no, ``wrong_issuer`` when somebody else answered.
            Failed: ``provider_down``, or ``no_id_token``.

        """
        discovery = self.discovery()
        issuer = answer.get("iss")
        if issuer is None and discovery.sends_iss:
            raise Refused("wrong_issuer", f"the answer does not name {self.title} as its issuer")
        if issuer is not None and issuer != self._provider.issuer:
            raise Refused("wrong_issuer", f"the answer names another issuer than {self.title}")
        if "error" in answer or not answer.get("code"):
            raise self._refusal(answer)
        return self._exchange(discovery, state, answer["code"])

    def discovery(self) -> Discovery:
        """The provider's metadata, at most ``METADATA_LIFETIME`` old if it can be reached.

        Raises:
            Failed: ``provider_down``.

        """
        with self._lock:
            if self._clock() < self._ask_again:
                if self._known is None:
                    raise self._problem
                return self._known
            try:
                self._known = self._discover()
            except _UNUSABLE as error:
                self._problem = self._unusable(error)
                LOG.warning("provider %s: discovery failed: %s: %s", self.name, type(error).__name__, self._problem)
                self._ask_again = self._clock() + METADATA_PAUSE
                if self._known is None:
                    raise self._problem from None
                return self._known
            self._ask_again = self._clock() + METADATA_LIFETIME
            return self._known

    def _unusable(self, error: BaseException) -> Failed:
        """What a sign-in is told when the provider's metadata could not be had, or are no use."""
        if isinstance(error, SshJitError):
            hint = error.hint or "tell your administrator"
            return Failed("provider_settings", f"{self.title} cannot be used: {error.message}", hint=hint)
        return provider_transport.unreachable(self.title, error)

    def _discover(self) -> Discovery:
        address = discovery_url(self._provider.issuer)
        with self._plain() as session:
            response = session.get(address, allow_redirects=False, headers={"Accept": "application/json"})
        if response.status_code != requests.codes.ok:
            raise requests.HTTPError("discovery did not answer 200")
        document = json.loads(response.content)
        if not isinstance(document, dict):
            raise TypeError("discovery did not answer an object")
        discovery = parse_discovery(document, self._provider.issuer, plain_http=self._provider.unsafe_http)
        token_endpoint_auth.choose(self._provider, discovery)
        return discovery

    def _exchange(self, discovery: Discovery, state: str, code: str) -> Tokens:
        try:
            with self._session(discovery) as session:
                token = session.fetch_token(
                    discovery.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=self._derive("pkce", state),
                    allow_redirects=False,
                )
        except AuthlibBaseError as error:
            LOG.warning("provider %s refused the code: %s", self.name, ascii(error.error)[:60])
            raise self._code_refused(str(error.error)) from None
        except (requests.RequestException, OSError, ValueError) as error:
            LOG.warning("provider %s: token endpoint failed: %s", self.name, type(error).__name__)
            raise provider_transport.unreachable(self.title, error) from None
        id_token = token.get("id_token")
        if not isinstance(id_token, str) or not id_token:
            raise Failed("no_id_token", f"{self.title} sent no ID token", hint="tell your administrator")
        if len(id_token) > MAX_ID_TOKEN:
            problem = f"the ID token of {self.title} has {len(id_token)} characters; at most {MAX_ID_TOKEN} are taken"
            raise Failed("token_too_large", problem, hint=TOO_MANY_GROUPS)
        access = token.get("access_token") if self._provider.claims_from == "userinfo" else None
        return Tokens(id_token, access if isinstance(access, str) else None)

    def _session(self, discovery: Discovery) -> OAuth2Session:
        return self._plain(
            OAuth2Session(
                self._provider.web.client_id,
                self._secret,
                scope=" ".join(self._provider.web.scopes),
                redirect_uri=self._redirect,
                code_challenge_method="S256",
                token_endpoint_auth_method=client_authentication.encode(
                    token_endpoint_auth.choose(self._provider, discovery)
                ),
            )
        )

    def _plain(self, session: Any = None) -> Any:
        return provider_transport.prepare(session or requests.Session(), self._roots)

    def _derive(self, purpose: str, state: str) -> str:
        made = hmac.digest(self._key, f"{purpose}\n{self.name}\n{state}".encode(), hashlib.sha256)
        return urlsafe_b64encode(made).rstrip(b"=").decode()

    def _code_refused(self, error: str) -> Refused:
        """What the token endpoint's error means for the person, or for the administrator."""
        if error not in _CLIENT_ERRORS:
            return Refused(
                "sign_in_refused", f"{self.title} did not accept its own code", hint="start the sign-in again"
            )
        hint = "tell your administrator: client id and secret of `web` must be the registered ones"
        if token_endpoint_auth.written_differently(self._provider.web.client_id, self._secret):
            hint += (
                f"; or its special characters are written otherwise (token_endpoint_auth; {token_endpoint_auth.HINT})"
            )
        return Refused("client_refused", f"{self.title} refused our client id or secret", hint=hint)

    def _refusal(self, answer: Mapping[str, str]) -> SshJitError:
        error, description = answer.get("error", "no code"), names.show(answer.get("error_description", ""), 200)
        if error in ("server_error", "temporarily_unavailable"):
            return self._down()
        if error == "access_denied":
            return Refused(
                "sign_in_refused", f"{self.title} did not sign you in", hint="try again, or ask its administrators"
            )
        if error == "invalid_scope":
            scopes = " ".join(self._provider.web.scopes)
            hint = "tell your administrator: the client must be allowed each, or the setting `scopes` leaves it out"
            text = f"{self.title} refused the scopes that we ask for ({scopes})"
            return Refused("scope_refused", f"{text}: {description}" if len(description) > 2 else text, hint=hint)
        if error in _CLIENT_ERRORS:
            return self._code_refused(error)
        return Refused("sign_in_refused", f"{self.title} did not sign you in: {names.show(error)}")

    def _down(self) -> Failed:
        return Failed(
            "provider_down", f"{self.title} cannot be reached for sign-in", hint="try again, or use another provider"
        )

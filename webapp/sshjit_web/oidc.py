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
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter

from sshjit import names
from sshjit.discovery import Discovery, discovery_url, parse_discovery
from sshjit.errors import Failed, Refused, SshJitError
from sshjit.providers import Provider

LOG = logging.getLogger(__name__)
TIMEOUT = (3.0, 5.0)
"""Seconds to reach a provider, and to wait for its next bytes."""
DEADLINE = 10.0
"""Seconds for the whole body of an answer."""
MAX_ANSWER = 1024 * 1024
"""Bytes of a provider's answer."""
METADATA_LIFETIME = 3600
"""Seconds after which a provider's metadata are fetched again."""
METADATA_PAUSE = 5
"""Seconds for which a provider that failed is not asked again."""
AUTH_METHODS = ("client_secret_basic", "client_secret_post")
_UNUSABLE = (requests.RequestException, OSError, ValueError, TypeError, LookupError, SshJitError)
"""What an unreachable provider, or one whose metadata are no use to us, ends in."""


class _Transport(HTTPAdapter):
    """Requests to providers: always with a timeout and a deadline, never more than ``MAX_ANSWER`` bytes."""

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        options |= {"stream": True, "timeout": TIMEOUT}
        response = super().send(request, **options)
        try:
            response._content = _read(response.raw)  # noqa: SLF001 -- as requests does when it reads the body itself
        finally:
            response.close()
        return response


def _read(raw: Any) -> bytes:
    """A provider's answer, whole and in time: who drips bytes must not hold up a thread."""
    body, late = bytearray(), time.monotonic() + DEADLINE
    while part := raw.read1(1 << 16, decode_content=True):
        body += part
        if len(body) > MAX_ANSWER:
            raise requests.RequestException("the answer is too large")
        if time.monotonic() > late:
            raise requests.RequestException("the answer takes too long")
    return bytes(body)


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
    ) -> None:
        self.name = name
        self.title = provider.title
        self._provider = provider
        self._secret = client_secret
        self._redirect = f"{origin}/auth/{name}/callback"
        self._key = key
        self._clock = clock
        self._roots = tls_roots
        self._lock = threading.Lock()
        self._known: Discovery | None = None
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
                **({"max_age": "0"} if fresh else {}),
            )
        return str(url)

    def id_token(self, state: str, answer: Mapping[str, str]) -> str:
        """The ID token for the provider's ``answer``, the query of the callback.

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
                    raise self._down()
                return self._known
            try:
                self._known = self._discover()
            except _UNUSABLE as error:
                LOG.warning("provider %s: discovery failed: %s", self.name, type(error).__name__)
                self._ask_again = self._clock() + METADATA_PAUSE
                if self._known is None:
                    raise self._down() from None
                return self._known
            self._ask_again = self._clock() + METADATA_LIFETIME
            return self._known

    def _discover(self) -> Discovery:
        address = discovery_url(self._provider.issuer)
        with self._plain() as session:
            response = session.get(address, allow_redirects=False, headers={"Accept": "application/json"})
        if response.status_code != requests.codes.ok:
            raise ValueError("discovery did not answer 200")
        document = json.loads(response.content)
        if not isinstance(document, dict):
            raise TypeError("discovery did not answer an object")
        discovery = parse_discovery(document, self._provider.issuer, plain_http=self._provider.unsafe_http)
        _auth_method(discovery)
        return discovery

    def _exchange(self, discovery: Discovery, state: str, code: str) -> str:
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
            raise Refused(
                "sign_in_refused", f"{self.title} did not accept its own code", hint="start the sign-in again"
            ) from None
        except (requests.RequestException, OSError, ValueError) as error:
            LOG.warning("provider %s: token endpoint failed: %s", self.name, type(error).__name__)
            raise self._down() from None
        id_token = token.get("id_token")
        if not isinstance(id_token, str) or not id_token:
            raise Failed("no_id_token", f"{self.title} sent no ID token", hint="tell your administrator")
        return id_token

    def _session(self, discovery: Discovery) -> OAuth2Session:
        return self._plain(
            OAuth2Session(
                self._provider.web.client_id,
                self._secret,
                scope=" ".join(self._provider.web.scopes),
                redirect_uri=self._redirect,
                code_challenge_method="S256",
                token_endpoint_auth_method=_auth_method(discovery),
            )
        )

    def _plain(self, session: Any = None) -> Any:
        """A session that takes nothing from the environment: no proxies, no ``.netrc``."""
        session = session or requests.Session()
        session.trust_env = False
        if self._roots is not None:
            session.verify = self._roots
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Transport())
        return session

    def _derive(self, purpose: str, state: str) -> str:
        made = hmac.digest(self._key, f"{purpose}\n{self.name}\n{state}".encode(), hashlib.sha256)
        return urlsafe_b64encode(made).rstrip(b"=").decode()

    def _refusal(self, answer: Mapping[str, str]) -> SshJitError:
        error = answer.get("error", "no code")
        if error in ("server_error", "temporarily_unavailable"):
            return self._down()
        if error == "access_denied":
            return Refused(
                "sign_in_refused", f"{self.title} did not sign you in", hint="try again, or ask its administrators"
            )
        return Refused("sign_in_refused", f"{self.title} did not sign you in: {names.show(error)}")

    def _down(self) -> Failed:
        return Failed(
            "provider_down", f"{self.title} cannot be reached for sign-in", hint="try again, or use another provider"
        )


def _auth_method(discovery: Discovery) -> str:
    """How we authenticate at the token endpoint.

    Raises:
        ValueError: the provider offers nothing that we can do.

    """
    for method in AUTH_METHODS:
        if method in discovery.token_endpoint_auth_methods:
            return method
    raise ValueError("no way to authenticate that we know")

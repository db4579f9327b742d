"""What a running provider remembers: sign-ins, codes and access tokens. In memory; gone when it stops.

The clock is read here and nowhere else in the provider, so that every lifetime ends in one place.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

from demo.provider.config import Client, Config, Person


def now() -> int:
    """Seconds since the epoch."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person at a browser. ``auth_time`` is when the name was clicked."""

    person: Person
    auth_time: int


@dataclass(frozen=True, slots=True)
class Code:
    """An authorisation code and everything that it is bound to; the methods are those that Authlib asks of it."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    sign_in: SignIn
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    expires: int

    def get_redirect_uri(self) -> str:
        """The address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The granted scope."""
        return self.scope

    def get_nonce(self) -> str | None:
        """The nonce of the authorisation request."""
        return self.nonce

    def get_auth_time(self) -> int:
        """When the person signed in here."""
        return self.sign_in.auth_time

    def get_acr(self) -> None:
        """No class reference is claimed."""

    def get_amr(self) -> list[str]:
        """How the person signed in, as its configuration says (RFC 8176)."""
        return list(self.sign_in.person.amr)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token for the userinfo endpoint; the methods are those that Authlib asks of it."""

    token: str
    client: Client
    scope: str
    sign_in: SignIn
    code: str
    expires: int
    revoked: bool = False

    def get_scope(self) -> str:
        """The granted scope."""
        return self.scope

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return now() >= self.expires

    def is_revoked(self) -> bool:
        """Revoked tokens are forgotten, so none that is found is revoked."""
        return self.revoked


class Store:
    """The provider's memory. Every method may be called from any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._sign_ins: dict[str, SignIn] = {}
        self._codes: dict[str, Code] = {}
        self._used: dict[str, Code] = {}
        self._tokens: dict[str, AccessToken] = {}

    def sign_in(self, person: Person) -> tuple[str, SignIn]:
        """A new sign-in, and the value of the cookie that stands for it."""
        cookie, made = secrets.token_urlsafe(32), SignIn(person, now())
        with self._lock:
            self._sign_ins[cookie] = made
        return cookie, made

    def signed_in(self, cookie: str | None) -> SignIn | None:
        """The live sign-in behind a cookie."""
        with self._lock:
            found = self._sign_ins.get(cookie or "")
        alive = found is not None and now() < found.auth_time + self._config.session_lifetime
        return found if alive else None

    def sign_out(self, cookie: str | None) -> None:
        """Forgets a sign-in."""
        with self._lock:
            self._sign_ins.pop(cookie or "", None)

    def add_code(self, code: Code) -> None:
        """Keeps a code until it is used or too old, and forgets old ones."""
        with self._lock:
            self._codes = {key: kept for key, kept in self._codes.items() if kept.expires > now()}
            self._used = {key: kept for key, kept in self._used.items() if kept.expires > now()}
            self._codes[code.code] = code

    def take_code(self, code: str, client_id: str) -> Code | None:
        """The code, once, to the client it was made for.

        A code that comes again revokes what it bought before (RFC 6749, 4.1.2); a wrong redirect or verifier
        afterwards does not bring it back.
        """
        with self._lock:
            if code in self._used:
                self._tokens = {key: kept for key, kept in self._tokens.items() if kept.code != code}
                return None
            grant = self._codes.get(code)
            if grant is None or grant.client_id != client_id or grant.expires <= now():
                return None
            self._used[code] = self._codes.pop(code)
            return grant

    def add_token(self, token: AccessToken) -> None:
        """Keeps an access token, and forgets old ones."""
        with self._lock:
            self._tokens = {key: kept for key, kept in self._tokens.items() if not kept.is_expired()}
            self._tokens[token.token] = token

    def token(self, text: str) -> AccessToken | None:
        """The access token with this text."""
        with self._lock:
            return self._tokens.get(text)

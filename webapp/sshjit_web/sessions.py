"""Who is asking: cookies of browsers and bearer tokens of command lines, as logins that the CA knows.

A token only stands for a login's id. Whether that login is alive, and whose it is, the CA says; its answer is
kept for a second. Tokens end with their login.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sshjit.api.outcomes import Done
from sshjit.api.session import LoginView
from sshjit.ca_protocol.logins import LoginReply, Logout, ReadLogin
from sshjit.errors import Refused, SshJitError
from sshjit_web.ca_cache import Recent
from sshjit_web.ca_client import Authority
from sshjit_web.store import Kind, Store, digest

LOGIN_LIFETIME = 1.0
"""Seconds for which the CA's word on a login is kept."""
OVER = ("login_needed", "login_over")
"""Codes by which the CA says that a login is gone."""


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, ca: Authority, store: Store, clock: Callable[[], float]) -> None:
        self._ca = ca
        self._store = store
        self._clock = clock
        self._ids: Recent[tuple[str, Kind], str] = Recent(clock, LOGIN_LIFETIME)
        self._logins: Recent[str, LoginView] = Recent(clock, LOGIN_LIFETIME)

    def open(self, kind: Kind, login: LoginView) -> str:
        """A new token for a login that the CA just made."""
        token = secrets.token_urlsafe(32)
        self._store.add_session(token, kind, login.id, now=int(self._clock()), expires=login.expires)
        return token

    def login_id(self, kind: Kind, token: str | None) -> str:
        """The login's id behind a token.

        Raises:
            Refused: ``login_needed`` when there is none.

        """
        if not token or len(token) > 200:
            raise _needed()
        key = (digest(token), kind)
        if known := self._ids.get(key):
            return known
        session = self._store.find_session(token, kind, now=int(self._clock()))
        if session is None:
            raise _needed()
        return self._ids.put(key, session)

    def login(self, kind: Kind, token: str | None) -> LoginView:
        """The living login behind a token.

        Raises:
            Refused: ``login_needed`` or ``login_over``; then the token is forgotten.

        """
        login_id = self.login_id(kind, token)
        if known := self._logins.get(login_id):
            return known
        try:
            return self._logins.put(login_id, self._ca.call(ReadLogin(login_id), LoginReply).login)
        except SshJitError as error:
            if error.code in OVER:
                self._store.drop_login(login_id)
            raise

    def end(self, kind: Kind, token: str | None) -> None:
        """Ends the session and the login behind it; without one it does nothing.

        The token is forgotten first, so that it is gone even if the CA is down; what the CA says then
        is raised, except that the login was over already.
        """
        if not token:
            return
        try:
            login_id = self.login_id(kind, token)
        except Refused:
            return
        self._store.drop_session(token)
        self._ids.drop((digest(token), kind))
        self._logins.drop(login_id)
        try:
            self._ca.call(Logout(login_id), Done)
        except SshJitError as error:
            if error.code not in OVER:
                raise


def _needed() -> Refused:
    return Refused("login_needed", "you are not signed in", hint="sign in")

"""Who is asking: cookies of browsers and bearer tokens of command lines, as logins that the CA knows.

A token only stands for a login's id. Whether that login is alive, and whose it is, the CA says; its answer is
kept for a second. Tokens end with their login.

A login ends at the CA, whatever our own database does: a token names its login, sealed by the session key, so that the
CA can be told without looking anything up. The name alone signs nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sshjit.api.outcomes import Done
from sshjit.api.session import LoginView
from sshjit.ca_protocol.logins import LoginReply, Logout, ReadLogin
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_web.ca_cache import Recent
from sshjit_web.ca_client import Authority
from sshjit_web.store import Kind, Store, digest

LOG = logging.getLogger(__name__)
LOGIN_LIFETIME = 1.0
"""Seconds for which the CA's word on a login is kept."""
OVER = ("login_needed", "login_over", "unknown_login")
"""Codes by which the CA says that a login is gone."""
RETRY_EVERY = 10
"""Seconds between two tries to tell the CA of sign-outs that it could not be told of."""
IDLE_EVERY = 60
"""Seconds between two looks for sessions that nobody used for too long."""
USED_EVERY = 60
"""Seconds within which the use of a session is written down once."""
MAX_UNTOLD = 1000
"""Sign-outs that are remembered in memory; beyond these the logins end by themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long sessions of the pages live, in seconds: unused, and at most."""

    idle: int = 3600
    most: int = 8 * 3600


class Sessions:
    """Opens, finds and ends sessions. ``key`` is the session key."""

    def __init__(
        self, ca: Authority, store: Store, clock: Callable[[], float], key: bytes, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self._ca = ca
        self._store = store
        self._clock = clock
        self._key = key
        self._ids: Recent[tuple[str, Kind], str] = Recent(clock, LOGIN_LIFETIME)
        self._logins: Recent[str, LoginView] = Recent(clock, LOGIN_LIFETIME)
        self._used: Recent[str, bool] = Recent(clock, USED_EVERY)
        """Sessions whose use was written down lately."""
        self._untold: set[str] = set()
        """Logins that are over, which the CA was not told and the database did not take down."""
        self._owing = True
        """Whether there may be a login that the CA is still to be told of: one of an earlier process, at first."""
        self._tried = 0.0

    def open(self, kind: Kind, login: LoginView) -> str:
        """A new token for a login that the CA just made. Where it cannot be kept, that login is ended again.

        Raises:
            Failed: ``database_down``.

        """
        token = self._make_token(kind, login.id)
        now = int(self._clock())
        expires = min(login.expires, now + self.limits.most) if kind == "page" else login.expires
        try:
            self._store.add_session(token, kind, login.id, now=now, expires=expires)
        except Failed:
            if self._tell(login.id) is not None:
                self._owe(login.id)
            raise
        self._tell_remaining()
        return token

    def login_id(self, kind: Kind, token: str | None) -> str:
        """The login's id behind a token.

        Raises:
            Refused: ``login_needed`` when there is none.

        """
        if known := self.remembered(kind, token):
            return known
        if not token:
            raise _needed()
        idle = self.limits.idle if kind == "page" else None
        session = self._store.find_session(token, kind, now=int(self._clock()), idle=idle)
        if session is None or session in self._untold:
            raise _needed()
        return self._ids.put((digest(token), kind), session)

    def remembered(self, kind: Kind, token: str | None) -> str | None:
        """The same as far as it is known without the database; ``None``: somebody has to look (``login_id``)."""
        return self._ids.get((digest(token), kind)) if token else None

    def login(self, kind: Kind, token: str | None, *, used: bool = True) -> LoginView:
        """The living login behind a token. ``used``: a person does something, and no page by itself.

        Raises:
            Refused: ``login_needed`` or ``login_over``; then the token is forgotten.

        """
        login_id = self.login_id(kind, token)
        if used and kind == "page" and token is not None:
            self._use(token)
        if known := self._logins.get(login_id):
            return known
        try:
            login = self._ca.call(ReadLogin(login_id), LoginReply).login
        except SshJitError as error:
            if error.code in OVER:
                self._forget(lambda: self._store.drop_login(login_id))
            raise
        self._tell_remaining()
        return self._logins.put(login_id, login)

    def _use(self, token: str) -> None:
        if self._used.get(digest(token)) is None:
            self._used.put(digest(token), value=True)
            self._forget(lambda: self._store.use_session(token, now=int(self._clock())))

    def forget_logins(self, login_ids: Iterable[str]) -> None:
        """Forgets every token of logins that the CA has ended."""
        for login_id in login_ids:
            self._logins.drop(login_id)
            self._forget(partial(self._store.drop_login, login_id))

    def end(self, kind: Kind, token: str | None) -> None:
        """Ends the login behind a token, and the token.

        The CA is told first, whether our database works or not. Where the CA cannot be told, it is told later, and
        that is what the error says; the token works no more in any case.

        Raises:
            Refused: ``login_needed``: there is no such token.
            Failed: the CA could not be told now, or nobody knows which login it is (``database_down``).

        """
        if not token:
            raise _needed()
        login_id = self._named(kind, token) or self.login_id(kind, token)
        error = self._tell(login_id)
        self._ids.drop((digest(token), kind))
        self._logins.drop(login_id)
        if error is None:
            self._forget(lambda: self._store.drop_session(token))
            return
        self._owing = True
        if not self._forget(lambda: self._store.end_session(token)):
            self._owe(login_id)
        raise _untold(error)

    def _tell(self, login_id: str) -> SshJitError | None:
        """Tells the CA that a login is over; the error if it could not be told."""
        try:
            self._ca.call(Logout(login_id), Done)
        except SshJitError as error:
            if error.code not in OVER:
                LOG.warning("the CA could not be told that a login is over: %s", error.code)
                return error
        return None

    def _tell_remaining(self) -> None:
        """Tells the CA of what it could not be told of before: it answers again."""
        now = self._clock()
        if 0 <= now - self._tried < (RETRY_EVERY if self._owing else IDLE_EVERY):
            return
        self._tried = now
        self._forget(lambda: self._store.end_idle_sessions("page", now=int(now), idle=self.limits.idle))
        self._owing = False  # first: another thread may owe something more from now on
        kept: tuple[str, ...] = ()
        known = True
        try:
            kept = self._store.ended_sessions(now=int(now))
        except Failed:
            known = False
        for login_id in (*self._untold, *kept):
            if self._tell(login_id) is not None:
                self._owing = True
                return
            self._untold.discard(login_id)
            known = self._forget(partial(self._store.drop_login, login_id)) and known
        if not known or kept:
            self._owing = True

    def _owe(self, login_id: str) -> None:
        self._owing = True
        if len(self._untold) < MAX_UNTOLD:
            self._untold.add(login_id)

    @staticmethod
    def _forget(act: Callable[[], None]) -> bool:
        """Writes what the database need not take for the answer to be right; whether it did."""
        try:
            act()
        except Failed as error:
            LOG.warning("the database did not forget a session: %s", error.code)
            return False
        return True

    def _make_token(self, kind: Kind, login_id: str) -> str:
        secret = secrets.token_urlsafe(32)
        return f"{secret}.{login_id}.{self._seal(kind, secret, login_id)}"

    def _named(self, kind: Kind, token: str) -> str | None:
        """The login that a token of ours names. Older ones name none."""
        secret, _, rest = token.partition(".")
        login_id, _, seal = rest.partition(".")
        sealed = self._seal(kind, secret, login_id)
        return login_id if hmac.compare_digest(sealed.encode(), seal.encode("utf-8", "replace")) else None

    def _seal(self, kind: Kind, secret: str, login_id: str) -> str:
        text = f"session\n{kind}\n{secret}\n{login_id}".encode("utf-8", "replace")
        return urlsafe_b64encode(hmac.digest(self._key, text, hashlib.sha256)).rstrip(b"=").decode()


def _needed() -> Refused:
    return Refused("login_needed", "you are not signed in", hint="sign in")


def _untold(error: SshJitError) -> Failed:
    return Failed(
        error.code,
        "you are signed out here, but the CA could not be told that this sign-in is over",
        hint="it is told as soon as it answers; if somebody else may use this sign-in, tell the operator",
    )

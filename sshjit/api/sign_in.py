"""Signing in: what proves it, what the server answers, and challenges for the key of a sign-in."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.message import Reply
from sshjit.api.session import LoginView
from sshjit.limits import AccessToken, IdToken, KeyLine, ReadTypes, Signature


@dataclass(frozen=True, slots=True)
class LoginBody:
    """An ID token and what binds it to a key: ``LoginNative`` without what the front end adds."""

    provider: str
    id_token: IdToken
    key: KeyLine
    salt: str
    signature: Signature
    access_token: AccessToken | None = wire.added(2, default=None)
    fresh: bool = wire.added(2, default=False)
    reads: ReadTypes = wire.added(2, default=())
    """As in ``LoginNative``."""


@dataclass(frozen=True, slots=True)
class WorkloadBody:
    """A workload's token, and the key that it was made for: ``LoginWorkload`` without what the front end adds."""

    provider: str
    id_token: IdToken
    key: KeyLine
    signature: Signature
    reads: ReadTypes = wire.added(2, default=())
    """As in ``LoginNative``."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The answer to a login: an opaque token that dies with it."""

    token: str
    login: LoginView


@dataclass(frozen=True, slots=True)
class ChallengeReply(Reply):
    """A challenge for this login alone, until ``expires``."""

    challenge: str
    expires: int

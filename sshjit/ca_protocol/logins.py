"""Sign-in and sign-out, and fresh text to sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.message import Message, Reply
from sshjit.api.outcomes import Done
from sshjit.api.session import LoginView
from sshjit.api.sign_in import ChallengeReply
from sshjit.limits import AccessToken, Id, IdToken, KeyLine, ReadTypes, Signature


@dataclass(frozen=True, slots=True)
class LoginWeb(Message, answer="LoginReply"):
    """A browser signed in at the front end's own client. Never bound to a key."""

    provider: str
    id_token: IdToken
    nonce: str
    address: str
    access_token: AccessToken | None = wire.added(2, default=None)
    """For providers whose claims come from userinfo, where the CA asks."""
    fresh: bool = wire.added(2, default=False)
    """Whether the person was asked to sign in anew; for hints, it proves nothing."""


@dataclass(frozen=True, slots=True)
class LoginNative(Message, answer="LoginReply"):
    """``ssh-jit login`` signed in at the native client, with a nonce made from its key (``sshjit/login.py``)."""

    provider: str
    id_token: IdToken
    key: KeyLine
    """The public key as one OpenSSH line."""
    salt: str
    """16 bytes, base64url without padding."""
    signature: Signature
    """Armoured SSHSIG by that key, namespace ``login@ssh-jit``, over the SHA-256 (raw 32 bytes) of the ID token."""
    address: str
    access_token: AccessToken | None = wire.added(2, default=None)
    """As in ``LoginWeb``."""
    fresh: bool = wire.added(2, default=False)
    reads: ReadTypes = wire.added(2, default=())
    """The types of CA keys, beside those that every OpenSSH knows, whose certificates the laptop's ssh can show."""


@dataclass(frozen=True, slots=True)
class LoginWorkload(Message, answer="LoginReply"):
    """``ssh-jit login --workload``: a token of a job or a machine, whose audience names the key."""

    provider: str
    """The issuer, a table ``[workloads.NAME]``."""
    id_token: IdToken
    key: KeyLine
    signature: Signature
    """As in ``LoginNative``."""
    address: str
    reads: ReadTypes = wire.added(2, default=())
    """As in ``LoginNative``."""


@dataclass(frozen=True, slots=True)
class LoginReply(Reply):
    """The login that the CA made of an ID token."""

    login: LoginView


@dataclass(frozen=True, slots=True)
class Logout(Message, answer=Done):
    """The login is over."""

    login_id: Id


@dataclass(frozen=True, slots=True)
class ProviderLogout(Message, answer=Done):
    """A provider says that somebody's sessions are over (OpenID Connect Back-Channel Logout 1.0)."""

    provider: str
    logout_token: IdToken


@dataclass(frozen=True, slots=True)
class ReadLogin(Message, answer="LoginReply"):
    """Reads a login: whether it is alive, and whose it is."""

    login_id: Id


@dataclass(frozen=True, slots=True)
class OwnLogin:
    """One of a person's living sign-ins, as the person sees it. Times in seconds since the epoch."""

    id: str
    kind: Literal["web", "native"]
    provider: str
    opened: int
    """When the CA took it."""
    expires: int
    address: str
    """Where the sign-in came from, by the word of the front end."""
    fingerprint: str | None
    """``SHA256:…`` of the key that it is bound to; ``None`` for web logins."""
    mfa: bool


@dataclass(frozen=True, slots=True)
class ReadLogins(Message, answer="LoginsReply"):
    """Asks for all living sign-ins of the person whose login this is."""

    login_id: Id


@dataclass(frozen=True, slots=True)
class LoginsReply(Reply):
    """The newest first."""

    logins: tuple[OwnLogin, ...]


@dataclass(frozen=True, slots=True)
class EndLogins(Message, answer="LoginsReply"):
    """Ends another sign-in of the same person, or all others; the answer has those that are left."""

    login_id: Id
    ended: Id | None
    """``None``: all but the one that asks."""


@dataclass(frozen=True, slots=True)
class ReadChallenge(Message, answer=ChallengeReply):
    """Asks for something fresh to sign. Only native logins have a key to sign with."""

    login_id: Id

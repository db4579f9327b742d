"""Who signed in."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.events.parts import Channel, added, detail


@dataclass(frozen=True, slots=True)
class LoginOpened:
    """An ID token was verified."""

    login: str
    subject: str
    via: Channel
    token: str
    """Digest of the ID token, which is never accepted twice."""
    key: str | None
    """Fingerprint of the key that a native login is bound to."""
    signed_in: int
    """When the provider says that the person signed in, or else when it made the token."""
    auth_time: int | None
    """The former alone; ``None`` if the provider does not say it, and then no sign-in is fresh."""
    expires: int
    mfa: bool
    provider: str = detail()
    claim: str = detail()
    """The subject claim: with the provider, who this is."""
    name: str = detail()
    email: str | None = detail()
    verified: bool = detail()
    """Whether the address is verified and in one of the provider's domains, and so may match roles."""
    groups: tuple[str, ...] = detail()
    own: str | None = detail()
    """The Unix name for ``@own``, if this person has one: it was possible, and nobody else's."""
    key_line: str | None = detail()
    address: str = detail()
    factors: tuple[str, ...] = added(default=(), detail=True)
    """What the provider said that counted as a second factor then (``mfa``); it counts as long as that still does."""
    own_listed: bool = added(default=False, detail=True)
    """Whether the operator's table says ``own``, and not a claim."""
    said_factors: tuple[str, ...] = added(default=(), detail=True)
    """All that the provider said of factors: ``amr pwd``, ``acr 1``."""
    remarks: tuple[str, ...] = added(default=(), detail=True)
    """What the provider left out, and what that means, as sentences."""
    asked_fresh: bool = added(default=False)
    """Whether the person was asked to sign in anew, by the word of the laptop or the front end."""
    session: str | None = added(default=None, detail=True)
    """The provider's name for the session (``sid``), by which it may end it."""
    issued: int | None = added(default=None)
    """When the provider made the ID token, by its own clock: what it ends later was there before."""
    workload: bool = added(default=False)
    """Whether nobody signed in, but a job or a machine did, by a token of an issuer of workloads."""
    claims: tuple[str, ...] = added(default=(), detail=True)
    """Of a workload, as ``name=value``: by these it has roles, and by these it is known."""
    unbound: bool = added(default=False)
    """Whether the workload's token named no key, because its issuer cannot (``unbound = true``)."""
    reads: tuple[str, ...] = added(default=())
    """The later types of CA keys whose certificates the laptop's ssh can show, by its own word."""


@dataclass(frozen=True, slots=True)
class LoginClosed:
    """A login is over before its time."""

    login: str
    subject: str
    by: str | None
    """The subject who ended it; ``None``: the operator."""
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class HardwareKeyRegistered:
    """The operator vouches for a hardware key."""

    subject: str
    key: str
    """Its fingerprint."""
    key_line: str = detail()


@dataclass(frozen=True, slots=True)
class HardwareKeyRemoved:
    """A hardware key is not vouched for any more."""

    subject: str
    key: str
    reason: str = detail()

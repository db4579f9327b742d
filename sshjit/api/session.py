"""A sign-in as the server knows it; a laptop keeps it, and loads this module at every connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.views import PersonView, TurnView


@dataclass(frozen=True, slots=True)
class LoginView:
    """A verified sign-in that the CA knows."""

    id: str
    kind: Literal["web", "native"]
    person: PersonView
    roles: tuple[str, ...]
    signed_in: int
    expires: int
    fingerprint: str | None
    """``SHA256:…`` of the key that this login is bound to; ``None`` for web logins."""
    permissions: tuple[str, ...]
    groups: tuple[str, ...]
    """As the provider named them."""
    verified: tuple[str, ...]
    """The addresses that roles may name, case-folded."""
    own: str | None
    """The Unix name that ``@own`` stands for."""
    auth_time: int | None
    """When the person last proved to the provider who they are; ``None``: it does not say."""
    mfa: bool
    hardware_key: bool
    """Whether this login's key is a hardware key that the operator vouches for."""
    said_factors: tuple[str, ...] = wire.added(2, default=())
    """All that the provider said of factors: ``amr pwd``, ``acr 1``."""
    remarks: tuple[str, ...] = wire.added(2, default=())
    """What the provider left out, and what that means, as sentences."""
    asked_fresh: bool = wire.added(2, default=False)
    """Whether the person was asked to sign in anew."""
    on_call: tuple[TurnView, ...] = wire.added(2, default=())
    """What rotas say of the person that counts by now, also of later."""
    workload: bool = wire.added(2, default=False)
    """Whether this is a job or a machine, not a person."""
    claims: tuple[str, ...] = wire.added(2, default=())
    """Of a workload, as ``name=value``: what its roles come from."""
    unbound: bool = wire.added(2, default=False)
    """Whether the workload's token named no key."""
    subject: str = wire.added(2, default="")
    """What the provider calls the person, in its subject claim; of a workload, ``sub`` and a digest of the claims."""
    reads: tuple[str, ...] = wire.added(2, default=())
    """The types of CA keys that the laptop's ssh reads beside those that every release knows, as it said at sign-in."""

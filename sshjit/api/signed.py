"""The actions that the web socket takes only with a signature, which is over their fields (``signed_actions.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.bodies import ShownHost, ShownLock
from sshjit.api.hosts import HostReply
from sshjit.api.message import Message
from sshjit.api.outcomes import Done
from sshjit.limits import Aliases, HostKeys, Id, Logins, Name


@dataclass(frozen=True, slots=True)
class AddHost(Message, answer=HostReply):
    """Enrols a host. ``host_keys`` are its public keys, one OpenSSH line each; with none it joins by a token.

    Over the web socket it needs the permission ``hosts`` and a signature; the admin socket passes neither.
    """

    name: str
    aliases: Aliases
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: HostKeys
    login_id: Id | None = None
    consent: ActionSignature | None = None
    logins: Logins = wire.added(2, default=(), weakens=True)
    """The Unix accounts that people are to reach there. Operators are shown them; nothing is decided by them."""
    via: Name = wire.added(2, default="", weakens=True)
    """The bastion through which people reach it, by its name or an alias; empty: directly."""
    jump_login: Name = wire.added(2, default="", weakens=True)
    """As a bastion: the Unix account by which people pass through; empty: it is none."""


@dataclass(frozen=True, slots=True)
class LabelHost(Message, answer=HostReply):
    """Replaces all labels of a host. Who may, and how, as for ``AddHost``."""

    name: str
    labels: tuple[tuple[str, str], ...]
    login_id: Id | None
    consent: ActionSignature | None
    shown: ShownHost | None = wire.added(2, default=None, weakens=True)
    """What the host was shown as; as for ``Unlock``."""
    dry_run: bool = wire.added(2, default=False, weakens=True)
    """Only say what it would do; this needs the permission alone."""
    end_what_it_forbids: bool = wire.added(2, default=False, weakens=True)
    """Revoke the open grants for the host that would not be given any more: for the operator alone."""


@dataclass(frozen=True, slots=True)
class RemoveHost(Message, answer=Done):
    """Forgets a host and revokes what is alive for it. Who may, and how, as for ``AddHost``."""

    name: str
    reason: str
    login_id: Id | None
    consent: ActionSignature | None
    shown: ShownHost | None = wire.added(2, default=None, weakens=True)
    """What the host was shown as; as for ``Unlock``."""


@dataclass(frozen=True, slots=True)
class Unlock(Message, answer=Done):
    """Takes a lock away. What it revoked stays revoked.

    Over the web socket it needs the permission ``unlock`` and a signature; the admin socket passes neither.
    """

    login_id: Id | None
    lock: str
    reason: str
    consent: ActionSignature | None
    shown: ShownLock | None = wire.added(2, default=None, weakens=True)
    """What the lock was shown as, signed too; it must be what the CA holds. ``None`` at the admin socket alone."""

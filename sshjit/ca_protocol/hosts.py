"""What operators and admins say about hosts and about hardware keys."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.hosts import HostReply, HostsReply
from sshjit.api.message import Message, Reply
from sshjit.api.views import PersonView
from sshjit.limits import Id, KeyLine


@dataclass(frozen=True, slots=True)
class InviteHost(Message, answer=HostReply):
    """Makes a new one-time token for an enrolled host without keys (admin socket: a token never passes the web)."""

    name: str


@dataclass(frozen=True, slots=True)
class CertifyHost(Message, answer=HostReply):
    """The operator renews the certificates of a host's registered keys (admin socket), in their order."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadHosts(Message, answer=HostsReply):
    """Hosts, by name. Over the web socket a login is needed; the admin socket passes ``None``."""

    login_id: Id | None


@dataclass(frozen=True, slots=True)
class RegisterHardwareKey(Message, answer="HardwareKeysReply"):
    """The operator has seen that this ``sk-`` key is a device in the person's hands."""

    person: str
    """A person's id, or ``provider/address``."""
    key: KeyLine
    """The public key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class RemoveHardwareKey(Message, answer="HardwareKeysReply"):
    """The device is not vouched for any more."""

    fingerprint: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadHardwareKeys(Message, answer="HardwareKeysReply"):
    """Every registered hardware key."""


@dataclass(frozen=True, slots=True)
class HardwareKeyView:
    """A registered hardware key."""

    fingerprint: str
    type: str
    person: PersonView
    since: int


@dataclass(frozen=True, slots=True)
class HardwareKeysReply(Reply):
    """Hardware keys, oldest first; after registering or removing, the one that it was about."""

    keys: tuple[HardwareKeyView, ...]

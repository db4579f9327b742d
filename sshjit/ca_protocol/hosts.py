"""What operators and admins say about hosts and about hardware keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.hosts import HostReply, HostsReply
from sshjit.api.message import Message, Reply
from sshjit.api.views import PersonView
from sshjit.limits import Hosts, Id, KeyLine, Logins, Name


@dataclass(frozen=True, slots=True)
class InviteHost(Message, answer=HostReply):
    """Makes a new one-time token for an enrolled host without keys (admin socket: a token never passes the web)."""

    name: str


@dataclass(frozen=True, slots=True)
class InviteFleet(Message, answer="FleetReply"):
    """Makes a token by which several hosts may join, each by itself (admin socket)."""

    pattern: str
    """Which names they may have (``names.host_pattern``)."""
    labels: tuple[tuple[str, str], ...]
    """The labels of each; only such as policy marks ``by_token``."""
    logins: Logins
    uses: int
    """How many hosts may join."""
    expires: int
    """Seconds since the epoch."""
    forget_after: int
    """Seconds after which a host of it is removed that neither renewed its certificates nor reported."""
    via: Name = wire.added(2, default="", weakens=True)
    """The bastion through which people reach its hosts, by its name or an alias; empty: directly."""
    networks: tuple[str, ...] = wire.added(2, default=(), weakens=True)
    """The networks (CIDR) that an address must be in that a host says when it joins."""


@dataclass(frozen=True, slots=True)
class ChangeHost(Message, answer=HostReply):
    """Changes the way to an enrolled host, or whether it is a bastion (admin socket). ``None``: as it is."""

    name: str
    via: Name | None
    """The bastion through which people reach it, by its name or an alias; empty: directly."""
    jump_login: Name | None
    """The Unix account by which people pass through it to others; empty: it is no bastion."""
    dry_run: bool
    """Only say what it would do."""
    post_quantum_only: bool | None = wire.added(2, default=None, weakens=True)
    """Whether it trusts post-quantum CA keys alone from now on."""


@dataclass(frozen=True, slots=True)
class ReadInvitations(Message, answer="InvitationsReply"):
    """The invitations that are not over by time (admin socket)."""


@dataclass(frozen=True, slots=True)
class EndInvitation(Message, answer="InvitationsReply"):
    """A token counts no more (admin socket). Hosts that joined by it stay."""

    invitation: str
    """The id of a fleet's, or the name of the one host that was invited."""
    reason: str


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation. ``id``: a fleet's own, or the name of the one host that was invited."""

    id: str
    pattern: str
    """Of a fleet; empty: for one host."""
    labels: tuple[tuple[str, str], ...]
    logins: tuple[str, ...]
    uses: int
    used: int
    expires: int
    forget_after: int
    """Seconds; 0 for one host, which stays until somebody removes it."""
    over: Literal["", "used", "revoked"]
    """Why it counts no more; empty: it counts."""


@dataclass(frozen=True, slots=True)
class InvitationsReply(Reply):
    """Invitations, of fleets first; after one was ended, that one."""

    invitations: tuple[InvitationView, ...]


@dataclass(frozen=True, slots=True)
class FleetReply(Reply):
    """A new invitation with its token, which is told this once."""

    invitation: InvitationView
    token: str
    bundle_root: str
    """``SHA256:…`` of the bundle key: what hosts pin."""


@dataclass(frozen=True, slots=True)
class CertifyHost(Message, answer=HostReply):
    """The operator renews the certificates of a host's registered keys (admin socket), in their order."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadHosts(Message, answer=HostsReply):
    """Hosts, by name. Over the web socket a login is needed; the admin socket passes ``None``."""

    login_id: Id | None


@dataclass(frozen=True, slots=True)
class HostHealth:
    """How a host is, as far as it said. Times are 0 where it never did."""

    host: str
    seen: int
    """When it was enrolled, joined, renewed its certificates or reported last."""
    reported: int
    behind: int
    """How many bundles, and so revocation lists, there are that it had not read when it reported."""
    sessions: int
    """Sessions that ran then by our certificates."""
    problems: tuple[str, ...]
    """What its doctor found, a sentence each."""
    only_certificates: bool
    certified: int | None
    """Until when it has a certificate for each of its keys; 0: it has not; ``None``: it shows none."""


@dataclass(frozen=True, slots=True)
class HostHealthReply(Reply):
    """In the order of the question; names of no host are left out."""

    hosts: tuple[HostHealth, ...]


@dataclass(frozen=True, slots=True)
class ReadHostHealth(Message, answer=HostHealthReply):
    """How hosts are. For people with the permission ``audit`` or ``hosts``."""

    login_id: Id
    hosts: Hosts


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

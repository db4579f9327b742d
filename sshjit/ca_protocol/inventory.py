"""A whole inventory of hosts in one message of the operator, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sshjit import wire
from sshjit.api.effects import AffectedView
from sshjit.api.message import Message, Reply
from sshjit.limits import AtMost

PART = 60 * 1024
"""Letters of one part of a packed inventory."""
MAX_PARTS = 4
"""Parts: a frame holds no more. They are enough for some thousand hosts, where these have no keys in the inventory."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What an inventory says of one host."""

    name: str
    address: str
    port: int
    aliases: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    logins: tuple[str, ...] | None = None
    """``None``: nothing is said of them, and they stay as they are."""
    host_keys: tuple[str, ...] = ()
    """Of a new host, which needs no token then. Of another one they must be those that it has."""
    via: str | None = None
    """The bastion through which people reach it, by its name or an alias; empty: directly; ``None``: as it is."""
    jump_login: str | None = None
    """As a bastion: the account by which people pass through; empty: it is none; ``None``: as it is."""


@dataclass(frozen=True, slots=True)
class ApplyHosts(Message, answer="ApplyHostsReply"):
    """Makes the enrolled hosts what an inventory says: all of it, or nothing (admin socket)."""

    inventory: Annotated[tuple[Annotated[str, AtMost(PART, "too_large")], ...], AtMost(MAX_PARTS, "too_large")]
    """A list of ``HostSpec`` as JSON, compressed (zlib), in Base64, and cut: a frame is small, and hosts are alike."""
    prune: bool
    """Remove hosts that it does not name, but for those that joined by themselves, by an invitation."""
    invite: bool
    """Make a token for each new host without keys."""
    dry_run: bool
    """Only say what it would do."""
    reason: str
    """For the log, where hosts are removed."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a host, before and after, as people write it."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HostChange:
    """What becomes of a host. Of one that is removed or added, ``fields`` say what it was or is."""

    host: str
    kind: Literal["added", "changed", "removed"]
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class HostRight:
    """These people gain or lose the right to ask for this on all these hosts, at least at some hours of a week."""

    gains: bool
    people: tuple[str, ...]
    hosts: tuple[str, ...]
    login: str
    action: str
    break_glass: bool
    rules: tuple[str, ...]
    """Of those that give it, after or before."""


@dataclass(frozen=True, slots=True)
class HostToken:
    """The one-time token of a new host."""

    host: str
    token: str
    logins: tuple[str, ...]
    jump_login: str = wire.added(2, default="")


@dataclass(frozen=True, slots=True)
class ApplyHostsReply(Reply):
    """What changed, or would."""

    changes: tuple[HostChange, ...]
    unchanged: int
    """Hosts that are as the inventory says already."""
    rights: tuple[HostRight, ...]
    closes: tuple[AffectedView, ...]
    """Open grants that give no further certificate."""
    ask_again: tuple[AffectedView, ...]
    """Waiting requests that have to be made again."""
    tokens: tuple[HostToken, ...]
    bundle_root: str
    sooner: tuple[AffectedView, ...] = ()
    """Open grants that end sooner."""

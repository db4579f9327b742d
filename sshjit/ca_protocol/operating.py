"""The CA seen whole: bundle, policies, health, and what only the operator says when things went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import wire
from sshjit.api.bundle import BundleReply
from sshjit.api.effects import AffectedView
from sshjit.api.message import Message, Reply
from sshjit.api.views import BastionView, RouteView
from sshjit.ca_protocol.keys import KeyStanding
from sshjit.limits import Hosts, KeyLine, Lineage


@dataclass(frozen=True, slots=True)
class ReadBundle(Message, answer=BundleReply):
    """The signed bundle. ``have`` is the sequence that the asker already has, in this format of the document."""

    have: int | None
    format: int = wire.added(2, default=1)
    wait: int = wire.added(2, default=0)
    """Seconds that the CA may let the asker wait for a bundle newer than ``have``; half a minute at most."""


@dataclass(frozen=True, slots=True)
class ReadPolicy(Message, answer="PolicyReply"):
    """The text of a policy."""

    digest: str | None = None
    """Its SHA-256 (hex), or how that begins (admin socket); ``None``: the policy in force."""


@dataclass(frozen=True, slots=True)
class PolicyReply(Reply):
    """A policy: its exact text and the SHA-256 (hex) of it."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class ReadPolicies(Message, answer="PoliciesReply"):
    """Every policy that ever decided, the newest first; for people with the permission ``audit`` or ``explain``."""

    login_id: str | None = wire.added(2, default=None)
    """Who asks; ``None``: the operator (admin socket)."""


@dataclass(frozen=True, slots=True)
class LoadPolicy(Message, answer="PolicyLoadReply"):
    """Reads the policy file again and puts it in force, as SIGHUP does; or only says what that would do."""

    dry_run: bool
    end_what_it_forbids: bool = wire.added(2, default=False, weakens=True)
    """Revoke the open grants that would not be given any more, also when the policy of the file is in force already."""
    accept: bool = wire.added(2, default=False, weakens=True)
    """Load it although it breaks what must never be, by the policy in force or by itself."""


@dataclass(frozen=True, slots=True)
class PolicyLoadReply(Reply):
    """The policy of the file, and which requests it affects."""

    digest: str
    rules: int
    changed: bool
    """Whether it is another one than was in force."""
    loaded: bool
    """Whether it is in force now."""
    closes: tuple[AffectedView, ...]
    """The open grants that give no further certificate."""
    ask_again: tuple[AffectedView, ...]
    """The waiting requests that have to be made again."""
    ended: tuple[AffectedView, ...] = wire.added(2, default=())
    """The open grants that were revoked, or with ``dry_run`` would be."""
    changed_files: tuple[str, ...] = wire.added(2, default=())
    """Files that are read at a start alone, and say something else by now."""
    sooner: tuple[AffectedView, ...] = wire.added(2, default=())
    """The open grants that end sooner than they would have: a freeze that begins later, say."""
    notes: tuple[str, ...] = wire.added(2, default=())
    """What else is to be known of it, a sentence each."""


@dataclass(frozen=True, slots=True)
class SentenceView:
    """What was found of a ``[[never]]``, up to the time ``until``; ``over``: its time had ended then."""

    name: str
    answer: Literal["proved", "broken", "undecided", "over"]
    until: int


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One time in which a policy was in force: from entry ``entry`` at ``loaded`` to ``replaced``, if it ended."""

    digest: str
    rules: int
    entry: int
    loaded: int
    replaced: int | None
    replaced_by: str | None
    """The digest of the policy that followed."""
    accepted: tuple[str, ...] = wire.added(2, default=())
    """What must never be and is by it: the operator accepted these sentences."""
    decided: tuple[SentenceView, ...] | None = wire.added(2, default=None)
    """What was found of its own sentences when it came into force; ``None``: nobody looked."""


@dataclass(frozen=True, slots=True)
class PoliciesReply(Reply):
    """The policies by when they were in force, the newest first."""

    policies: tuple[PolicyView, ...]


@dataclass(frozen=True, slots=True)
class Health(Message, answer="HealthReply"):
    """Asks whether the CA is well. Nothing in the answer is secret or personal.

    Also the first question on a connection: each side says which version it speaks. A CA of version 1 does not know the
    field, says so (``bad_message``), and is asked on as one of version 1.
    """

    version: int = wire.added(2, default=1)
    """What the asker speaks (``sshjit/versions.py``)."""
    checkpoint: str = wire.added(2, default="")
    """The newest checkpoint of the log that the asker holds. A CA whose log does not reach so far stops writing."""
    lineage: Lineage = wire.added(2, default="")
    """What the CA told beside that checkpoint, as it was told."""


@dataclass(frozen=True, slots=True)
class CheckView:
    """How a part of the CA is; ``problem`` is empty if all is well."""

    name: str
    """``database``, ``clock``, ``disk``, ``policy``, ``provider_keys``, ``sockets``."""
    problem: str


@dataclass(frozen=True, slots=True)
class HealthReply(Reply):
    """Whether the CA signs now, and if not, why."""

    ready: bool
    problems: tuple[str, ...]
    size: int
    policy: str
    time: int
    version: int = wire.added(2, default=1)
    """What the CA speaks."""
    oldest: int = wire.added(2, default=1)
    """The oldest version that the CA still serves."""
    release: str = wire.added(2, default="")
    """The CA's release."""
    checkpoint: str = wire.added(2, default="")
    """The signed checkpoint over everything that is durable, a C2SP signed note."""
    checks: tuple[CheckView, ...] = wire.added(2, default=())
    """Each part by its name."""
    lineage: str = wire.added(2, default="")
    """To be kept with ``checkpoint``, and handed back with it (``sshjit/lineage.py``)."""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """How the CA stands with a provider."""

    id: str
    problem: str
    """``ok``, or what is wrong."""
    age: int | None
    """Seconds since its keys were fetched; ``None`` if they never were."""
    sign_ins: int = wire.added(2, default=0)
    """Since the CA started."""
    groups_missing: tuple[str, ...] = wire.added(2, default=())
    """Names and paths of ``groups_claim`` that none of these had."""


@dataclass(frozen=True, slots=True)
class WitnessView:
    """How far a witness is with the log."""

    name: str
    url: str
    size: int
    """Entries under the newest head that it signed; 0 if it signed none."""
    time: int
    """When it signed that, by its own clock."""
    problem: str
    """Why it did not sign the newest; empty if all is well."""


@dataclass(frozen=True, slots=True)
class PlaceView:
    """How far a place outside is that gets the log's checkpoints."""

    name: str
    size: int
    """Entries under the newest checkpoint that it got since the CA started; 0 if it got none."""
    time: int
    """When that was."""
    problem: str
    """Why it did not get the newest; empty if all is well."""


@dataclass(frozen=True, slots=True)
class Status(Message, answer="StatusReply"):
    """The operator's view of the CA (admin socket)."""


@dataclass(frozen=True, slots=True)
class StatusReply(Reply):
    """What ``ssh-jit-ca status`` prints."""

    installation: str
    ready: bool
    problems: tuple[str, ...]
    started: int
    time: int
    size: int
    head: str
    """Merkle root, hex."""
    checkpoint: str
    """The newest signed checkpoint, a C2SP signed note."""
    last_entry: int
    """When the last entry was written."""
    epoch: int
    """The upper part of the serials that are given out now."""
    state_digest: str
    """SHA-256 (hex) of the state folded from the log: equal states have equal digests."""
    policy: str
    policy_rules: int
    keys: tuple[KeyStanding, ...]
    """The keys that sign or will, each of them tried just now."""
    providers: tuple[ProviderView, ...]
    database: str
    """``sqlite`` or ``postgresql``."""
    clock_drift: int
    """Milliseconds that the clock moved against the machine's boot clock."""
    disk_free: int
    """Bytes left beside the log."""
    disk_reserved: bool
    """Whether there is disk in reserve for revoking."""
    hosts: int
    live_logins: int
    pending: int
    live_grants: int
    live_certificates: int
    hosts_ending: tuple[tuple[str, int], ...] = wire.added(2, default=())
    """Names of hosts whose certificates nobody renewed in time, and until when those last."""
    witnesses: tuple[WitnessView, ...] = wire.added(2, default=())
    changed_files: tuple[str, ...] = wire.added(2, default=())
    """Files that are read at a start alone, and say something else by now."""
    places: tuple[PlaceView, ...] = wire.added(2, default=())


@dataclass(frozen=True, slots=True)
class ConfirmClock(Message, answer="ClockReply"):
    """The clock jumped, an operator has looked at it, and it is right now."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClockReply(Reply):
    """The time from which on the CA signs again, and by how many seconds the clock had moved."""

    time: int
    drift: int


@dataclass(frozen=True, slots=True)
class SignEmergency(Message, answer="EmergencyReply"):
    """A certificate past every rule, for minutes, on the operator's word."""

    login: str
    hosts: Hosts
    """Names or aliases of enrolled hosts."""
    key: KeyLine
    """The public key as an OpenSSH line."""
    reason: str
    lifetime: int
    """Seconds, a quarter of an hour at most."""


@dataclass(frozen=True, slots=True)
class EmergencyReply(Reply):
    """The certificate, and under which id it stands in the log."""

    emergency: str
    text: str
    serial: int
    principals: tuple[str, ...]
    valid_before: int
    routes: tuple[RouteView, ...] = wire.added(2, default=())
    """How to reach the hosts; empty where the database was down."""
    bastions: tuple[BastionView, ...] = wire.added(2, default=())
    """How to pass through to those that are behind one."""

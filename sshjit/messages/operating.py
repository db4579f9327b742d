"""The CA seen whole: its log, bundle, policy, and how it is."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.keys import KeyStanding


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of the log: the fact, and the detail as long as it is kept."""

    index: int
    time: int
    kind: str
    summary: str
    """One line for people, made from fact and detail."""
    fact: str
    """The fact's canonical JSON: the bytes of the leaf."""
    detail: str | None
    """The detail's canonical JSON, or ``None`` when it was erased."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A page of the log. Over the web door it needs the permission ``audit``, or shows the login's own entries only."""

    login_id: str | None
    before: int | None
    """Entries with a lower index than this one; ``None`` starts at the newest."""
    limit: int
    after: int | None = None
    """Instead of ``before``: entries with a higher index than this one, oldest first."""
    person: str | None = None
    """Only what is about somebody: a subject's id, or the name or address of one or more people."""
    host: str | None = None
    """Only what is about a host, by its name."""
    kind: str | None = None
    """Only entries of this kind."""
    since: int | None = None
    until: int | None = None
    """Only entries from ``since`` to before ``until``, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class LogReply:
    """Entries, newest first (oldest first with ``after``), and the head they were read under."""

    entries: tuple[EntryView, ...]
    size: int
    checkpoint: str
    """The newest signed checkpoint, as a C2SP signed note."""
    own_only: bool
    next: int | None = None
    """Where to go on (as ``before``, or ``after``); ``None``: nothing more is there to look at."""


@dataclass(frozen=True, slots=True)
class ReadTile:
    """A tile or an entry bundle of the log, by its C2SP tlog-tiles name."""

    name: str


@dataclass(frozen=True, slots=True)
class TileReply:
    """The tile's bytes, base64."""

    data: str


@dataclass(frozen=True, slots=True)
class ReadProof:
    """The proof that the certificate with this serial is in the log."""

    serial: int


@dataclass(frozen=True, slots=True)
class ProofReply:
    """The proof's text, a C2SP tlog-proof whose extra data is the entry's fact."""

    proof: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Erases the details of entries older than ``before`` that nothing alive needs (admin door)."""

    before: int
    dry_run: bool
    """Only counts."""


@dataclass(frozen=True, slots=True)
class ForgetReply:
    """How many details go, and how many as old are still needed."""

    erased: int
    kept: int
    people: int
    """Subjects that the CA does not know any more."""


@dataclass(frozen=True, slots=True)
class ReadBundle:
    """The signed bundle. ``have`` is the sequence that the asker already has."""

    have: int | None


@dataclass(frozen=True, slots=True)
class BundleReply:
    """The bundle's exact text and its armoured SSHSIG; both ``None`` if ``have`` is the newest."""

    sequence: int
    bundle: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """The text of a policy."""

    digest: str | None = None
    """Its SHA-256 (hex), or how that begins (admin door); ``None``: the policy in force."""


@dataclass(frozen=True, slots=True)
class PolicyReply:
    """A policy: its exact text and the SHA-256 (hex) of it."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class ReadPolicies:
    """Every policy that ever decided, the newest first (admin door)."""


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


@dataclass(frozen=True, slots=True)
class PoliciesReply:
    """The policies by when they were in force, the newest first."""

    policies: tuple[PolicyView, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """Asks whether the CA is well. Nothing in the answer is secret or personal."""


@dataclass(frozen=True, slots=True)
class HealthReply:
    """Whether the CA signs now, and if not, why."""

    ready: bool
    problems: tuple[str, ...]
    size: int
    policy: str
    time: int


@dataclass(frozen=True, slots=True)
class ProviderView:
    """How the CA stands with a provider."""

    id: str
    problem: str
    """``ok``, or what is wrong."""
    age: int | None
    """Seconds since its keys were fetched; ``None`` if they never were."""


@dataclass(frozen=True, slots=True)
class Status:
    """The operator's view of the CA (admin door)."""


@dataclass(frozen=True, slots=True)
class StatusReply:
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

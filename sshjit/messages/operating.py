"""The CA seen whole: its log, bundle, policy, and how it is."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.views import EntryView


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A page of the log. Over the web door it needs the permission ``audit``, or shows the login's own entries only."""

    login_id: str | None
    before: int | None
    """Entries with a lower index than this one; ``None`` starts at the newest."""
    limit: int


@dataclass(frozen=True, slots=True)
class LogReply:
    """Entries, newest first, and the head they were read under."""

    entries: tuple[EntryView, ...]
    size: int
    checkpoint: str
    """The newest signed checkpoint, as a C2SP signed note."""
    own_only: bool


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
    """The text of the policy in force."""


@dataclass(frozen=True, slots=True)
class PolicyReply:
    """The policy in force: its exact text and the SHA-256 (hex) of it."""

    text: str
    digest: str


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
    state_digest: str
    """SHA-256 (hex) of the state folded from the log: equal states have equal digests."""
    policy: str
    policy_rules: int
    keys: tuple[tuple[str, str], ...]
    """(purpose, fingerprint): ``user_ca``, ``host_ca``, ``bundle``, ``log``."""
    providers: tuple[tuple[str, str], ...]
    """(provider, ``ok`` or what is wrong)."""
    hosts: int
    live_logins: int
    pending: int
    live_grants: int
    live_certificates: int

"""What can happen: the kinds of log entries.

The log is the state: what the CA knows is these events, folded in order (``ca/sshjit_ca/state.py``). Each event has two
parts. The *fact* goes into the tree and stays for ever: kind, time, ids, digests, serials, nothing personal. The
*detail* (fields marked ``detail()``) holds names, addresses and reasons; the fact commits to it by a salted hash, so it
can be erased later without touching the tree.

Times are seconds since the epoch, durations seconds, digests SHA-256 in hex.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from sshjit import wire
from sshjit.errors import Invalid
from sshjit.messages import RequestState

Channel = Literal["web", "native"]
How = Literal["automatic", "reviewed", "break_glass"]


def detail() -> Any:
    """Marks a field as part of the detail."""
    return field(metadata={"detail": True})


@dataclass(frozen=True, slots=True)
class Started:
    """A writer took over the log. ``epoch`` is the upper part of the serials that follow."""

    epoch: int
    installation: str
    keys: tuple[tuple[str, str], ...]
    """(purpose, fingerprint)."""


@dataclass(frozen=True, slots=True)
class PolicyLoaded:
    """From here on this policy decides."""

    digest: str
    rules: int


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
    """``auth_time`` of the token, or its ``iat``."""
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
    """The Unix name for ``@own``."""
    key_line: str | None = detail()
    address: str = detail()


@dataclass(frozen=True, slots=True)
class LoginClosed:
    """A login is over before its time."""

    login: str


@dataclass(frozen=True, slots=True)
class StepAsked:
    """One approval step that the rule demands."""

    role: str
    count: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A person asked for access, and policy did not say no. Immutable: approvals are over its digest."""

    request: str
    subject: str
    login_id: str
    via: Channel
    rule: str
    policy: str
    duration: int
    pending: int
    use_by: int
    certificate: int
    hosts: tuple[str, ...] = detail()
    host_ids: tuple[str, ...] = detail()
    login: str = detail()
    action: str = detail()
    command: str | None = detail()
    reason: str = detail()
    address: str = detail()
    forwarding: tuple[str, ...] = detail()
    source: tuple[str, ...] = detail()
    verify_required: bool = detail()
    ends_by: int | None = detail()
    """The window closes here at the latest: closing hours, a timed deny."""
    steps: tuple[StepAsked, ...] = detail()


@dataclass(frozen=True, slots=True)
class Decided:
    """An approver said yes or no to the ask with this digest."""

    request: str
    subject: str
    login_id: str
    via: Channel
    verdict: Literal["approve", "deny"]
    digest: str
    signed: bool
    comment: str = detail()


@dataclass(frozen=True, slots=True)
class Opened:
    """The request is approved; its window is open."""

    request: str
    how: How
    ends: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The request reached a state that never changes."""

    request: str
    state: RequestState
    by: str | None
    """The subject who did it; ``None``: time, or the operator."""
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class Issued:
    """A user certificate was signed. The entry is durable before the certificate leaves."""

    serial: int
    request: str
    login_id: str
    certificate: str
    """Digest of the whole certificate in wire format."""
    valid_before: int
    policy: str
    rule: str
    person: str = detail()
    login: str = detail()
    hosts: tuple[str, ...] = detail()
    key: str = detail()


@dataclass(frozen=True, slots=True)
class HostIssued:
    """A host certificate was signed."""

    serial: int
    certificate: str
    valid_before: int
    host: str = detail()
    key: str = detail()


@dataclass(frozen=True, slots=True)
class CertificateRevoked:
    """One certificate is worthless before its time."""

    serial: int
    by: str | None
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class HostAdded:
    """A host is enrolled."""

    host_id: str = detail()
    name: str = detail()
    aliases: tuple[str, ...] = detail()
    address: str = detail()
    port: int = detail()
    labels: tuple[tuple[str, str], ...] = detail()
    host_keys: tuple[str, ...] = detail()


@dataclass(frozen=True, slots=True)
class BundleSigned:
    """Hosts and laptops are told something new."""

    sequence: int
    digest: str
    expires: int


@dataclass(frozen=True, slots=True)
class Turned:
    """A verified subject was refused something. ``count`` of the same since the last such entry."""

    subject: str
    login_id: str
    message: str
    code: str
    count: int
    asked: str = detail()
    """What was asked, in a few words."""
    answer: str = detail()


Event = (
    Started
    | PolicyLoaded
    | LoginOpened
    | LoginClosed
    | Asked
    | Decided
    | Opened
    | Closed
    | Issued
    | HostIssued
    | CertificateRevoked
    | HostAdded
    | BundleSigned
    | Turned
)

_NAMES: dict[type[Event], str] = {
    Started: "start",
    PolicyLoaded: "policy",
    LoginOpened: "login",
    LoginClosed: "logout",
    Asked: "ask",
    Decided: "decision",
    Opened: "grant",
    Closed: "close",
    Issued: "certificate",
    HostIssued: "host-certificate",
    CertificateRevoked: "revoke",
    HostAdded: "host",
    BundleSigned: "bundle",
    Turned: "refusal",
}
KINDS: dict[str, type[Event]] = {name: kind for kind, name in _NAMES.items()}
"""Events by the ``kind`` that entries carry."""


@cache
def _split(kind: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the fields of fact and detail."""
    marked = [(each.name, "detail" in each.metadata) for each in dataclasses.fields(kind)]
    return tuple(name for name, inside in marked if not inside), tuple(name for name, inside in marked if inside)


def kind_of(event: Event) -> str:
    """The ``kind`` of the entry that records ``event``."""
    return _NAMES[type(event)]


def take_apart(event: Event) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of fact and detail, ready for canonical JSON."""
    facts, details = _split(typing.cast("Any", type(event)))
    return (
        {name: wire.encode(getattr(event, name)) for name in facts},
        {name: wire.encode(getattr(event, name)) for name in details},
    )


def put_together(kind: str, fact: dict[str, Any], details: dict[str, Any]) -> Event:
    """The event of an entry with its detail. Raises ``Invalid``: ``unknown_kind``, ``bad_entry``, ``bad_message``."""
    if kind not in KINDS:
        raise Invalid("unknown_kind", f"entries of the kind {kind[:40]!r} are not known here")
    facts, inside = _split(typing.cast("Any", KINDS[kind]))
    if fact.keys() != set(facts) or details.keys() != set(inside):
        raise Invalid("bad_entry", f"fact and detail of {kind!r} are not divided as they should be")
    return wire.decode(KINDS[kind], {**fact, **details})

"""Which events there are, and how one becomes fact and detail and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any

from sshjit import canonical, wire
from sshjit.errors import Invalid
from sshjit.events.access import (
    Asked,
    CertificateRevoked,
    Closed,
    Commented,
    Decided,
    Escalated,
    Issued,
    Opened,
    Reviewed,
    Turned,
)
from sshjit.events.authority import BundleSigned, Forgot, PolicyLoaded, ProviderBound, RotaTaken, Started
from sshjit.events.emergency import ClockConfirmed, EmergencyIssued, Restored
from sshjit.events.hosts import (
    FleetInvited,
    HostAdded,
    HostChanged,
    HostDialectSet,
    HostInvited,
    HostIssued,
    HostJoined,
    HostKeyAdded,
    HostLabelled,
    HostRemoved,
    HostReported,
    HostShowed,
    InvitationEnded,
    JoinRefused,
)
from sshjit.events.keys import KeyActivated, KeyAdded, KeyDeactivated, KeyRetired
from sshjit.events.locks import Locked, Unlocked
from sshjit.events.passkeys import (
    PasskeyAccepted,
    PasskeyRefused,
    PasskeyRegistered,
    PasskeyRemoved,
    PasskeyUsed,
)
from sshjit.events.people import HardwareKeyRegistered, HardwareKeyRemoved, LoginClosed, LoginOpened
from sshjit.events.probes import HostsProbed, ProbeIssued
from sshjit.events.sessions import SessionEnded, SessionReportRefused, SessionStarted

Event = (
    Started
    | PolicyLoaded
    | ProviderBound
    | RotaTaken
    | LoginOpened
    | LoginClosed
    | Asked
    | Decided
    | Opened
    | Closed
    | Escalated
    | Commented
    | Reviewed
    | Issued
    | HostIssued
    | CertificateRevoked
    | HostAdded
    | HostInvited
    | HostJoined
    | HostLabelled
    | HostRemoved
    | HostReported
    | HostShowed
    | SessionStarted
    | SessionEnded
    | SessionReportRefused
    | HostChanged
    | HostDialectSet
    | HostKeyAdded
    | FleetInvited
    | InvitationEnded
    | JoinRefused
    | ProbeIssued
    | HostsProbed
    | HardwareKeyRegistered
    | HardwareKeyRemoved
    | PasskeyRegistered
    | PasskeyAccepted
    | PasskeyRemoved
    | PasskeyUsed
    | PasskeyRefused
    | Locked
    | Unlocked
    | KeyAdded
    | KeyActivated
    | KeyDeactivated
    | KeyRetired
    | EmergencyIssued
    | ClockConfirmed
    | Restored
    | BundleSigned
    | Forgot
    | Turned
)

_NAMES: dict[type[Event], str] = {
    Started: "start",
    PolicyLoaded: "policy",
    ProviderBound: "provider",
    RotaTaken: "rota",
    LoginOpened: "login",
    LoginClosed: "logout",
    Asked: "ask",
    Decided: "decision",
    Opened: "grant",
    Closed: "close",
    Escalated: "escalation",
    Commented: "comment",
    Reviewed: "review",
    Issued: "certificate",
    HostIssued: "host-certificate",
    CertificateRevoked: "revoke",
    HostAdded: "host",
    HostInvited: "host-invitation",
    HostJoined: "host-join",
    HostLabelled: "host-labels",
    HostRemoved: "host-removal",
    HostReported: "host-report",
    HostShowed: "host-identity",
    SessionStarted: "session",
    SessionEnded: "session-end",
    SessionReportRefused: "session-refusal",
    HostChanged: "host-change",
    HostDialectSet: "host-dialect",
    HostKeyAdded: "host-key",
    FleetInvited: "fleet-invitation",
    InvitationEnded: "invitation-end",
    JoinRefused: "join-refusal",
    ProbeIssued: "probe-certificate",
    HostsProbed: "probe",
    HardwareKeyRegistered: "hardware-key",
    HardwareKeyRemoved: "hardware-key-removal",
    PasskeyRegistered: "passkey",
    PasskeyAccepted: "passkey-acceptance",
    PasskeyRemoved: "passkey-removal",
    PasskeyUsed: "passkey-use",
    PasskeyRefused: "passkey-refusal",
    Locked: "lock",
    Unlocked: "unlock",
    KeyAdded: "key",
    KeyActivated: "key-turn",
    KeyDeactivated: "key-rest",
    KeyRetired: "key-end",
    EmergencyIssued: "emergency",
    ClockConfirmed: "clock",
    Restored: "restore",
    BundleSigned: "bundle",
    Forgot: "forget",
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


def split(event: Event) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of fact and detail, ready for canonical JSON."""
    facts, details = _split(typing.cast("Any", type(event)))
    fields = wire.encode(event)
    return {name: fields[name] for name in facts}, {name: fields[name] for name in details}


def encode(event: Event) -> tuple[str, str]:
    """The fields of fact and detail as canonical JSON."""
    fact, detail = split(event)
    return canonical.dumps(fact).decode("ascii"), canonical.dumps(detail).decode("ascii")


def join(kind: str, fact: dict[str, Any], details: dict[str, Any]) -> Event:
    """The event of an entry with its detail. Fields that came later than the entry take their defaults.

    Raises:
        Invalid: ``newer_log`` for a kind, a field or a word that is not known here, but may be to a newer version;
            ``bad_entry``, ``bad_message`` for what cannot be an entry at all.

    """
    known = KINDS.get(kind)
    if known is None:
        raise Invalid("newer_log", f"entries of the kind {kind[:40]!r} are not known here")
    facts, inside = (frozenset(names) for names in _split(typing.cast("Any", known)))
    misplaced = fact.keys() & (inside | details.keys()) or details.keys() & facts
    if misplaced or not _first(typing.cast("Any", known)) <= fact.keys() | details.keys():
        raise Invalid("bad_entry", f"fact and detail of {kind!r} are not divided as they should be")
    try:
        return wire.decode(known, {**fact, **details})
    except wire.Unknown as error:
        raise Invalid("newer_log", f"in an entry of the kind {kind!r}, {error.message}") from None


@cache
def _first(kind: Any) -> frozenset[str]:
    """The fields that entries of this kind always had."""
    return frozenset(field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING)


def blank(kind: str, fact: dict[str, Any]) -> Event:
    """The event of an entry whose detail was erased: the fact, and nothing where the detail was.

    No event that ever happened has such a detail (a sign-in without a provider, an ask without a host), so that the
    fold can tell them apart. Raises as ``join``.
    """
    return join(kind, fact, blanks(kind) if kind in KINDS else {})


@cache
def blanks(kind: str) -> dict[str, Any]:
    """The fields of a detail that was erased, with nothing in them. Raises ``KeyError`` for a kind that is unknown."""
    event: Any = KINDS[kind]
    hints, inside = typing.get_type_hints(event), _split(event)[1]
    return {name: _nothing(hints[name]) for name in inside}


def _nothing(hint: Any) -> Any:
    """Text without letters, a list without items, no number: ``None`` where that is allowed."""
    if types.NoneType in typing.get_args(hint):
        return None
    if typing.get_origin(hint) is tuple:
        return []
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)[0]
    return hint()

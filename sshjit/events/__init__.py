"""What can happen: the kinds of log entries.

The log is the state: what the CA knows is these events, folded in order (``ca/sshjit_ca/state/``). Each event has two
parts. The *fact* goes into the tree and stays for ever: kind, time, ids, digests, serials, nothing personal. The
*detail* (fields marked ``detail()``) holds names, addresses and reasons; the fact commits to it by a salted hash, so it
can be erased later without touching the tree.

Times are seconds since the epoch, durations seconds, digests SHA-256 in hex.
"""

from __future__ import annotations

from sshjit.events.access import (
    Asked,
    CertificateRevoked,
    Closed,
    Commented,
    Counted,
    Decided,
    Escalated,
    Issued,
    Opened,
    Reviewed,
    RotaSaid,
    StepAsked,
    TicketSaid,
    Turned,
)
from sshjit.events.authority import (
    BundleSigned,
    Forgot,
    PolicyLoaded,
    ProviderBound,
    RotaTaken,
    SentenceDecided,
    Started,
)
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
    JoinProblem,
    JoinRefused,
)
from sshjit.events.keys import KeyActivated, KeyAdded, KeyDeactivated, KeyRetired
from sshjit.events.locks import Locked, Unlocked
from sshjit.events.parts import Channel, How
from sshjit.events.passkeys import (
    PasskeyAccepted,
    PasskeyRefused,
    PasskeyRegistered,
    PasskeyRemoved,
    PasskeyUsed,
)
from sshjit.events.people import HardwareKeyRegistered, HardwareKeyRemoved, LoginClosed, LoginOpened
from sshjit.events.probes import HostsProbed, ProbedHost, ProbeIssued, ProbePurpose, ProbeVerdict
from sshjit.events.sessions import SessionEnded, SessionReportRefused, SessionStarted
from sshjit.events.table import KINDS, Event, blank, blanks, encode, join, kind_of, split

__all__ = [
    "KINDS",
    "Asked",
    "BundleSigned",
    "CertificateRevoked",
    "Channel",
    "ClockConfirmed",
    "Closed",
    "Commented",
    "Counted",
    "Decided",
    "EmergencyIssued",
    "Escalated",
    "Event",
    "FleetInvited",
    "Forgot",
    "HardwareKeyRegistered",
    "HardwareKeyRemoved",
    "HostAdded",
    "HostChanged",
    "HostDialectSet",
    "HostInvited",
    "HostIssued",
    "HostJoined",
    "HostKeyAdded",
    "HostLabelled",
    "HostRemoved",
    "HostReported",
    "HostShowed",
    "HostsProbed",
    "How",
    "InvitationEnded",
    "Issued",
    "JoinProblem",
    "JoinRefused",
    "KeyActivated",
    "KeyAdded",
    "KeyDeactivated",
    "KeyRetired",
    "Locked",
    "LoginClosed",
    "LoginOpened",
    "Opened",
    "PasskeyAccepted",
    "PasskeyRefused",
    "PasskeyRegistered",
    "PasskeyRemoved",
    "PasskeyUsed",
    "PolicyLoaded",
    "ProbeIssued",
    "ProbePurpose",
    "ProbeVerdict",
    "ProbedHost",
    "ProviderBound",
    "Restored",
    "Reviewed",
    "RotaSaid",
    "RotaTaken",
    "SentenceDecided",
    "SessionEnded",
    "SessionReportRefused",
    "SessionStarted",
    "Started",
    "StepAsked",
    "TicketSaid",
    "Turned",
    "Unlocked",
    "blank",
    "blanks",
    "encode",
    "join",
    "kind_of",
    "split",
]

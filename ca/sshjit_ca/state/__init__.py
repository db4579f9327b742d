"""What the CA knows: the events of the log, folded in order.

``apply`` is the only way in. It takes no decisions: what an event says has happened. Two CAs that read the same log
know the same, and ``digest`` shows it. Raise ``_RULES`` with every change of what a fold does: snapshots that were made
by other rules, or of a state with other fields, are not used.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any

from sshjit import events
from sshjit.events import Event
from sshjit_ca.state import access, authority, codec, hosts, keys, locks, passkeys, people, pruning
from sshjit_ca.state.model import State
from sshjit_ca.state.records import (
    CaKey,
    Certificate,
    Emergency,
    Fleet,
    HardwareKey,
    Host,
    Lock,
    Login,
    Passkey,
    RotaRecord,
)

__all__ = [
    "FOLD",
    "CaKey",
    "Certificate",
    "Emergency",
    "Fleet",
    "HardwareKey",
    "Host",
    "Lock",
    "Login",
    "Passkey",
    "RotaRecord",
    "State",
    "apply",
    "digest",
    "fold",
]

_RULES = 17
FOLD = _RULES << 20 | zlib.crc32(codec.shape().encode()) & 0xFFFFF
"""The version of the fold: of its rules, and of the state's fields, which need not be thought of."""


def apply(state: State, event: Event, index: int, time: int) -> None:
    """Folds one event, which stands at ``index`` in the log."""
    fold(state, event, time)
    keys.used(state, event, time)
    pruning.prune(state, time)
    state.size, state.time = index + 1, time


def fold(state: State, event: Event, time: int) -> None:
    """What one event changes by itself: for who looks at a few entries only."""
    _FOLDS[type(event)](state, event, time)


def digest(state: State) -> str:
    """SHA-256 (hex) over what is known, apart from where the log ends, who writes it, and the bundle's number."""
    return hashlib.sha256(codec.text(state, without=_PASSING)).hexdigest()


_PASSING = frozenset({"size", "time", "epoch", "sequence"})


def _nothing(_state: State, _event: Event, _time: int) -> None:
    """For events that are history alone."""


_FOLDS: dict[type[Event], Callable[[State, Any, int], None]] = {
    events.Started: authority.started,
    events.PolicyLoaded: authority.policy_loaded,
    events.ProviderBound: authority.provider_bound,
    events.RotaTaken: authority.rota_taken,
    events.LoginOpened: people.login_opened,
    events.LoginClosed: people.login_closed,
    events.Asked: access.asked,
    events.Decided: access.decided,
    events.Escalated: access.escalated,
    events.Opened: access.opened,
    events.Closed: access.closed,
    events.Commented: access.commented,
    events.Reviewed: access.reviewed,
    events.Issued: access.issued,
    events.HostIssued: hosts.host_issued,
    events.CertificateRevoked: access.certificate_revoked,
    events.HostAdded: hosts.host_added,
    events.HostInvited: hosts.host_invited,
    events.HostChanged: hosts.host_changed,
    events.FleetInvited: hosts.fleet_invited,
    events.InvitationEnded: hosts.invitation_ended,
    events.JoinRefused: _nothing,
    events.ProbeIssued: _nothing,
    events.HostsProbed: hosts.probed,
    events.HostJoined: hosts.host_joined,
    events.HostLabelled: hosts.host_labelled,
    events.HostShowed: hosts.host_showed,
    events.HostDialectSet: hosts.host_dialect_set,
    events.HostKeyAdded: hosts.host_key_added,
    events.HostRemoved: hosts.host_removed,
    events.HostReported: hosts.host_reported,
    events.SessionStarted: hosts.session_reported,
    events.SessionEnded: hosts.session_reported,
    events.SessionReportRefused: hosts.session_reported,
    events.HardwareKeyRegistered: people.hardware_key_registered,
    events.HardwareKeyRemoved: people.hardware_key_removed,
    events.PasskeyRegistered: passkeys.registered,
    events.PasskeyAccepted: passkeys.accepted,
    events.PasskeyRemoved: passkeys.removed,
    events.PasskeyUsed: passkeys.used,
    events.PasskeyRefused: _nothing,
    events.Locked: locks.locked,
    events.Unlocked: locks.unlocked,
    events.KeyAdded: keys.added,
    events.KeyActivated: keys.activated,
    events.KeyDeactivated: keys.deactivated,
    events.KeyRetired: keys.retired,
    events.EmergencyIssued: authority.emergency_issued,
    events.ClockConfirmed: _nothing,
    events.Restored: authority.restored,
    events.BundleSigned: authority.bundle_signed,
    events.Forgot: authority.forgotten,
    events.Turned: _nothing,
}

"""The state itself."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field

from sshjit.events import Event
from sshjit.requests import Request
from sshjit_ca.state.records import (
    BoundProvider,
    CaKey,
    Certificate,
    Emergency,
    Fleet,
    HardwareKey,
    Host,
    HostCertificate,
    Invited,
    Lock,
    Login,
    Passkey,
    Probed,
    Reported,
    RotaRecord,
)


@dataclass(slots=True)
class State:
    """Everything folded so far. Read it freely; only ``sshjit_ca.state.apply`` changes it."""

    size: int = 0
    time: int = 0
    """Time of the last entry."""
    epoch: int = 0
    policy: str = ""
    policy_since: int = 0
    """When it came into force."""
    providers: dict[str, BoundProvider] = field(default_factory=dict)
    """Id of a provider that somebody signed in by -> what it means."""
    rotas: dict[str, RotaRecord] = field(default_factory=dict)
    """Name of a rota -> what it says."""
    subjects: dict[str, str] = field(default_factory=dict)
    """``provider/subject claim`` -> subject id."""
    newest_login: dict[str, str] = field(default_factory=dict)
    """Subject -> its newest login."""
    emails: dict[str, frozenset[str]] = field(default_factory=dict)
    """Subject -> every address ever seen for it, as it came but for the case of A to Z."""
    accounts_at: dict[str, frozenset[str]] = field(default_factory=dict)
    """Mailbox (``sshjit.addresses.mailbox``) -> the subjects for which an address of it was ever seen."""
    seen_in: dict[str, int] = field(default_factory=dict)
    """``subject address`` -> the newest entry that says so, whose detail is needed as long as the subject is."""
    logins: dict[str, Login] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    """Digests of the ID tokens that were taken -> when: none is taken twice. Kept until too old to be taken."""
    own_names: dict[str, str] = field(default_factory=dict)
    """Unix name -> the one subject whose own it is, for ``@own``."""
    bound_keys: dict[str, str] = field(default_factory=dict)
    """Key fingerprint -> the one subject that it belongs to."""
    requests: dict[str, Request] = field(default_factory=dict)
    """What is open, and what ended in the last 30 days, oldest first; older ones are read from the log."""
    requests_of: dict[str, list[str]] = field(default_factory=dict)
    """Subject -> its requests, oldest first."""
    alike: dict[str, list[str]] = field(default_factory=dict)
    """``subject action host id`` -> the requests for that which nobody closed, oldest first (``request_index.py``)."""
    waiting: dict[str, list[str]] = field(default_factory=dict)
    """Subject -> its requests that nobody answered yet, oldest first; also those whose time to wait is over."""
    open: dict[str, int] = field(default_factory=dict)
    """Request that was approved, and that nobody closed -> when it was approved."""
    granted: dict[str, list[str]] = field(default_factory=dict)
    """Rule -> the requests under it that were approved, oldest first; not those that extend another."""
    unreviewed: dict[str, int] = field(default_factory=dict)
    """Break-glass access that nobody reviewed yet -> when it was opened."""
    extensions: dict[str, list[str]] = field(default_factory=dict)
    """Grant -> the requests to extend it, oldest first."""
    certificates: dict[int, Certificate] = field(default_factory=dict)
    certificates_of: dict[str, list[int]] = field(default_factory=dict)
    """Request -> the serials drawn from it, as long as its window could be open."""
    emergencies: dict[int, Emergency] = field(default_factory=dict)
    """Serial -> the certificate that an operator drew past every rule."""
    revoked: dict[int, int] = field(default_factory=dict)
    """Serial -> until when hosts must know it: the end of its grant's window."""
    ended: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Grant over before its time -> (when, until when hosts must know)."""
    extended: dict[str, int] = field(default_factory=dict)
    """Grant whose window was made longer -> when it closes now."""
    hosts: dict[str, Host] = field(default_factory=dict)
    """Name -> host."""
    host_names: dict[str, str] = field(default_factory=dict)
    """Name or alias -> name."""
    former_names: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Alias that a host gave up -> the host's id, and until when a certificate of it may still say that name."""
    machines: dict[str, int] = field(default_factory=dict)
    """Name -> how many machines ever had it."""
    invited: dict[str, Invited] = field(default_factory=dict)
    """Host id -> the token that it may join by."""
    fleets: dict[str, Fleet] = field(default_factory=dict)
    """Id -> the invitation of a fleet: until it is over, and as long as a host that joined by it is enrolled."""
    host_certificates: dict[int, HostCertificate] = field(default_factory=dict)
    """Serial -> a host certificate that may be alive."""
    reports: dict[str, Reported] = field(default_factory=dict)
    """Host id -> what it said last."""
    probes: dict[str, Probed] = field(default_factory=dict)
    """Host id -> how it was found by the last probe."""
    session_events: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Host id -> the number of the newest of its events about sessions, and the entry that says so."""
    hardware_keys: dict[str, HardwareKey] = field(default_factory=dict)
    """Fingerprint -> the hardware key that the operator vouches for."""
    passkeys: dict[str, Passkey] = field(default_factory=dict)
    """Id -> the passkey of somebody who approves, oldest first."""
    locks: dict[str, Lock] = field(default_factory=dict)
    """Lock -> what it locks, oldest first."""
    sequence: int = 0
    """The newest bundle's."""
    keys: dict[str, CaKey] = field(default_factory=dict)
    """Fingerprint -> a key of the CA's own, in the order in which they came."""
    succession: list[tuple[str, str, str]] = field(default_factory=list)
    """Of each change of the bundle's key: the old line, the new line, the old key's signature over the new line."""

    def subject_of(self, event: Event) -> str | None:
        """The subject that an event is about, to find it by."""
        subject = getattr(event, "subject", None)
        if subject is None and (request := self.requests.get(getattr(event, "request", ""))):
            return request.asked.subject
        return typing.cast("str | None", subject)

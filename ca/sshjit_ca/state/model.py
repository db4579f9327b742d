"""The state itself, and by which digest two of them are compared."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field

from sshjit import canonical, wire
from sshjit.events import Event
from sshjit.requests import Request
from sshjit_ca.state.records import Certificate, HardwareKey, Host, Invited, Lock, Login, Reported


@dataclass(slots=True)
class State:
    """Everything folded so far. Read it freely; only ``sshjit_ca.state.apply`` changes it."""

    size: int = 0
    time: int = 0
    """Time of the last entry."""
    epoch: int = 0
    policy: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    """``provider/subject claim`` -> subject id."""
    newest_login: dict[str, str] = field(default_factory=dict)
    """Subject -> its newest login."""
    emails: dict[str, frozenset[str]] = field(default_factory=dict)
    """Subject -> every address ever seen for it, case-folded."""
    logins: dict[str, Login] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    """Digests of the ID tokens that were taken: none is taken twice."""
    keys: dict[str, str] = field(default_factory=dict)
    """Key fingerprint -> the one subject that it belongs to."""
    requests: dict[str, Request] = field(default_factory=dict)
    requests_of: dict[str, list[str]] = field(default_factory=dict)
    """Subject -> its requests, oldest first."""
    certificates: dict[int, Certificate] = field(default_factory=dict)
    certificates_of: dict[str, list[int]] = field(default_factory=dict)
    """Request -> the serials drawn from it."""
    revoked: dict[int, int] = field(default_factory=dict)
    """Serial -> until when hosts must know it: the end of its grant's window."""
    ended: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Grant over before its time -> (when, until when hosts must know)."""
    hosts: dict[str, Host] = field(default_factory=dict)
    """Name -> host."""
    host_names: dict[str, str] = field(default_factory=dict)
    """Name or alias -> name."""
    machines: dict[str, int] = field(default_factory=dict)
    """Name -> how many machines ever had it."""
    invited: dict[str, Invited] = field(default_factory=dict)
    """Host id -> the token that it may join by."""
    reports: dict[str, Reported] = field(default_factory=dict)
    """Host id -> what it said last."""
    hardware_keys: dict[str, HardwareKey] = field(default_factory=dict)
    """Fingerprint -> the hardware key that the operator vouches for."""
    locks: dict[str, Lock] = field(default_factory=dict)
    """Lock -> what it locks, oldest first."""
    sequence: int = 0
    """The newest bundle's."""

    def digest(self) -> str:
        """SHA-256 (hex) over what is known, apart from where the log ends, who writes it, and the bundle's number."""
        known = {
            "subjects": self.subjects,
            "logins": {id_: wire.encode(login) for id_, login in self.logins.items()},
            "emails": {subject: sorted(found) for subject, found in self.emails.items()},
            "tokens": sorted(self.tokens),
            "keys": self.keys,
            "requests": {id_: wire.encode(request) for id_, request in self.requests.items()},
            "certificates": [wire.encode(each) for each in self.certificates.values()],
            "revoked": sorted(self.revoked.items()),
            "ended": sorted(self.ended.items()),
            "hosts": {name: wire.encode(host) for name, host in self.hosts.items()},
            "machines": self.machines,
            "invited": {host: wire.encode(each) for host, each in self.invited.items()},
            "reports": {host: wire.encode(each) for host, each in self.reports.items()},
            "hardware_keys": {key: wire.encode(each) for key, each in self.hardware_keys.items()},
            "locks": {lock: wire.encode(each) for lock, each in self.locks.items()},
            "policy": self.policy,
        }
        return canonical.digest(known)

    def subject_of(self, event: Event) -> str | None:
        """The subject that an event is about, to find it by."""
        subject = getattr(event, "subject", None)
        if subject is None and (request := self.requests.get(getattr(event, "request", ""))):
            return request.asked.subject
        return typing.cast("str | None", subject)

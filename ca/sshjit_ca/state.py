"""What the CA knows: the events of the log, folded in order.

``apply`` is the only way in. It takes no decisions: what an event says has happened. Two CAs that read the same log
know the same, and ``digest`` shows it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sshjit import canonical, events, requests, wire
from sshjit.events import Event
from sshjit.messages import RequestState
from sshjit.requests import Request


@dataclass(frozen=True, slots=True)
class Login:
    """A verified sign-in. ``opened`` is what the token said; ``time`` when the CA took it."""

    opened: events.LoginOpened
    time: int
    closed: bool = False

    def alive(self, now: int) -> bool:
        """Whether it can still be used."""
        return not self.closed and now < self.opened.expires


@dataclass(frozen=True, slots=True)
class Certificate:
    """A user certificate that was issued."""

    serial: int
    request: str
    valid_before: int


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled host."""

    id: str
    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]


@dataclass(slots=True)
class State:
    """Everything folded so far. Read it freely; only ``apply`` changes it."""

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
    sequence: int = 0
    """The newest bundle's."""

    def apply(self, event: Event, index: int, time: int) -> None:
        """Folds one event, which stands at ``index`` in the log."""
        _APPLY[type(event)](self, event, time)
        self.size, self.time = index + 1, time

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
            "policy": self.policy,
        }
        return canonical.digest(known)

    def subject_of(self, event: Event) -> str | None:
        """The subject that an event is about, to find it by."""
        subject = getattr(event, "subject", None)
        if subject is None and (request := self.requests.get(getattr(event, "request", ""))):
            return request.asked.subject
        return typing.cast("str | None", subject)


def _started(state: State, event: events.Started, _: int) -> None:
    state.epoch = event.epoch


def _policy_loaded(state: State, event: events.PolicyLoaded, _: int) -> None:
    state.policy = event.digest


def _login_opened(state: State, event: events.LoginOpened, time: int) -> None:
    subject = event.subject
    state.subjects[f"{event.provider}/{event.claim}"] = subject
    state.logins[event.login] = Login(event, time)
    state.newest_login[subject] = event.login
    state.tokens.add(event.token)
    if event.email:
        state.emails[subject] = state.emails.get(subject, frozenset()) | {event.email.casefold()}
    if event.key is not None:
        state.keys[event.key] = subject


def _login_closed(state: State, event: events.LoginClosed, _: int) -> None:
    state.logins[event.login] = replace(state.logins[event.login], closed=True)


def _asked(state: State, event: events.Asked, time: int) -> None:
    state.requests[event.request] = Request(event, time)
    state.requests_of.setdefault(event.subject, []).append(event.request)


def _decided(state: State, event: events.Decided, time: int) -> None:
    state.requests[event.request] = requests.decide(state.requests[event.request], event, time)


def _opened(state: State, event: events.Opened, time: int) -> None:
    state.requests[event.request] = requests.open_window(state.requests[event.request], event, time)


def _closed(state: State, event: events.Closed, time: int) -> None:
    before = state.requests[event.request]
    state.requests[event.request] = requests.close(before, event, time)
    if before.state is RequestState.APPROVED and before.ends is not None and time < before.ends:
        state.ended[before.id] = (time, before.ends)
        for serial in state.certificates_of.get(before.id, ()):
            state.revoked[serial] = before.ends


def _issued(state: State, event: events.Issued, time: int) -> None:
    state.requests[event.request] = requests.draw(state.requests[event.request], time)
    state.certificates[event.serial] = Certificate(event.serial, event.request, event.valid_before)
    state.certificates_of.setdefault(event.request, []).append(event.serial)


def _certificate_revoked(state: State, event: events.CertificateRevoked, _: int) -> None:
    certificate = state.certificates[event.serial]
    state.revoked[event.serial] = state.requests[certificate.request].ends or certificate.valid_before


def _host_added(state: State, event: events.HostAdded, _: int) -> None:
    state.hosts[event.name] = Host(
        event.host_id, event.name, event.aliases, event.address, event.port, event.labels, event.host_keys
    )
    state.machines[event.name] = state.machines.get(event.name, 0) + 1
    for name in (event.name, *event.aliases):
        state.host_names[name] = event.name


def _bundle_signed(state: State, event: events.BundleSigned, _: int) -> None:
    state.sequence = event.sequence


def _nothing(_state: State, _event: Event, _time: int) -> None:
    """For events that are history alone."""


_APPLY: dict[type[Event], Callable[[State, Any, int], None]] = {
    events.Started: _started,
    events.PolicyLoaded: _policy_loaded,
    events.LoginOpened: _login_opened,
    events.LoginClosed: _login_closed,
    events.Asked: _asked,
    events.Decided: _decided,
    events.Opened: _opened,
    events.Closed: _closed,
    events.Issued: _issued,
    events.HostIssued: _nothing,
    events.CertificateRevoked: _certificate_revoked,
    events.HostAdded: _host_added,
    events.BundleSigned: _bundle_signed,
    events.Turned: _nothing,
}

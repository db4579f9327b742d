"""What was changed: hosts, keys, locks, policies, and the CA itself, as rows.

Every method of ``Changes`` is called before its entry is folded, with the state as it was then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sshjit import events, passkeys
from sshjit.policy import Bastion, Host
from sshjit_ca.log.summaries import JOIN_PROBLEMS
from sshjit_ca.report.columns import FIRST, NORMAL
from sshjit_ca.report.people import People
from sshjit_ca.report.period import Place
from sshjit_ca.report.spool import Row, Spool
from sshjit_ca.state import Lock, State

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class HostRecord:
    """A host of the period. ``labels`` are all that it carried in it, the newest last.

    ``ways`` are the bastions (ids) that it was behind in it, empty for none; ``jump_login`` is the newest of a bastion.
    """

    id: str
    name: str
    labels: dict[Labels, None] = field(default_factory=dict)
    enrolled: bool = True
    ways: dict[str, None] = field(default_factory=lambda: {"": None})
    jump_login: str = ""

    def as_policy_sees(self, others: Mapping[str, HostRecord]) -> list[Host]:
        """The host, once for each set of labels and each way to it. ``others``: all hosts, by id."""
        ways = [way for via in self.ways for way in _ways(others.get(via))]
        return [Host(self.id, self.name, labels, way) for labels in self.labels for way in ways]


def _ways(bastion: HostRecord | None) -> list[Bastion | None]:
    if bastion is None:
        return [None]
    return [Bastion(Host(bastion.id, bastion.name, labels), bastion.jump_login) for labels in bastion.labels]


@dataclass(slots=True)
class PolicyInForce:
    """A policy, and when it decided. ``end`` ``None``: it still did when the period ended.

    ``decided`` is what the log says was found of its sentences when it was put in force, at ``loaded``.
    """

    digest: str
    start: int
    end: int | None = None
    loaded: int = 0
    decided: tuple[events.SentenceDecided, ...] | None = None


class Changes:
    """Entries about hosts, keys, locks, policies and the CA."""

    def __init__(self, spool: Spool, people: People) -> None:
        self._spool, self._people = spool, people
        self.hosts: dict[str, HostRecord] = {}
        self.policies: list[PolicyInForce] = []
        self._before: PolicyInForce | None = None
        self.rotas: dict[str, set[str]] = {}
        """Rota -> its texts that counted in the period."""
        self._locks: dict[str, Lock] = {}

    def begin(self, state: State, first: int) -> None:
        """The period begins: what is enrolled, locked and in force then."""
        for host in state.hosts.values():
            self._add(host.id, host.name, host.labels, host.via, host.jump_login)
        self._locks.update(state.locks)
        self.rotas = {name: {rota.text} for name, rota in state.rotas.items()}
        if state.policy:
            before = self._before or PolicyInForce(state.policy, first)
            self.policies.append(replace(before, start=first))

    def finish(self, state: State) -> None:
        """The period ends: locks that are still in force become rows."""
        for lock in self._locks.values():
            self._lock(lock, None, "", "")
        for record in self.hosts.values():
            record.enrolled = state.hosts.get(record.name) is not None and state.hosts[record.name].id == record.id

    def policy_before(self, event: events.PolicyLoaded, time: int) -> None:
        """A policy came into force before the period."""
        self._before = PolicyInForce(event.digest, time, None, time, event.decided)

    def policy_loaded(self, event: events.PolicyLoaded, time: int) -> None:
        """A policy came into force."""
        if self.policies:
            if self.policies[-1].digest == event.digest:
                return
            self.policies[-1].end = time
        self.policies.append(PolicyInForce(event.digest, time, None, time, event.decided))

    def rota_taken(self, event: events.RotaTaken) -> None:
        """A rota says something new."""
        self.rotas.setdefault(event.rota, set()).add(event.text)

    def host_added(self, event: events.HostAdded, at: Place) -> None:
        """A host was enrolled."""
        self._add(event.host_id, event.name, event.labels, event.via, event.jump_login)
        by = self._people.who(event.by) if event.invitation is None else f"the host, by {event.invitation}"
        self._host(at, (at.time, at.number, event.name, event.host_id, "enrolled", (), _pairs(event.labels), by, ""))

    def _add(self, host_id: str, name: str, labels: Labels, via: str, jump_login: str) -> None:
        self.hosts[host_id] = HostRecord(host_id, name, {labels: None}, ways={via: None}, jump_login=jump_login)

    def join_refused(self, event: events.JoinRefused, at: Place) -> None:
        """Somebody came with a token that does not count."""
        by, why = event.invitation or "a one-time token", JOIN_PROBLEMS[event.problem]
        self._host(at, (at.time, at.number, event.name, "", "refused", (), (), by, why))

    def host_joined(self, event: events.HostJoined, at: Place) -> None:
        """A host joined with its token."""
        record = self.hosts[event.host_id]
        record.jump_login = event.jump_login or record.jump_login
        self._host(at, (at.time, at.number, event.name, event.host_id, "joined", (), (), "the host", ""))

    def host_labelled(self, event: events.HostLabelled, state: State, at: Place) -> None:
        """The labels of a host changed."""
        before = state.hosts[event.name].labels
        labels = self.hosts[event.host_id].labels
        labels.pop(event.labels, None)
        labels[event.labels] = None
        row = (at.time, at.number, event.name, event.host_id, "relabelled", _pairs(before), _pairs(event.labels))
        self._host(at, (*row, self._people.who(event.by), ""))

    def host_changed(self, event: events.HostChanged, at: Place) -> None:
        """Aliases, address, accounts of a host, or the way to it, changed."""
        record = self.hosts[event.host_id]
        record.ways[event.via], record.jump_login = None, event.jump_login
        row = (at.time, at.number, event.name, event.host_id, "changed", (), (), self._people.who(event.by))
        way = (
            f"{f'via {event.via} ' if event.via else ''}{f'bastion by {event.jump_login}' if event.jump_login else ''}"
        )
        self._host(at, (*row, f"{event.address} port {event.port} {' '.join(event.aliases)} {way}".strip()))

    def host_trust(self, event: events.HostDialectSet | events.HostKeyAdded, at: Place) -> None:
        """A host trusts other keys, or has one more."""
        if isinstance(event, events.HostDialectSet):
            by, what = self._people.who(None), "post-quantum only" if event.post_quantum_only else "every CA key"
        else:
            by, what = "the host", f"one more host key: {event.host_key.partition(' ')[0]}"
        self._host(at, (at.time, at.number, event.name, event.host_id, "changed", (), (), by, what))

    def host_removed(self, event: events.HostRemoved, state: State, at: Place) -> None:
        """A host was removed."""
        before = _pairs(state.hosts[event.name].labels)
        by = {"removed": self._people.who(event.by), "left": "the host", "absent": "the CA"}[event.cause]
        self._host(at, (at.time, at.number, event.name, event.host_id, "removed", before, (), by, event.reason))

    def _host(self, at: Place, row: Row) -> None:
        self._spool.add("host_changes", row, place=at.number)

    def locked(self, event: events.Locked, time: int) -> None:
        """Something was locked."""
        self._locks[event.lock] = Lock(
            event.lock, event.kind, event.target, event.subjects, event.by, event.reason, time
        )

    def unlocked(self, event: events.Unlocked, time: int) -> None:
        """Something was unlocked."""
        self._lock(self._locks.pop(event.lock), time, self._people.who(event.by), event.reason)

    def _lock(self, lock: Lock, until: int | None, by: str, why: str) -> None:
        people = ", ".join(self._people.who(subject) for subject in lock.subjects)
        target = people or lock.target or "everything"
        row = (lock.time, lock.id, lock.kind, target, self._people.who(lock.by), lock.reason, until, by, why)
        self._spool.add("locks", row, rank=FIRST if until is None else NORMAL, place=lock.time)

    def key(
        self, event: events.KeyAdded | events.KeyActivated | events.KeyDeactivated | events.KeyRetired, at: Place
    ) -> None:
        """A key of the CA was added, activated, deactivated or retired."""
        where = event.reference if isinstance(event, events.KeyAdded) else ""
        if isinstance(event, events.KeyRetired):
            change = "revoked" if event.revoked else "retired"
        else:
            resting = "resting" if isinstance(event, events.KeyDeactivated) else "active"
            change = "added" if isinstance(event, events.KeyAdded) else resting
        self._spool.add("keys", (at.time, at.number, event.purpose, change, event.key, "", where), place=at.number)

    def hardware_key(self, event: events.HardwareKeyRegistered | events.HardwareKeyRemoved, at: Place) -> None:
        """A hardware key was registered or removed."""
        change = "registered" if isinstance(event, events.HardwareKeyRegistered) else "removed"
        whose = self._people.who(event.subject)
        self._spool.add("keys", (at.time, at.number, "hardware key", change, event.key, whose, ""), place=at.number)

    def passkey(
        self,
        event: events.PasskeyRegistered | events.PasskeyAccepted | events.PasskeyRemoved | events.PasskeyRefused,
        at: Place,
    ) -> None:
        """A passkey was registered, accepted or removed, or refused because there may be a copy of it."""
        match event:
            case events.PasskeyRegistered():
                change, kind = "registered", passkeys.kind(device_bound=event.device_bound)
            case events.PasskeyAccepted():
                change, kind = f"accepted by {self._people.who(event.by)}", ""
            case events.PasskeyRemoved():
                change, kind = f"removed by {self._people.who(event.by)}", ""
            case events.PasskeyRefused():
                change, kind = f"refused: its counter went back from {event.held} to {event.counter}", ""
        row = (at.time, at.number, "passkey", change, event.passkey, self._people.who(event.subject), kind)
        self._spool.add("keys", row, place=at.number)

    def emergency(self, event: events.EmergencyIssued, at: Place) -> None:
        """A certificate was signed offline, past every rule."""
        row = (
            at.time,
            at.number,
            event.signed,
            event.serial,
            event.login,
            (f"{event.bastion} (only to pass through to {', '.join(event.hosts)})",) if event.bastion else event.hosts,
            event.valid_before,
            event.reason,
        )
        self._spool.add("emergencies", row, place=at.number)

    def operated(
        self,
        event: events.Started | events.ClockConfirmed | events.Restored | events.Forgot,
        at: Place,
    ) -> None:
        """What was done to the CA and the log."""
        match event:
            case events.Started(epoch=epoch):
                what, about, reason = "started", f"epoch {epoch}", ""
            case events.ClockConfirmed(drift=drift, reason=reason):
                what, about = "clock confirmed", f"{drift:+d} s against the machine's boot clock"
            case events.Restored(lost=lost, epoch=epoch, reason=reason):
                what, about = "restored", f"an older copy went on, in epoch {epoch}; {lost} entries known to be lost"
            case events.Forgot(erased=erased, before=before):
                day = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d")
                what, about, reason = "details erased", f"{erased} details of before {day}", ""
        self._spool.add("operations", (at.time, at.number, what, about, reason), place=at.number)


def _pairs(labels: Labels) -> tuple[str, ...]:
    return tuple(f"{label}={value}" for label, value in labels)

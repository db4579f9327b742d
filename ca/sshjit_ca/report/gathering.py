"""One pass over the log: it is folded from the first entry on, and the entries of the period fill the tables.

People, hosts, policies and locks are those of the period. The outcome of a request is the one at the log's head, so
that a review after the period is not missed. From before the period nothing is kept but the state itself and when each
rule was last used.
"""

from __future__ import annotations

import sqlalchemy as sa

from sshjit import events
from sshjit.events import Event
from sshjit_ca import state as states
from sshjit_ca.log import fast_reader
from sshjit_ca.report.activity import Activity, Tallies
from sshjit_ca.report.changes import Changes
from sshjit_ca.report.people import People
from sshjit_ca.report.period import Period, Place
from sshjit_ca.report.requests import Requests
from sshjit_ca.report.spool import Spool
from sshjit_ca.state import State
from sshjit_ca.storage import scan
from sshjit_ca.storage.schema import entries

_OF = entries.c
_COLUMNS = (_OF.number, _OF.time, _OF.kind, _OF.fact, _OF.detail)
_DAY = 24 * 3600


class Gathering:
    """What the log says about a period."""

    def __init__(self, spool: Spool, period: Period, *, certificates: bool) -> None:
        self.period = period
        self.state = State()
        self.people, self.tallies = People(), Tallies()
        self.changes = Changes(spool, self.people)
        self.erased = 0
        """Entries of the period whose details were erased."""
        self.locked: frozenset[str] = frozenset()
        """Who was locked when the period ended."""
        self._activity = Activity(spool, self.people, self.tallies, certificates=certificates)
        self._requests = Requests(spool, self.people, self.tallies, period)
        self._begun = self._over = False

    def run(self, connection: sa.Connection, end: int) -> None:
        """Takes every entry before ``end``. Raises as ``scanning.scan`` and the fold do, for a log that is broken."""
        state = self.state
        for index, time, kind, fact, detail in scan.scan(connection, _COLUMNS, 0, end):
            event = fast_reader.without_detail(kind, fact) if detail is None else fast_reader.event(kind, fact, detail)
            self._check_period(time)
            inside = self._begun and not self._over
            self._add_always(event, time)
            if inside:
                self._add(event, Place(index, time))
                self.erased += detail is None
            new_day = time // _DAY != state.time // _DAY
            states.apply(state, event, index, time)
            if inside and isinstance(event, events.LoginOpened):
                self.people.could_use(state, event.subject)
            if self._begun and (name := getattr(event, "request", None)) is not None:
                self._requests.refresh(state, name)
            if new_day:
                self._requests.drop_old(state, time)
        self._check_period(self.period.until)
        self._requests.finish(state.time)

    def _check_period(self, time: int) -> None:
        """Notices that the period begins or is over."""
        if not self._begun and time >= self.period.first:
            self._begun = True
            self.people.begin(self.state)
            self.changes.begin(self.state, self.period.first)
            self._requests.begin(self.state)
        if not self._over and time >= self.period.until:
            self._over = True
            self.changes.finish(self.state)
            self.locked = frozenset(subject for lock in self.state.locks.values() for subject in lock.subjects)

    def _add_always(self, event: Event, time: int) -> None:
        """What counts from the first entry on; of later ones, only who somebody is that nobody knew before."""
        match event:
            case events.Issued() if not self._over:
                self._activity.used(event, self.state.requests[event.request], time)
            case events.LoginOpened() if not self._over or event.subject not in self.people.known:
                self.people.signed_in(event, time)
            case events.PolicyLoaded() if not self._begun:
                self.changes.policy_before(event, time)
            case _:
                pass

    def _add(self, event: Event, at: Place) -> None:
        """An entry of the period."""
        name = getattr(event, "request", None)
        if name is not None:
            self._requests.follow(name)
            self._add_to_request(event, name, at)
        elif not self._add_activity(event, at):
            self._add_change(event, at)

    def _add_to_request(self, event: Event, name: str, at: Place) -> None:
        if isinstance(event, events.Asked):
            self._activity.requested(event)
            return
        request = self.state.requests[name]
        match event:
            case events.Issued():
                self._activity.issued(event, request, at)
            case events.Decided():
                self._activity.decided(event, request, at)
            case events.Commented():
                self._activity.commented(event, request, at)
            case events.Opened():
                self._activity.opened(event, request)
            case events.Closed():
                self._activity.closed(event, request, at)
            case _:
                pass

    def _add_activity(self, event: Event, at: Place) -> bool:
        match event:
            case events.LoginOpened():
                self._activity.signed_in(event)
            case events.LoginClosed():
                self._activity.signed_out(event, at)
            case events.CertificateRevoked():
                self._activity.certificate_revoked(event, self.state, at)
            case events.Turned():
                self._activity.refused(event, at)
            case events.HardwareKeyRemoved():
                self._activity.revoked(at, "hardware key", event.key, event.subject, by=None, reason=event.reason)
                self.changes.hardware_key(event, at)
            case events.HardwareKeyRegistered():
                self.changes.hardware_key(event, at)
            case events.PasskeyRemoved():
                self._activity.revoked(
                    at, "passkey", event.passkey, event.subject, by=event.by, reason=event.reason or "-"
                )
                self.changes.passkey(event, at)
            case events.PasskeyRegistered() | events.PasskeyAccepted() | events.PasskeyRefused():
                self.changes.passkey(event, at)
            case _:
                return False
        return True

    def _add_change(self, event: Event, at: Place) -> None:
        changes = self.changes
        match event:
            case events.PolicyLoaded():
                changes.policy_loaded(event, at.time)
            case events.RotaTaken():
                changes.rota_taken(event)
            case events.Locked():
                changes.locked(event, at.time)
            case events.Unlocked():
                changes.unlocked(event, at.time)
            case events.KeyAdded() | events.KeyActivated() | events.KeyDeactivated() | events.KeyRetired():
                changes.key(event, at)
            case events.EmergencyIssued():
                changes.emergency(event, at)
            case events.Started() | events.ClockConfirmed() | events.Restored() | events.Forgot():
                changes.operated(event, at)
            case _:
                self._add_host_change(event, at)

    def _add_host_change(self, event: Event, at: Place) -> None:
        match event:
            case events.HostAdded():
                self.changes.host_added(event, at)
            case events.HostChanged():
                self.changes.host_changed(event, at)
            case events.JoinRefused():
                self.changes.join_refused(event, at)
            case events.HostJoined():
                self.changes.host_joined(event, at)
            case events.HostLabelled():
                self.changes.host_labelled(event, self.state, at)
            case events.HostDialectSet() | events.HostKeyAdded():
                self.changes.host_trust(event, at)
            case events.HostRemoved():
                self.changes.host_removed(event, self.state, at)
            case _:
                pass

"""One pass over the log: it is folded from the first entry on, and the entries of the period fill the tables.

People, hosts, policies and locks are those of the period; how a request ended is told as it stands at the log's head,
so that a review that came after the period is not missed. Nothing of before the period is held but the state itself
and when each rule was last used.
"""

from __future__ import annotations

import sqlalchemy as sa

from sshjit import events
from sshjit.events import Event
from sshjit_ca import state as states
from sshjit_ca.log import fast_reader
from sshjit_ca.report.acts import Acts
from sshjit_ca.report.estate import Estate
from sshjit_ca.report.people import People
from sshjit_ca.report.period import Period, Place
from sshjit_ca.report.requests import Requests
from sshjit_ca.report.spool import Spool
from sshjit_ca.report.tallies import Tallies
from sshjit_ca.state import State
from sshjit_ca.storage import scanning
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
        self.estate = Estate(spool, self.people)
        self.erased = 0
        """Entries of the period whose details were erased."""
        self.locked: frozenset[str] = frozenset()
        """Who was locked when the period ended."""
        self._acts = Acts(spool, self.people, self.tallies, certificates=certificates)
        self._requests = Requests(spool, self.people, self.tallies, period)
        self._begun = self._over = False

    def run(self, connection: sa.Connection, end: int) -> None:
        """Takes every entry before ``end``. Raises as ``scanning.scan`` and the fold do, for a log that is broken."""
        state = self.state
        for index, time, kind, fact, detail in scanning.scan(connection, _COLUMNS, 0, end):
            event = fast_reader.without_detail(kind, fact) if detail is None else fast_reader.event(kind, fact, detail)
            self._turn(time)
            inside = self._begun and not self._over
            self._in_any_case(event, time, inside=inside)
            if inside:
                self._inside(event, Place(index, time))
                self.erased += detail is None
            new_day = time // _DAY != state.time // _DAY
            states.apply(state, event, index, time)
            if self._begun and (name := getattr(event, "request", None)) is not None:
                self._requests.refresh(state, name)
            if new_day:
                self._requests.let_go(state, time)
        self._turn(self.period.until)
        self._requests.finish(state.time)

    def _turn(self, time: int) -> None:
        """Notices that the period begins or is over."""
        if not self._begun and time >= self.period.first:
            self._begun = True
            self.people.begin(self.state)
            self.estate.begin(self.state, self.period.first)
            self._requests.begin(self.state)
        if not self._over and time >= self.period.until:
            self._over = True
            self.estate.finish(self.state)
            self.locked = frozenset(subject for lock in self.state.locks.values() for subject in lock.subjects)

    def _in_any_case(self, event: Event, time: int, *, inside: bool) -> None:
        """What counts from the first entry on; of later ones, only who somebody is that nobody knew before."""
        match event:
            case events.Issued() if not self._over:
                self._acts.drew(event, self.state.requests[event.request], time)
            case events.LoginOpened() if not self._over or event.subject not in self.people.known:
                self.people.signed_in(event, time, inside=inside)
            case _:
                pass

    def _inside(self, event: Event, at: Place) -> None:
        """An entry of the period."""
        name = getattr(event, "request", None)
        if name is not None:
            self._requests.follow(name)
            self._about_request(event, name, at)
        elif not self._about_people(event, at):
            self._about_estate(event, at)

    def _about_request(self, event: Event, name: str, at: Place) -> None:
        if isinstance(event, events.Asked):
            self._acts.asked(event)
            return
        request = self.state.requests[name]
        match event:
            case events.Issued():
                self._acts.issued(event, request, at)
            case events.Decided():
                self._acts.decided(event, request, at)
            case events.Commented():
                self._acts.commented(event, request, at)
            case events.Opened():
                self._acts.opened(event, request)
            case events.Closed():
                self._acts.closed(event, request, at)
            case _:
                pass

    def _about_people(self, event: Event, at: Place) -> bool:
        match event:
            case events.LoginOpened():
                self._acts.signed_in(event)
            case events.LoginClosed():
                self._acts.signed_out(event, at)
            case events.CertificateRevoked():
                self._acts.certificate_revoked(event, self.state, at)
            case events.Turned():
                self._acts.turned(event, at)
            case events.HardwareKeyRemoved():
                self._acts.revoked(at, "hardware key", event.key, event.subject, by=None, reason=event.reason)
                self.estate.hardware_key(event, at)
            case events.HardwareKeyRegistered():
                self.estate.hardware_key(event, at)
            case _:
                return False
        return True

    def _about_estate(self, event: Event, at: Place) -> None:
        estate = self.estate
        match event:
            case events.PolicyLoaded():
                estate.policy_loaded(event, at.time)
            case events.Locked():
                estate.locked(event, at.time)
            case events.Unlocked():
                estate.unlocked(event, at.time)
            case events.KeyAdded() | events.KeyActivated() | events.KeyRetired():
                estate.key(event, at)
            case events.EmergencyIssued():
                estate.emergency(event, at)
            case events.Started() | events.ClockConfirmed() | events.Restored() | events.Forgot():
                estate.operated(event, at)
            case _:
                self._about_host(event, at)

    def _about_host(self, event: Event, at: Place) -> None:
        match event:
            case events.HostAdded():
                self.estate.host_added(event, at)
            case events.HostJoined():
                self.estate.host_joined(event, at)
            case events.HostLabelled():
                self.estate.host_labelled(event, self.state, at)
            case events.HostRemoved():
                self.estate.host_removed(event, self.state, at)
            case _:
                pass

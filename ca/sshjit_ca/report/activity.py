"""What people did: entries about sign-ins, requests, decisions and certificates, as rows and counts.

Every method of ``Activity`` is called before its entry is folded, with the state as it was then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sshjit import events, passkeys
from sshjit.requests import Request
from sshjit_ca.report.columns import ERASED
from sshjit_ca.report.people import People
from sshjit_ca.report.period import Place
from sshjit_ca.report.spool import Spool
from sshjit_ca.state import State

QUICK = 60
"""Seconds: an approval sooner after the request is counted as quick."""


@dataclass(slots=True)
class PersonTally:
    """What one person did in the period."""

    sign_ins: int = 0
    requests: int = 0
    grants: int = 0
    certificates: int = 0
    refused: int = 0
    glass: int = 0
    approvals: int = 0


@dataclass(slots=True)
class HostTally:
    """What one host, by its id, was used for in the period."""

    requests: int = 0
    certificates: int = 0
    people: set[str] = field(default_factory=set)
    last: int | None = None


@dataclass(slots=True)
class RuleTally:
    """What one rule, by its name, decided in the period."""

    requests: int = 0
    grants: int = 0
    certificates: int = 0
    approvals: int = 0


@dataclass(slots=True)
class ApproverTally:
    """What one approver decided in the period."""

    approved: int = 0
    denied: int = 0
    signed: int = 0
    quick: int = 0
    requesters: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tallies:
    """Everything that is counted while the log is read."""

    people: defaultdict[str, PersonTally] = field(default_factory=lambda: defaultdict(PersonTally))
    hosts: defaultdict[str, HostTally] = field(default_factory=lambda: defaultdict(HostTally))
    rules: defaultdict[str, RuleTally] = field(default_factory=lambda: defaultdict(RuleTally))
    approvers: defaultdict[str, ApproverTally] = field(default_factory=lambda: defaultdict(ApproverTally))
    sign_ins: Counter[tuple[str, str]] = field(default_factory=Counter)
    with_mfa: Counter[tuple[str, str]] = field(default_factory=Counter)
    signed_in: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    used: set[tuple[str, str]] = field(default_factory=set)
    """(person, rule) of the certificates of the period."""
    last_use: dict[tuple[str, str], int] = field(default_factory=dict)
    """(person, rule) -> when the newest certificate was issued, since the first entry of the log."""
    rule_last_use: dict[str, int] = field(default_factory=dict)


class Activity:
    """Entries about people, in the period."""

    def __init__(self, spool: Spool, people: People, tallies: Tallies, *, certificates: bool) -> None:
        """``certificates``: whether each becomes a row, besides being counted."""
        self._spool, self._people, self._tallies = spool, people, tallies
        self._certificates = certificates

    def signed_in(self, event: events.LoginOpened) -> None:
        """Somebody signed in."""
        key = (event.provider or ERASED, event.via)
        self._tallies.sign_ins[key] += 1
        self._tallies.with_mfa[key] += event.mfa
        self._tallies.signed_in[key].add(event.subject)
        self._tallies.people[event.subject].sign_ins += 1

    def signed_out(self, event: events.LoginClosed, at: Place) -> None:
        """A sign-in ended; by somebody else, that is a revocation."""
        if event.by != event.subject:
            self.revoked(at, "sign-in", event.login, event.subject, by=event.by, reason=event.reason)

    def requested(self, event: events.Asked) -> None:
        """A request was made."""
        self._tallies.people[event.subject].requests += 1
        self._tallies.rules[event.rule].requests += 1
        for host in event.host_ids:
            self._tallies.hosts[host].requests += 1

    def decided(self, event: events.Decided, request: Request, at: Place) -> None:
        """A request was approved or denied."""
        waited = at.time - request.time
        tally = self._tallies.approvers[event.subject]
        if event.verdict == "approve":
            self._approved(event, request, tally, waited)
        else:
            tally.denied += 1
        row = (
            at.time,
            at.number,
            request.id,
            self._people.who(event.subject),
            self._people.who(request.asked.subject),
            event.verdict,
            passkeys.given(event) > passkeys.UNSIGNED,
            event.via,
            event.duration,
            waited,
            request.asked.rule,
            event.comment or ("" if request.asked.hosts else ERASED),
        )
        self._spool.add("decisions", row, place=at.number)

    def _approved(self, event: events.Decided, request: Request, tally: ApproverTally, waited: int) -> None:
        tally.approved += 1
        tally.signed += passkeys.given(event) > passkeys.UNSIGNED
        tally.quick += waited < QUICK
        tally.requesters[request.asked.subject] += 1
        tally.rules[request.asked.rule] += 1
        self._tallies.rules[request.asked.rule].approvals += 1
        self._tallies.people[event.subject].approvals += 1

    def commented(self, event: events.Commented, request: Request, at: Place) -> None:
        """Somebody commented on a request."""
        author, requester = self._people.who(event.subject), self._people.who(request.asked.subject)
        text = event.comment or ERASED
        row = (
            at.time,
            at.number,
            request.id,
            author,
            requester,
            "comment",
            False,
            event.via,
            None,
            at.time - request.time,
        )
        self._spool.add("decisions", (*row, request.asked.rule, text), place=at.number)

    def opened(self, event: events.Opened, request: Request) -> None:
        """A grant began. An extension is not a grant of its own."""
        if request.asked.extends is not None:
            return
        person = self._tallies.people[request.asked.subject]
        person.grants += 1
        person.glass += event.how == "break_glass"
        self._tallies.rules[request.asked.rule].grants += 1

    def closed(self, event: events.Closed, request: Request, at: Place) -> None:
        """A grant ended; if it was revoked, that is a row."""
        if event.state == "revoked":
            self.revoked(at, "grant", request.id, request.asked.subject, by=event.by, reason=event.reason)

    def used(self, event: events.Issued, request: Request, time: int) -> None:
        """A certificate was issued, in the period or before it."""
        subject = request.asked.subject
        self._tallies.last_use[subject, event.rule] = time
        self._tallies.rule_last_use[event.rule] = time

    def issued(self, event: events.Issued, request: Request, at: Place) -> None:
        """A certificate was issued in the period."""
        subject = request.asked.subject
        self._tallies.people[subject].certificates += 1
        self._tallies.rules[event.rule].certificates += 1
        self._tallies.used.add((subject, event.rule))
        for host in (event.bastion,) if event.bastion else request.asked.host_ids:
            tally = self._tallies.hosts[host]
            tally.certificates += 1
            tally.people.add(subject)
            tally.last = at.time
        if self._certificates:
            who, hosts = self._people.who(subject), event.hosts or (ERASED,)
            if event.bastion:
                hosts = (f"{event.bastion} (only to pass through to {', '.join(event.hosts)})",)
            row = (at.time, at.number, event.serial, event.request, who, event.login or ERASED, hosts, event.rule)
            self._spool.add(
                "certificates", (*row, event.policy, event.valid_before, event.certificate), place=at.number
            )

    def certificate_revoked(self, event: events.CertificateRevoked, state: State, at: Place) -> None:
        """A certificate was revoked."""
        known = state.certificates.get(event.serial)
        request = state.requests.get(known.request) if known is not None else None
        subject = request.asked.subject if request is not None else None
        self.revoked(at, "certificate", str(event.serial), subject, by=event.by, reason=event.reason)

    def revoked(self, at: Place, what: str, name: str, subject: str | None, *, by: str | None, reason: str) -> None:
        """Somebody ended what belongs to ``subject``; ``None``: an emergency certificate, which belongs to nobody."""
        whose = "nobody's: an emergency's" if subject is None else self._people.who(subject)
        row = (at.time, at.number, what, name, whose, self._people.who(by), reason or ERASED)
        self._spool.add("revocations", row, place=at.number)

    def refused(self, event: events.Turned, at: Place) -> None:
        """Something was refused to a person who had signed in."""
        self._tallies.people[event.subject].refused += event.count
        about, why = event.asked or (ERASED if not event.answer else event.message), event.answer or ERASED
        row = (at.time, at.number, self._people.who(event.subject), event.code, about, why, "", event.count)
        self._spool.add("refusals", row, place=at.time)

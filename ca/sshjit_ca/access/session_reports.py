"""What a host's report of a session is held against: the log, which has every certificate that was ever signed.

A host that was broken into can make up sessions, and hold back those that there are. It cannot make up a certificate:
one that the log does not know was signed by somebody who has the CA's key, or never was.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from sshjit import canonical, names, tlogproof, wire
from sshjit.api.host_sessions import ReportSessions, SessionEvent
from sshjit.errors import Invalid
from sshjit.events import EmergencyIssued, Issued, ProbeIssued, SessionEnded, SessionStarted
from sshjit.events.sessions import Known
from sshjit_ca.context import Context
from sshjit_ca.log import fast_reader, history
from sshjit_ca.state import Host
from sshjit_ca.storage.schema import entries as table

NAMESPACE = "sessions@ssh-jit"
WHYS = frozenset({"logout", "window", "certificate", "ended", "revoked", "restart"})
_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the log knows of a certificate, and the request that it was drawn from, if it was for this session."""

    known: Known
    request: str | None


def text(installation: str, report: ReportSessions) -> bytes:
    """What the host's key signs of a report: everything else in it."""
    said = wire.encode_said(report)
    del said["signature"]
    return f"ssh-jit sessions v1\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"


def check(report: ReportSessions) -> None:
    """That a report says what a host can say.

    Raises:
        Invalid: ``bad_message``, and what ``names`` refuses.

    """
    numbers = [event.number for event in report.events]
    if not numbers or numbers != sorted(set(numbers)) or not 0 <= report.lost < _LIMIT:
        raise Invalid("bad_message", "the events of a report have rising numbers")
    for event in report.events:
        if not all(0 <= number < _LIMIT for number in (event.number, event.time)) or not 0 <= event.serial < 2**64:
            raise Invalid("bad_message", "the report has numbers out of range")
        names.identifier(event.session)
        names.login_name(event.login)
        if event.why not in WHYS and not (event.kind == "start" and not event.why):
            raise Invalid("bad_message", "the report names an end that there is not")
        if not set(event.certificate) <= set("0123456789abcdef") or len(event.certificate) != 64:
            raise Invalid("bad_message", "the report names no certificate")
        if not event.source.isascii() or not event.source.isprintable() or not event.grant.isascii():
            raise Invalid("bad_message", "the report holds something else than addresses and grants")


def judge(context: Context, host: Host, event: SessionEvent) -> Judgement:
    """What the log knows of the certificate that opened a session on this host."""
    issued = _issued(context, event.serial)
    if issued is None or issued.certificate != event.certificate:
        return Judgement("unknown", None)
    if isinstance(issued, EmergencyIssued):
        here = not issued.hosts or (host.id in issued.hosts and event.login == issued.login)
        return Judgement("emergency" if here else "elsewhere", None)
    if isinstance(issued, ProbeIssued):
        for_it = issued.purpose == "enters" and f"{event.login}@{host.id}" == issued.principal
        return Judgement("probe" if for_it else "elsewhere", None)
    request = context.history.request(context.state, issued.request)
    asked = None if request is None else request.asked
    if issued.bastion:
        here = (host.id, event.login) == (issued.bastion, host.jump_login)
    else:
        here = asked is None or not asked.host_ids or (host.id in asked.host_ids and event.login == asked.login)
    return Judgement("granted" if here else "elsewhere", issued.request if here else None)


def _issued(context: Context, serial: int) -> Issued | EmergencyIssued | ProbeIssued | None:
    """The entry of a certificate: its serial says where, unless there was no log when it was signed."""
    if tlogproof.without_log(serial):
        few = (fast_reader.read(entry) for entry in context.store.of_kinds(("emergency",)))
        return next((each for each in few if isinstance(each, EmergencyIssued) and each.serial == serial), None)
    place = serial % tlogproof.SERIALS_PER_EPOCH
    query = sa.select(table).where(table.c.number == place)
    for row in context.store.select(query, newest_first=False, limit=1):
        event = history.read(row)
        if isinstance(event, Issued | EmergencyIssued | ProbeIssued) and event.serial == serial:
            return event
    return None


def recorded(host: Host, event: SessionEvent, judgement: Judgement, lost: int) -> SessionStarted | SessionEnded:
    """The event of the log."""
    if event.kind == "start":
        return SessionStarted(
            session=event.session,
            number=event.number,
            started=event.time,
            serial=event.serial,
            certificate=event.certificate,
            known=judgement.known,
            request=judgement.request,
            lost=lost,
            host_id=host.id,
            name=host.name,
            login=event.login,
            source=event.source,
            grant=event.grant,
        )
    return SessionEnded(
        session=event.session,
        number=event.number,
        ended=event.time,
        serial=event.serial,
        request=judgement.request,
        lost=lost,
        host_id=host.id,
        name=host.name,
        login=event.login,
        why=event.why,
    )

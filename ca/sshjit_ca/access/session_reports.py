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


def counts(number: int) -> bool:
    """Whether an event may have this number."""
    return 0 <= number < _LIMIT


def problem(event: SessionEvent, after: int) -> str:
    """What is wrong with an event that comes after the number ``after``; empty if nothing is."""
    try:
        _check(event, after)
    except Invalid as error:
        return error.message
    return ""


def _check(event: SessionEvent, after: int) -> None:
    if not counts(event.number) or not 0 <= event.time < _LIMIT or not 0 <= event.serial < 2**64:
        raise Invalid("bad_message", "it has numbers out of range")
    if event.number <= after:
        raise Invalid("bad_message", "its number is not higher than that of the one before it")
    names.identifier(event.session)
    names.login_name(event.login)
    if event.why not in WHYS and not (event.kind == "start" and not event.why):
        raise Invalid("bad_message", "it names an end that there is not")
    if not set(event.certificate) <= set("0123456789abcdef") or len(event.certificate) != 64:
        raise Invalid("bad_message", "it names no certificate")
    for text in (event.source, event.grant, event.key_id):
        if not text.isascii() or not text.isprintable():
            raise Invalid("bad_message", "it holds something else than an address, a grant and a key id")


def judge(context: Context, host: Host, event: SessionEvent) -> Judgement:
    """What the log knows of the certificate that opened a session on this host.

    Of one that it does not know the host's word is left: whether it is the recovery key's, or says that it is an
    emergency's. That is an alarm as well, and another one.
    """
    issued = _issued(context, event.serial)
    if issued is None or issued.certificate != event.certificate:
        return Judgement("recovery" if event.emergency else "unknown", None)
    if isinstance(issued, EmergencyIssued):
        here = not issued.hosts or (host.id in issued.hosts and event.login == issued.login)
        if issued.bastion:
            here = (host.id, event.login) == (issued.bastion, host.jump_login)
        return Judgement("emergency" if here else "elsewhere", None)
    if isinstance(issued, ProbeIssued):
        for_it = issued.purpose == "enters" and f"{event.login}@{host.id}" == issued.principal
        if issued.purpose == "passes":
            for_it = (host.id, event.login) == (issued.host_id, host.jump_login)
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
            key_id=event.key_id,
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

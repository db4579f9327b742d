"""Certificates past every rule, on the operator's word: for the hour in which nothing else works.

Login, hosts, key and reason stand in the log; the certificate lives a quarter of an hour at most and names hosts one by
one, as all do. With the CA running it is a message; with the CA down the operator's command takes the log over itself;
with the database down too, the record is spooled to the CA's home, durably, before the certificate is written, and
goes into the log when the CA next begins (``machine/spool.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from sshjit import names, profile, sshcert, sshkey
from sshjit.api.views import BastionView, RouteView
from sshjit.ca_protocol.operating import EmergencyReply, SignEmergency
from sshjit.errors import Failed, Invalid
from sshjit.events import CertificateRevoked, EmergencyIssued
from sshjit.profile import Issue, UserTerms
from sshjit.sshcert import Certificate
from sshjit_ca.access import issuance
from sshjit_ca.context import Context
from sshjit_ca.keys import Signer
from sshjit_ca.machine.spool import Spool

LONGEST = 15 * 60
"""Seconds that an emergency certificate lives at most."""


def revoke_all(context: Context, by: str | None, reason: str) -> int:
    """Revokes every emergency certificate that lives; how many those were."""
    alive = [
        each.serial
        for each in context.state.emergencies.values()
        if each.valid_before > context.now and each.serial not in context.state.revoked
    ]
    for serial in alive:
        context.record(CertificateRevoked(serial, by, reason))
    return len(alive)


def issued(
    number: str, message: SignEmergency, host_ids: tuple[str, ...], issue: Issue, signer: Signer
) -> tuple[EmergencyIssued, EmergencyReply]:
    """The certificate and what must be recorded, durably, before anybody gets it.

    Raises:
        Invalid: as ``sign_emergency``.

    """
    reason = names.free_text(message.reason, "the reason")
    if not reason:
        raise Invalid("no_reason", "give a reason", hint="--reason TEXT")
    if not 0 < message.lifetime <= LONGEST:
        raise Invalid("bad_lifetime", "an emergency certificate is valid for 15 minutes at most")
    terms = _terms(number, message, host_ids, issue.now)
    certificate = profile.user_certificate(terms, sshkey.parse_line(message.key), issue)
    event, line = _sealed(number, message, certificate, issue, signer)
    event = replace(event, login=message.login, hosts=host_ids, reason=reason)
    return event, EmergencyReply(number, line, certificate.serial, certificate.principals, certificate.valid_before)


def issued_for_bastion(  # noqa: PLR0917 - each is one part of the certificate
    number: str, message: SignEmergency, target: str, bastion: str, issue: Issue, signer: Signer
) -> tuple[EmergencyIssued, Certificate, str]:
    """The certificate that passes through a bastion to a host (ids) of the same emergency, its record and its line."""
    terms = _terms(number, message, (target,), issue.now)
    certificate = profile.bastion_certificate(terms, target, bastion, sshkey.parse_line(message.key), issue)
    event, line = _sealed(number, message, certificate, issue, signer)
    return replace(event, hosts=(target,), bastion=bastion), certificate, line


def _terms(number: str, message: SignEmergency, host_ids: tuple[str, ...], now: int) -> UserTerms:
    ends = now + message.lifetime
    return UserTerms(
        grant=number,
        subject="operator",
        person="emergency",
        login=message.login,
        host_ids=host_ids,
        command=None,
        forwarding=(),
        source=(),
        verify_required=False,
        lifetime=message.lifetime,
        grant_ends=ends,
        login_ends=ends,
    )


def _sealed(
    number: str, message: SignEmergency, certificate: Certificate, issue: Issue, signer: Signer
) -> tuple[EmergencyIssued, str]:
    """The certificate as one line, and its record without what it is for."""
    blob = issuance.sign_and_read_back(certificate, signer)
    event = EmergencyIssued(
        emergency=number,
        serial=certificate.serial,
        certificate=hashlib.sha256(blob).hexdigest(),
        signed=issue.now,
        valid_before=certificate.valid_before,
        login="",
        hosts=(),
        key=certificate.key.fingerprint,
        reason=message.reason,
        post_quantum=signer.public.post_quantum,
    )
    return event, sshcert.line(blob)


def sign_without_database(  # noqa: PLR0917 - each comes from elsewhere
    message: SignEmergency, signer: Signer, spool: Spool, now: int, random: Callable[[int], bytes], via: str = ""
) -> EmergencyReply:
    """Signs while there is no log to write to; ``hosts`` are ids then, since nobody can say which they are.

    ``via``: the id of the bastion that they are behind, or empty.
    Serials below 2^40 are in no epoch: they are drawn at random, and found in the spool and then by the log.

    Raises:
        Invalid: as ``sign_emergency``.
        Failed: ``not_signing``, when the record cannot be kept; then there is no certificate.

    """
    ids = tuple(names.host_id(host) for host in message.hosts)
    number = f"urgent-{random(10).hex()}"
    event, reply = issued(number, message, ids, issue_for(signer, now, _serial(random), random), signer)
    events, passing = [event], []
    for target in ids if via else ():
        issue = issue_for(signer, now, _serial(random), random)
        second, certificate, line = issued_for_bastion(number, message, target, names.host_id(via), issue, signer)
        events.append(second)
        way = RouteView(via, via, (), "", 0)  # where it is, and by which account, only the database says
        passing.append(BastionView(target, line, certificate.serial, certificate.valid_before, "", way))
    try:
        for each in events:
            spool.put(each)
    except OSError as error:
        raise Failed("not_signing", f"the record cannot be written to {spool.folder}: {error.strerror}") from None
    return replace(reply, bastions=tuple(passing))


def _serial(random: Callable[[int], bytes]) -> int:
    return 1 + int.from_bytes(random(8), "big") % (2**40 - 1)


def take_in(context: Context) -> None:
    """Records what was spooled while the database was down."""
    for event in Spool(context.config.home).waiting():
        if event.serial not in context.state.emergencies:
            context.record(event)


def taken_in(context: Context) -> None:
    """Lets the spool go, once its records are durable in the log."""
    spool = Spool(context.config.home)
    for event in spool.waiting():
        if event.serial in context.state.emergencies:
            spool.drop(event)


def issue_for(signer: Signer, now: int, serial: int, random: Callable[[int], bytes]) -> Issue:
    """What is particular to one emergency certificate."""
    return Issue(now=now, serial=serial, nonce=random(profile.NONCE_BYTES), ca=signer.public, ceiling=LONGEST)

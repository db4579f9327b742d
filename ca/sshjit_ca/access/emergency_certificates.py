"""Certificates past every rule, on the operator's word: for the hour in which nothing else works.

Login, hosts, key and reason stand in the log; the certificate lives a quarter of an hour at most and names hosts one by
one, as all do. With the CA running it is a message; with the CA down the operator's command takes the log over itself;
with the database down too, the record is spooled to the CA's home, durably, before the certificate is written, and
goes into the log when the CA next begins (``machine/spool.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sshjit import names, profile, sshcert, sshkey
from sshjit.ca_protocol.operating import EmergencyReply, SignEmergency
from sshjit.errors import Failed, Invalid
from sshjit.events import CertificateRevoked, EmergencyIssued
from sshjit.profile import Issue, UserTerms
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
    key, ends = sshkey.parse_line(message.key), issue.now + message.lifetime
    terms = UserTerms(
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
    certificate = profile.user_certificate(terms, key, issue)
    blob = issuance.sign_and_read_back(certificate, signer)
    event = EmergencyIssued(
        emergency=number,
        serial=certificate.serial,
        certificate=hashlib.sha256(blob).hexdigest(),
        signed=issue.now,
        valid_before=certificate.valid_before,
        login=message.login,
        hosts=host_ids,
        key=key.fingerprint,
        reason=reason,
    )
    line = sshcert.line(blob)
    return event, EmergencyReply(number, line, certificate.serial, certificate.principals, certificate.valid_before)


def sign_without_database(
    message: SignEmergency, signer: Signer, spool: Spool, now: int, random: Callable[[int], bytes]
) -> EmergencyReply:
    """Signs while there is no log to write to; ``hosts`` are ids then, since nobody can say which they are.

    Serials below 2^40 are in no epoch: they are drawn at random, and found in the spool and then by the log.

    Raises:
        Invalid: as ``sign_emergency``.
        Failed: ``not_signing``, when the record cannot be kept; then there is no certificate.

    """
    ids = tuple(names.host_id(host) for host in message.hosts)
    number = f"urgent-{random(10).hex()}"
    serial = 1 + int.from_bytes(random(8), "big") % (2**40 - 1)
    event, reply = issued(number, message, ids, issue_for(signer, now, serial, random), signer)
    try:
        spool.put(event)
    except OSError as error:
        raise Failed("not_signing", f"the record cannot be written to {spool.folder}: {error.strerror}") from None
    return reply


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

"""Drawing certificates from an open window. Validate, sign, read back, record; what fails on the way leaves no trace.

At every certificate the CA looks again: what policy says now, the approvers' roles of now, the window, the login. What
was approved once is a ceiling, not a promise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sshjit import policy, profile, requests, sshcert
from sshjit.api.hosts import HostReply, Invitation
from sshjit.api.views import BastionView, CertificateView, PostQuantumView
from sshjit.errors import Failed, Refused
from sshjit.events import HostIssued, Issued
from sshjit.policy import Bounds, Terms
from sshjit.profile import Issue, UserTerms
from sshjit.requests import Request
from sshjit.sshcert import Certificate
from sshjit.sshkey import PublicKey
from sshjit.sshwire import Reader
from sshjit_ca.access import bastions, dialects, recheck
from sshjit_ca.access.views import bastion_view, host_view, route_view
from sshjit_ca.context import Context
from sshjit_ca.keys import Signer
from sshjit_ca.keys.signer import signature_type
from sshjit_ca.state import Host, Login, locks


def issue_certificate(
    context: Context,
    login: Login,
    login_id: str,
    request: Request,
    *,
    within: Terms | Bounds | None = None,
    to: tuple[Host, ...] | None = None,
) -> CertificateView:
    """Signs and records a certificate for the login's own key, and one for the bastion before each host that has one.

    Each is one certificate for each dialect among the hosts that it is for (``access/dialects.py``).

    ``to``: those of its hosts that bastions are to be passed for; ``None``: all.
    ``within`` is what the same message has learnt already of this login: the terms of a grant that it just made,
    without approvals; or the bounds by ``recheck``, so that only the sign-in is looked at. Else all is asked here.

    Raises:
        Refused: ``not_native``, ``not_yours``, ``policy_changed``, ``approval_gone``, ``step_up``, ``locked``,
            ``bastion_gone``, ``bastion_unknown_address``, those of ``dialects.of``, and policy's codes.
        Invalid: ``wrong_state``, ``not_yet``, ``extension``.

    """
    key = context.key_of(login)
    if request.asked.subject != login.opened.subject:
        raise Refused("not_yours", "this access belongs to somebody else")
    requests.require_open(request, context.now)
    hosts = context.hosts_of(request)
    locks.refuse_new(context.state, (*request.asked.host_ids, *(each.id for each in context.bastions(hosts))))
    if not isinstance(within, Terms):
        within = _still_allowed(context, login, request, hosts, within)
    terms = _terms(context, login, request, within)
    drawing = _Drawing(context, login_id, login, request, terms)
    inner = replace(terms, source=bastions.allowed_sources(terms.source, context.bastions(hosts)))
    drawn = drawing.draw(hosts, lambda issue: profile.user_certificate(inner, key, issue))
    passing = []
    for host in hosts if to is None else to:
        bastion = context.bastion_of(host)
        if bastion is not None:
            passing.append(drawing.draw_passage(host, bastion, key))
    for entry in drawing.entries:  # all of them, once every one is signed
        context.record(entry)
    return _view(context, drawn, request, terms, hosts, tuple(passing))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A certificate, as it was signed."""

    certificate: Certificate
    blob: bytes

    @property
    def line(self) -> str:
        return sshcert.line(self.blob)


@dataclass(slots=True)
class _Drawing:
    """The certificates of one message, each with the entry that records it; none is recorded yet."""

    context: Context
    login_id: str
    login: Login
    request: Request
    terms: UserTerms
    entries: list[Issued] = field(default_factory=list)

    def draw(self, hosts: tuple[Host, ...], make: Callable[[Issue], Certificate]) -> list[_Drawn]:
        """Signs one certificate for each dialect among these hosts, the classical one first."""
        key, reads = self.context.key_of(self.login), self.login.opened.reads
        drawn = []
        for post_quantum in dialects.of(self.context, hosts, key, reads, self.request.asked):
            signer = self.context.keys.active("user_ca", post_quantum=post_quantum)
            certificate = make(_issue(self.context, signer, after=len(self.entries)))
            blob = sign_and_read_back(certificate, signer)
            entry = _issued(self.context, self.login_id, self.request, certificate, blob, self.terms)
            self.entries.append(replace(entry, post_quantum=True) if post_quantum else entry)
            drawn.append(_Drawn(certificate, blob))
        return drawn

    def draw_passage(self, host: Host, bastion: Host, key: PublicKey) -> BastionView:
        """Signs what passes through the bastion before a host."""
        before = len(self.entries)
        first, *second = self.draw(
            (bastion,), lambda issue: profile.bastion_certificate(self.terms, host.id, bastion.id, key, issue)
        )
        for at, entry in enumerate(self.entries[before:], before):
            self.entries[at] = replace(entry, login=bastion.jump_login, hosts=(host.name,), bastion=bastion.id)
        view = bastion_view(self.context, host, bastion, first.line, first.certificate)
        return replace(view, post_quantum=_second(second))


def _second(drawn: list[_Drawn]) -> PostQuantumView | None:
    """Of what was drawn besides the first one."""
    return PostQuantumView(drawn[0].line, drawn[0].certificate.serial) if drawn else None


def _issued(  # noqa: PLR0917 - each is one part of the entry
    context: Context, login_id: str, request: Request, certificate: Certificate, blob: bytes, terms: UserTerms
) -> Issued:
    return Issued(
        serial=certificate.serial,
        request=request.id,
        login_id=login_id,
        certificate=hashlib.sha256(blob).hexdigest(),
        valid_before=certificate.valid_before,
        policy=context.policy.digest,
        rule=request.asked.rule,
        person=terms.person,
        login=request.asked.login,
        hosts=request.asked.hosts,
        key=certificate.key.fingerprint,
        trace=context.trace,
    )


def sign_host(context: Context, host: Host, keys: tuple[PublicKey, ...]) -> tuple[str, ...]:
    """Signs and records a host certificate for each key, by the CA of its dialect; returns their lines.

    Raises:
        Refused: ``locked``, the host or one of the keys; then none is signed.

    """
    if keys:
        locks.refuse_new(context.state, (host.id,))
    for key in keys:
        locks.refuse_key(context.state, key.fingerprint)
    return tuple(_sign_host(context, host, key) for key in keys)


def _sign_host(context: Context, host: Host, key: PublicKey) -> str:
    signer = context.keys.active("host_ca", post_quantum=key.post_quantum)
    certificate = profile.host_certificate(host.name, host.aliases, key, _issue(context, signer), host_id=host.id)
    blob = sign_and_read_back(certificate, signer)
    digest = hashlib.sha256(blob).hexdigest()
    context.record(
        HostIssued(certificate.serial, digest, certificate.valid_before, host.name, key.fingerprint, key.post_quantum)
    )
    return sshcert.line(blob)


def _still_allowed(
    context: Context, login: Login, request: Request, hosts: tuple[Host, ...], bounds: Bounds | None
) -> Bounds:
    subject = context.policy_subject(login)
    if bounds is None:
        bounds = recheck.require(context, subject, request, hosts)
    more = policy.step_up(request.asked, subject, context.now)
    if more is not None:
        raise Refused("step_up", more.message, hint=more.hint)
    return bounds


def _terms(context: Context, login: Login, request: Request, within: Bounds | Terms) -> UserTerms:
    """What the certificate says: of what was granted and what policy gives now, the stricter."""
    asked, opened = request.asked, login.opened
    if request.ends is None:
        raise Failed("not_signing", f"request {request.id} is open without an end")
    return UserTerms(
        grant=request.id,
        subject=asked.subject,
        person=f"{opened.provider}/{opened.email or opened.claim}",
        login=asked.login,
        host_ids=asked.host_ids,
        command=asked.command,
        forwarding=within.forwarding,
        source=asked.source,
        verify_required=asked.verify_required,
        lifetime=min(within.certificate, context.config.certificate_max),
        grant_ends=request.ends if within.ends_by is None else min(request.ends, within.ends_by),
        login_ends=opened.expires,
    )


def _issue(context: Context, signer: Signer, *, after: int = 0) -> Issue:
    """How to sign the certificate whose entry comes ``after`` so many others that are not written down yet."""
    return Issue(
        now=context.now,
        serial=context.journal.next_serial() + after,
        nonce=context.random(profile.NONCE_BYTES),
        ca=signer.public,
        ceiling=context.config.certificate_max,
    )


def sign_and_read_back(certificate: Certificate, signer: Signer) -> bytes:
    """Signs, and reads the result back: it must say what was decided and nothing else."""
    signed = sshcert.encode(certificate)
    signature = signer.sign(signed)
    blob = sshcert.seal(signed, signature)
    said = sshcert.reads_back(blob, certificate, signature)
    if not said or Reader(signature).text() != signature_type(signer.public):
        raise Failed("not_signing", "a certificate could not be read back as it was written; it was discarded")
    return blob


def _view(  # noqa: PLR0917 - each is one part of the answer
    context: Context,
    drawn: list[_Drawn],
    request: Request,
    terms: UserTerms,
    hosts: tuple[Host, ...],
    passing: tuple[BastionView, ...],
) -> CertificateView:
    first, *second = drawn
    certificate = first.certificate
    return CertificateView(
        text=first.line,
        serial=certificate.serial,
        key_id=certificate.key_id,
        principals=certificate.principals,
        valid_after=certificate.valid_after,
        valid_before=certificate.valid_before,
        request=request.id,
        login=terms.login,
        action=request.asked.action,
        grant_ends=terms.grant_ends,
        routes=tuple(route_view(context, host) for host in hosts),
        bastions=passing,
        post_quantum=_second(second),
    )


def host_reply(
    context: Context, host: Host, keys: tuple[PublicKey, ...], invitation: Invitation | None = None
) -> HostReply:
    """The host, with a new certificate for each of ``keys``."""
    certificates = sign_host(context, host, keys)
    root = context.keys.public("bundle")
    logins = host.logins if context.socket == "admin" else ()
    return HostReply(host_view(context, host), certificates, root.fingerprint, root.line, invitation, logins=logins)

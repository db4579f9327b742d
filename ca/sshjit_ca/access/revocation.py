"""How access is closed before its time: a grant with its extensions, and a sign-in with every certificate it drew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sshjit import names, requests
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit.events import CertificateRevoked, Closed, LoginClosed
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.state import Certificate
from sshjit_ca.state.request_index import extensions


def close_grant(context: Context, request: Request, by: str | None, reason: str) -> int:
    """Revokes an open grant and its extensions; how many certificates of it still lived."""
    alive = sum(each.valid_before > context.now for each in _certificates(context, request))
    close_extensions(context, request, RequestState.REVOKED, by, reason)
    context.record(Closed(request.id, RequestState.REVOKED, by, reason))
    return alive


def close_login(context: Context, login_id: str, by: str | None, reason: str) -> int:
    """Ends a sign-in and revokes every certificate that it drew from grants still open; how many still lived.

    Also those that are over: a session that one of them began may be going on.
    """
    login = context.state.logins[login_id]
    subject = login.opened.subject
    if login.alive(context.now):
        context.record(LoginClosed(login_id, subject, by, reason))
    alive = 0
    for request_id in context.state.requests_of.get(subject, ()):
        if request_id not in context.state.open:
            continue
        request = context.state.requests[request_id]
        if requests.state_at(request, context.now) is not RequestState.APPROVED:
            continue
        for certificate in _certificates(context, request):
            if certificate.login_id == login_id and certificate.serial not in context.state.revoked:
                context.record(CertificateRevoked(certificate.serial, by, reason))
                alive += certificate.valid_before > context.now
    return alive


def drawn_together(context: Context, serial: int) -> list[int]:
    """The serials of a certificate and of those for bastions that were drawn in the same act, which follow it."""
    certificates, emergencies = context.state.certificates, context.state.emergencies
    if serial in emergencies:
        number = emergencies[serial].id
        return _unrevoked(context, [other for other, drawn in emergencies.items() if drawn.id == number])
    if serial not in certificates:
        return [serial]
    acts: list[list[int]] = []
    for drawn in context.state.certificates_of[certificates[serial].request]:
        if certificates[drawn].bastion:
            acts[-1].append(drawn)
        else:
            acts.append([drawn])
    return _unrevoked(context, next(act for act in acts if serial in act))


def _unrevoked(context: Context, serials: list[int]) -> list[int]:
    return [serial for serial in serials if serial not in context.state.revoked]


def require_reason(text: str) -> str:
    """The reason, which must be one.

    Raises:
        Invalid: ``no_reason``, and what ``names.free_text`` refuses.

    """
    reason = names.free_text(text, "the reason")
    if not reason:
        raise Invalid("no_reason", "give a reason", hint="--reason TEXT")
    return reason


def close_extensions(context: Context, grant: Request, state: RequestState, by: str | None, reason: str) -> None:
    """Closes the extensions of a grant that is about to reach ``state``; one that nobody answered is taken back."""
    for extension in extensions(context.state, grant):
        standing = requests.state_at(extension, context.now)
        if standing is RequestState.PENDING:
            context.record(Closed(extension.id, RequestState.CANCELLED, by, reason))
        elif standing is RequestState.APPROVED:
            context.record(Closed(extension.id, state, by, reason))


def certificates_alive(context: Context, grants: Sequence[Request], logins: Iterable[str]) -> int:
    """How many certificates live that were drawn from these grants, or by these sign-ins."""
    ids, drawn_by = {grant.id for grant in grants}, frozenset(logins)
    return sum(
        each.valid_before > context.now and serial not in context.state.revoked
        for serial, each in context.state.certificates.items()
        if each.request in ids or each.login_id in drawn_by
    )


def _certificates(context: Context, request: Request) -> list[Certificate]:
    return [context.state.certificates[serial] for serial in context.state.certificates_of.get(request.id, ())]

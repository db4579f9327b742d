"""What the CA need not know any more. Decided by the times of entries alone, so that every fold forgets the same.

The log keeps everything; here goes only what no decision can depend on again. Ended requests stay for 30 days; after
that they are read from the log (``sshjit_ca.log.history``).
"""

from __future__ import annotations

from sshjit.api.views import RequestState
from sshjit.requests import Request
from sshjit_ca.state import access, request_index
from sshjit_ca.state.model import State

HOUR = 3600
DAY = 24 * HOUR
TOKEN_KEPT = HOUR
"""Seconds after which an ID token would be refused for its age alone (``tokens.MAX_AGE``), with a wide margin."""
REQUEST_KEPT = 30 * DAY
"""Seconds for which an ended request stays at hand."""


def prune(state: State, time: int) -> None:
    """Forgets what an entry at ``time`` makes superfluous: at the first entry of an hour, requests of a day.

    Call it once the entry is folded and before ``state.time`` becomes ``time``. Everything stays an hour longer than it
    counts, so that a handler that records several entries never finds what it looked at gone half way.
    """
    if time // HOUR == state.time // HOUR:
        return
    before = time - HOUR
    state.tokens = {token: taken for token, taken in state.tokens.items() if time < taken + TOKEN_KEPT}
    state.revoked = {serial: until for serial, until in state.revoked.items() if before < until}
    state.ended = {grant: (when, until) for grant, (when, until) in state.ended.items() if before < until}
    state.extended = {grant: ends for grant, ends in state.extended.items() if before < ends}
    state.invited = {host: token for host, token in state.invited.items() if not token.over or before < token.expires}
    state.former_names = {name: former for name, former in state.former_names.items() if before < former[1]}
    joined = {host.invitation for host in state.hosts.values()}
    state.fleets = {name: fleet for name, fleet in state.fleets.items() if before < fleet.expires or name in joined}
    _certificates(state, before)
    alive = {serial: each for serial, each in state.host_certificates.items() if before < each.valid_before}
    state.host_certificates = alive
    if time // DAY != state.time // DAY:
        _requests(state, time)
        _logins(state, before)


def ended_at(request: Request) -> int | None:
    """Since when the request can never change again, by hand or by time; ``None`` for one that never ends."""
    if request.closed is not None:
        return request.closed
    if request.state is RequestState.PENDING:
        return request.pending_until
    if request.used or request.use_until is None:
        return request.ends
    return request.use_until


def _certificates(state: State, time: int) -> None:
    """Certificates whose grant is over and that are dead themselves."""
    for grant in list(state.certificates_of):
        request = state.requests[grant]
        serials = state.certificates_of[grant]
        window = request.ends or 0
        if time >= window and all(time >= state.certificates[serial].valid_before for serial in serials):
            state.requests[grant] = access.counted(state, request)
            for serial in serials:
                del state.certificates[serial]
            del state.certificates_of[grant]


def _requests(state: State, time: int) -> None:
    """Requests from the oldest on, up to the first that must stay: what is at hand is newer than all that is not.

    But for broken glass that nobody has reviewed: it stays, however old it is, and holds nothing else up.
    """
    for request in list(state.requests.values()):
        over = ended_at(request)
        if over is None or time < over + REQUEST_KEPT or request.id in state.certificates_of:
            return
        if request.unreviewed:
            continue
        del state.requests[request.id]
        request_index.forget(state, request)
        own = state.requests_of[request.asked.subject]
        own.remove(request.id)
        if not own:
            del state.requests_of[request.asked.subject]


def _logins(state: State, time: int) -> None:
    """Logins that are over, are not the newest of their person, and that nothing above refers to."""
    used = set(state.newest_login.values())
    used.update(certificate.login_id for certificate in state.certificates.values())
    for request in state.requests.values():
        used.add(request.asked.login_id)
        used.update(decision.said.login_id for decision in request.decisions)
        used.update(remark.said.login_id for remark in request.remarks)
        if request.review is not None:
            used.add(request.review.said.login_id)
    for name, login in list(state.logins.items()):
        if name not in used and time >= login.opened.expires:
            del state.logins[name]

"""Open grants that policy ends later than it came: a freeze that begins at six, loaded at noon, ends them at six.

A window is granted up to the end that policy of then gives it. When policy or a host's labels change, certificates and
pages know the new end at once; the sessions that are open end when the CA closes the grant, and that it does here, when
the time has come. What a change forbids at once is the operator's to end (``policy load --end-what-it-forbids``).
"""

from __future__ import annotations

from dataclasses import replace

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.policy import Bounds
from sshjit.requests import Request
from sshjit_ca.access import recheck
from sshjit_ca.access.revocation import close_grant
from sshjit_ca.context import Context
from sshjit_ca.state import State, request_index

MOST = 200
"""Grants that one tick closes."""


_Host = tuple[str, tuple[tuple[str, str], ...], str]
"""What policy looks at: the id and the labels of a host, and what is before it."""


class LaterEndings:
    """Knows when policy of now ends each open grant that it lets go on."""

    def __init__(self) -> None:
        self._known: tuple[State, str, tuple[_Host, ...], tuple[tuple[str, str], ...]] | None = None
        self._due: dict[str, int] = {}
        self._extended: dict[str, int] = {}
        """Grant -> its end by the newest extension that was looked at."""

    def close_due(self, context: Context) -> int:
        """Closes the grants whose end has come; how many. The clock must be believed."""
        closed = 0
        for request_id in [each for each, due in self._due.items() if due <= context.now][:MOST]:
            del self._due[request_id]
            if _close(context, request_id):
                closed += 1
            else:  # it was extended meanwhile, or policy or a host is another one
                self._note(context, context.state.requests.get(request_id), context.now)
        self._look(context)
        self._look_at_extended(context)
        return closed

    def _look(self, context: Context) -> None:
        """Finds out anew when each grant ends, once policy, a host or a rota is another one, or the log was read again.

        What forbade a grant from the moment on when policy came, or when a host changed, is not due: it came at once.
        """
        state = context.state
        hosts = tuple((host.id, host.labels, host.via) for host in state.hosts.values())
        known = (state, context.policy.digest, hosts, tuple((name, r.digest) for name, r in state.rotas.items()))
        if self._known is not None and self._known[0] is state and self._known[1:] == known[1:]:
            return
        began_again = self._known is None or self._known[0] is not state
        self._known = known
        self._due = {each: due for each, due in self._due.items() if due <= context.now}  # the next tick's
        for request in request_index.opened(state):
            if request.id in self._due:
                continue
            since = context.now
            if began_again:  # it may have come while nobody looked
                since = max(state.policy_since, request.opens or context.now)
            self._note(context, request, min(since, context.now))

    def _look_at_extended(self, context: Context) -> None:
        """Finds out anew when each grant ends that was extended since: an extension moves the end that policy gives."""
        extended = context.state.extended
        for request_id, _ in extended.items() - self._extended.items():
            if self._due.get(request_id, context.now + 1) > context.now:  # else the next tick's
                self._note(context, context.state.requests.get(request_id), context.now)
        if extended != self._extended:
            self._extended = dict(extended)

    def _note(self, context: Context, request: Request | None, since: int) -> None:
        due = None if request is None else _end(context, request, since)
        if request is not None and due is not None:
            self._due[request.id] = due
        elif request is not None:
            self._due.pop(request.id, None)


def _end(context: Context, request: Request, since: int) -> int | None:
    """When policy ends a grant that it let go on at ``since`` (seconds since the epoch), if before its own end."""
    if not _is_open(context, request):
        return None
    answer = recheck.bounds_or_refusal(replace(context, now=since), request)
    if not isinstance(answer, Bounds) or answer.ends_by is None or request.ends is None:
        return None
    return answer.ends_by if answer.ends_by < request.ends else None


def _close(context: Context, request_id: str) -> bool:
    """Closes a grant if policy really does not let it go on: it may have been changed again meanwhile."""
    request = context.state.requests.get(request_id)
    if request is None or not _is_open(context, request):
        return False
    refusal = recheck.refusal(context, request)
    if refusal is None:
        return False
    close_grant(context, request, None, f"policy ends it here: {recheck.reason_of(request, refusal.message)}")
    return True


def _is_open(context: Context, request: Request) -> bool:
    standing = requests.state_at(request, context.now)
    known = request.asked.subject in context.state.newest_login
    return known and standing is RequestState.APPROVED and request.asked.extends is None

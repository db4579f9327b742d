"""After a denial nobody asks approvers for the same again and again: ``denial_pause`` in ``ca.toml``."""

from __future__ import annotations

from sshjit import durations
from sshjit.api.views import RequestState
from sshjit.errors import Refused
from sshjit.requests import Request
from sshjit_ca.access.grants import PendingGrant
from sshjit_ca.context import Context
from sshjit_ca.state import Login, locks


def refuse_early(context: Context, login: Login, pending: PendingGrant) -> None:
    """Whether what people would decide was denied just now: some host of it, for the same account and action.

    All accounts of a person count as one. Emergency access is never held up.

    Raises:
        Refused: ``denied_lately``.

    """
    pause = context.config.denial_pause
    if not pause or not pending.steps or pending.terms.break_glass is not None:
        return
    for denied in _denied_lately(context, login, pause):
        if _same(denied, pending):
            left = (denied.closed or 0) + pause - context.now
            text = f"request {denied.id} for the same was denied lately; ask again in {durations.show(left)}"
            error = Refused("denied_lately", text, hint=f"what the approver wrote: ssh-jit show {denied.id}")
            raise error.again_after(left)


def _denied_lately(context: Context, login: Login, pause: int) -> list[Request]:
    state, denied = context.state, []
    for subject in locks.accounts_of(state, login.opened.subject):
        for request_id in reversed(state.requests_of.get(subject, [])[-MOST:]):
            request = state.requests.get(request_id)
            if request is None or request.state is not RequestState.DENIED or request.closed is None:
                continue
            if context.now - request.closed < pause:
                denied.append(request)
    return sorted(denied, key=lambda request: request.closed or 0, reverse=True)


MOST = 200
"""The newest requests of an account that are looked at."""


def _same(denied: Request, pending: PendingGrant) -> bool:
    asked = denied.asked
    extends = None if pending.extends is None else pending.extends.id
    return (asked.extends, asked.login, asked.action) == (extends, pending.terms.login, pending.wanted.action) and bool(
        set(asked.host_ids) & {host.id for host in pending.hosts}
    )

"""Forgetting: the operator's word that old details go. What goes, and what must stay, is ``erasure.py``'s."""

from __future__ import annotations

from collections.abc import Callable

from sshjit.ca_protocol.log import Forget, ForgetReply
from sshjit.errors import Invalid
from sshjit.events import Forgot
from sshjit_ca.context import Context
from sshjit_ca.log import erasure
from sshjit_ca.log.history import History
from sshjit_ca.state import authority, codec
from sshjit_ca.state.pruning import REQUEST_KEPT
from sshjit_ca.storage.store import Store

SHORTEST = REQUEST_KEPT + 24 * 3600
"""Seconds that every detail is kept at least."""


def forget(store: Store, history: History) -> Callable[[Context, Forget], ForgetReply]:
    """A handler that erases right after the commit that records it.

    It raises ``Invalid``: ``too_young``, for what is not old enough to be forgotten.
    """

    def handle(context: Context, message: Forget) -> ForgetReply:
        if message.before > context.now - SHORTEST:
            raise Invalid("too_young", f"details are kept for {SHORTEST // 86400} days at least")
        after = codec.copy(context.state)
        authority.forgotten(after, Forgot(message.before, 0), context.now)
        plan = erasure.plan_for(after, message.before)
        erased, old = erasure.count(store, plan.where()), erasure.count(store, erasure.old(message.before))
        people = len(context.state.newest_login) - len(after.newest_login)
        if not message.dry_run and (erased or people):
            context.record(Forgot(message.before, erased))
            context.journal.erase(plan, history.forget)
        return ForgetReply(erased, old - erased, people)

    return handle

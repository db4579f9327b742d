"""What may be read, and by whom: one request, for ever, and the policy.

Looking for requests is ``search.py``'s, the log ``log.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from sshjit.api.details import RequestReply
from sshjit.ca_protocol.operating import PoliciesReply, PolicyReply, ReadPolicies, ReadPolicy
from sshjit.ca_protocol.requests import ReadRequest
from sshjit.errors import Invalid
from sshjit_ca.access import extension_history, requester_info
from sshjit_ca.access.views import request_view
from sshjit_ca.access.visibility import Sight, sight
from sshjit_ca.context import Context
from sshjit_ca.handlers.approvals import decides_as
from sshjit_ca.log import policies
from sshjit_ca.log.history import History
from sshjit_ca.sockets import Socket
from sshjit_ca.storage.store import Store


def read_request(history: History) -> Callable[[Context, ReadRequest], RequestReply]:
    """A reader of one request; for whoever may not see it there is none."""

    def read(context: Context, message: ReadRequest) -> RequestReply:
        login = context.login(message.login_id)
        request = history.request(context.state, message.request)
        seen = None if request is None else sight(context, history, login, request)
        if request is None or seen is None:
            raise Invalid("unknown_request", "you have no such request to see", hint="ssh-jit requests")
        view, extensions = request_view(context, request), extension_history.of(context, history, request)
        if seen is Sight.OWN:
            return RequestReply(view, extensions=extensions)
        who = requester_info.requester(context, request, before=seen is Sight.WHOLE)
        return RequestReply(view, who, decides_as(context, login, request), extensions)

    return read


def read_policy(store: Store) -> Callable[[Context, ReadPolicy, Socket], PolicyReply]:
    """A reader of the policy in force, and at the admin door of any other.

    It raises ``Invalid``: ``not_permitted``; else what ``policies.text_of`` raises.
    """

    def read(context: Context, message: ReadPolicy, door: Socket) -> PolicyReply:
        if message.digest is None or message.digest == context.policy.digest:
            return PolicyReply(context.policy_text, context.policy.digest)
        if door != "admin":
            raise Invalid("not_permitted", "policies of the past are the operator's to read")
        return PolicyReply(*policies.text_of(store, message.digest))

    return read


def read_policies(store: Store) -> Callable[[Context, ReadPolicies], PoliciesReply]:
    """A reader of the list, the newest first."""
    return lambda _context, _message: PoliciesReply(tuple(reversed(policies.history(store))))

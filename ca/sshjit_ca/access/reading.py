"""What may be read, and by whom: one request, for ever, and the policy.

Looking for requests is ``searching.py``'s, the log ``logreading.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from sshjit.errors import Invalid
from sshjit.messages import (
    PoliciesReply,
    PolicyReply,
    ReadPolicies,
    ReadPolicy,
    ReadRequest,
    RequestReply,
)
from sshjit.requests import Request
from sshjit_ca.access import about, prolonged
from sshjit_ca.access.approving import decides_as, may_decide
from sshjit_ca.access.views import request_view
from sshjit_ca.desk import Desk, Door
from sshjit_ca.log import policies
from sshjit_ca.log.history import History
from sshjit_ca.state import Login
from sshjit_ca.storage.store import Store


def read_request(history: History) -> Callable[[Desk, ReadRequest], RequestReply]:
    """A reader of one request; for whoever may not see it there is none."""

    def read(desk: Desk, message: ReadRequest) -> RequestReply:
        login = desk.login(message.login_id)
        request = history.request(desk.state, message.request)
        if request is None or not _may_see(desk, login, request):
            raise Invalid("unknown_request", "you have no such request to see", hint="ssh-jit requests")
        view, extensions = request_view(desk, request), prolonged.of(desk, history, request)
        if request.asked.subject == login.opened.subject:
            return RequestReply(view, extensions=extensions)
        because = decides_as(desk, login, request)
        return RequestReply(view, about.requester(desk, request), because, extensions)

    return read


def read_policy(store: Store) -> Callable[[Desk, ReadPolicy, Door], PolicyReply]:
    """A reader of the policy in force, and at the admin door of any other.

    It raises ``Invalid``: ``not_permitted``; else what ``policies.text_of`` raises.
    """

    def read(desk: Desk, message: ReadPolicy, door: Door) -> PolicyReply:
        if message.digest is None or message.digest == desk.policy.digest:
            return PolicyReply(desk.policy_text, desk.policy.digest)
        if door != "admin":
            raise Invalid("not_permitted", "policies of the past are the operator's to read")
        return PolicyReply(*policies.text_of(store, message.digest))

    return read


def read_policies(store: Store) -> Callable[[Desk, ReadPolicies], PoliciesReply]:
    """A reader of the list, the newest first."""
    return lambda _desk, _message: PoliciesReply(tuple(reversed(policies.history(store))))


def _may_see(desk: Desk, login: Login, request: Request) -> bool:
    return (
        request.asked.subject == login.opened.subject
        or may_decide(desk, login, request)
        or desk.permitted(login, "audit")
        or (request.review_by is not None and desk.permitted(login, "review"))
    )

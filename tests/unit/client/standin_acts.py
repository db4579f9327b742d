"""What the stand-in of ``standin.py`` answers to all that is not connecting, by the real messages.

Its one person is Alice: she may lock, unlock and review, and Bob decides. Whatever the client sends is read strictly.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import TYPE_CHECKING, Any

from sshjit import signed_actions, wire
from sshjit.api.ask import AskReply
from sshjit.api.bodies import CommentBody, LockBody, ReasonBody, ReviewBody, RevokeBody, UnlockBody
from sshjit.api.details import PastView, RequesterView, RequestReply, RequestsReply
from sshjit.api.explain import ExplainBody, ExplainReply, MissView, RuleView, TermsView
from sshjit.api.locks import LockReply, LocksReply, LockView, RevokeReply
from sshjit.api.session import LoginView
from sshjit.api.signed import Unlock
from sshjit.api.views import CommentView, RequestState, RequestView, ReviewView, StepView
from sshjit.errors import Invalid, Refused
from sshjit_client import openssh
from sshjit_client.api.full import Filter

if TYPE_CHECKING:
    from tests.unit.client.standin import Server


def listed(server: Server, query: dict[str, Any]) -> RequestsReply:
    """A page of requests, newest first."""
    scope = query.pop("scope", "mine")
    numbers = {name: int(query.pop(name)) for name in ("since", "before", "limit") if name in query}
    which = wire.decode(Filter, {"find": None, "state": None, "since": None, "before": None, **query, **numbers})
    found = [
        request
        for request in sorted(server.requests.values(), key=lambda each: -each.asked)
        if (which.find is None or which.find in request.id or which.find in request.reason)
        and which.state in (None, request.state)
        and (which.since is None or request.asked >= which.since)
        and (which.before is None or request.asked < which.before)
        and (scope != "approve" or request.state is RequestState.PENDING)
        and (scope != "review" or (request.break_glass and request.review is None))
    ]
    page = found[: which.limit]
    return RequestsReply(tuple(page), page[-1].asked if len(found) > len(page) else None)


def shown(server: Server, request: str) -> RequestReply:
    """A request as its approver sees it."""
    view, now = find(server, request), int(time.time())
    past = PastView(
        "req-old0old0old0old0", RequestState.ENDED, "automatic", ("web1",), "deploy", "shell", "CHG-1", "r", now, now
    )
    about = RequesterView(
        provider="acme",
        groups=("SRE",),
        roles=("sre",),
        signed_in=now - 300,
        auth_time=now - 360,
        mfa=True,
        hardware_key=False,
        address="127.0.0.1",
        live=(),
        recent=(past,),
    )
    return RequestReply(view, about, ("sre-lead",))


def find(server: Server, request: str) -> RequestView:
    if request not in server.requests:
        raise Invalid("unknown_request", "you have no such request to see", hint="ssh-jit requests")
    return server.requests[request]


def call(  # noqa: PLR0911  # a table
    server: Server, words: list[str], body: dict[str, Any], login: LoginView, key: str
) -> Any:
    """One call of the API, apart in its words."""
    match words:
        case ["requests", request, "extend"]:
            return wire.encode(_extend(server, request, wire.decode(ReasonBody, body)))
        case ["requests", request, "comment"]:
            return wire.encode(_comment(server, request, wire.decode(CommentBody, body).text))
        case ["requests", request, "review"]:
            return wire.encode(_review(server, request, wire.decode(ReviewBody, body)))
        case ["explain"]:
            return wire.encode(_explain(wire.decode(ExplainBody, body), login))
        case ["locks"] if body:
            return wire.encode(_lock(server, wire.decode(LockBody, body)))
        case ["locks"]:
            return wire.encode(LocksReply(tuple(server.locks.values())))
        case ["locks", lock, "unlock"]:
            return _unlock(server, lock, wire.decode(UnlockBody, body), login, key)
        case ["revoke"]:
            return wire.encode(_revoke(server, wire.decode(RevokeBody, body)))
    raise Invalid("unknown_page", "there is no such page")


def _extend(server: Server, request: str, body: ReasonBody) -> AskReply:
    grant, now = find(server, request), int(time.time())
    if grant.state is not RequestState.APPROVED or grant.ends is None:
        raise Invalid("wrong_state", f"request {request}: it is not open")
    waits = "db1" in grant.hosts
    asked = dataclasses.replace(
        grant,
        id=f"req-{secrets.token_hex(8)}",
        digest=secrets.token_hex(32),
        extends=request,
        duration=1800,
        reason=body.reason,
        asked=now,
        pending_until=now + server.pending,
        state=RequestState.PENDING if waits else RequestState.APPROVED,
        ends=None if waits else grant.ends + 1800,
        decisions=(),
        steps=(StepView("sre-lead", 1, signed=False, missing=1, candidates=("Bob",)),) if waits else (),
    )
    server.requests[asked.id] = asked
    return AskReply(asked, None, existing=False, notes=("rule 'staging' extends by 30 min",))


def _comment(server: Server, request: str, text: str) -> RequestView:
    view = find(server, request)
    said = CommentView(server.bob, text, int(time.time()), "native")
    server.requests[request] = dataclasses.replace(view, comments=(*view.comments, said))
    return server.requests[request]


def _review(server: Server, request: str, body: ReviewBody) -> RequestView:
    view = find(server, request)
    if not view.break_glass:
        raise Invalid("nothing_to_review", "this is no break-glass access")
    found = ReviewView(server.bob, body.verdict, body.comment, int(time.time()))
    server.requests[request] = dataclasses.replace(view, review=found)
    return server.requests[request]


def _explain(body: ExplainBody, login: LoginView) -> ExplainReply:
    waits = "db1" in body.hosts or ("env", "prod") in body.labels
    step = StepView("sre-lead", 1, signed=True, missing=1, candidates=("Bob", "Eve"))
    return ExplainReply(
        person=login.person,
        roles=login.roles,
        verdict="approval" if waits else "allow",
        rule="prod-database" if waits else "staging",
        code="",
        message="",
        hint="",
        hosts=body.hosts or ("db1",),
        login=body.login or "deploy",
        terms=TermsView(body.duration or 3600, False, 1800, 900, 300, None, ("client",), (), 2, 1800),  # noqa: FBT003 - as the class has them
        steps=(step,) if waits else (),
        rules=(
            RuleView("deny", "freeze", (), (MissView("days", None, "it is for Sat and Sun, now it is Tue"),), False),  # noqa: FBT003 - as the class has them
            RuleView("allow", "prod-database" if waits else "staging", body.hosts, (), True),  # noqa: FBT003 - as the class has them
        ),
        policy="a" * 64,
    )


def _lock(server: Server, body: LockBody) -> LockReply:
    now, lock_id = int(time.time()), f"lock-{secrets.token_hex(8)}"
    title = "everything" if body.target is None else f"the {body.kind} {body.target}"
    lock = LockView(lock_id, body.kind, body.target, title, body.reason, "alice", now)
    server.locks[lock.id] = lock
    return LockReply(lock, 3, 1, 2)


def _unlock(server: Server, lock: str, body: UnlockBody, login: LoginView, key: str) -> None:
    if body.consent is None:
        raise Refused("signature_needed", "this counts only with a signature by your key")
    text = signed_actions.act_text(Unlock(login.id, lock, body.reason, None), body.consent.challenge, "lab")
    if not openssh.verify(key, signed_actions.ACT_NAMESPACE, text, body.consent.signature):
        raise Refused("signature_refused", "the signature does not fit")
    del server.locks[lock]


def _revoke(server: Server, body: RevokeBody) -> RevokeReply:
    if [body.request, body.serial, body.sign_in].count(None) != 2:
        raise Invalid("bad_message", "name one of: a request, a certificate, a sign-in")
    if body.request is None:
        return RevokeReply((), 1)
    view = dataclasses.replace(find(server, body.request), state=RequestState.REVOKED, closing=body.reason)
    server.requests[body.request] = view
    return RevokeReply((view,), 1)

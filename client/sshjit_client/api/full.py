"""The rest of the server's API: what people do besides connecting. No connection loads this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from sshjit import names, wire
from sshjit.api.ask import AskReply
from sshjit.api.bodies import (
    ActionSignature,
    CommentBody,
    DecisionBody,
    HostBody,
    LabelsBody,
    LockBody,
    ReasonBody,
    RemoveBody,
    ReviewBody,
    RevokeBody,
    UnlockBody,
)
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.api.hosts import HostReply, HostsReply, HostView
from sshjit.api.locks import LockReply, LocksReply, LockView, RevokeReply
from sshjit.api.session import ChallengeReply
from sshjit.api.views import RequestState, RequestView
from sshjit_client.api.basic import BasicApi, path_of

Scope = Literal["mine", "approve", "review", "all"]
PAGE = 100
"""Requests of one answer."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests of a scope: as ``ReadRequests`` has them."""

    find: str | None = None
    state: RequestState | None = None
    since: int | None = None
    before: int | None = None
    limit: int = PAGE


class FullApi(BasicApi):
    """One server, with one token, and everything that a person may ask of it."""

    def hosts(self) -> tuple[HostView, ...]:
        """The enrolled hosts."""
        return self.call(HostsReply, "GET", "hosts").hosts

    def add_host(self, body: HostBody) -> HostView:
        """Enrols a host."""
        return self.call(HostReply, "POST", "hosts", wire.encode(body)).host

    def label_host(self, name: str, body: LabelsBody) -> HostView:
        """Replaces a host's labels; ``name`` is checked."""
        return self.call(HostReply, "POST", f"hosts/{quote(name, safe='')}/labels", wire.encode(body)).host

    def remove_host(self, name: str, body: RemoveBody) -> None:
        """Forgets a host; ``name`` is checked."""
        self.send("POST", f"hosts/{quote(name, safe='')}/remove", wire.encode(body))

    def requests(self, scope: Scope, which: Filter = Filter()) -> RequestsReply:
        """One page of requests, newest first."""
        asked = {"scope": scope, **{key: value for key, value in wire.encode(which).items() if value is not None}}
        return self.call(RequestsReply, "GET", f"requests?{urlencode(asked)}")

    def shown(self, request: str) -> RequestReply:
        """One request, with what is known of the requester for whoever decides it."""
        return self.call(RequestReply, "GET", path_of(request))

    def explain(self, wanted: ExplainBody) -> ExplainReply:
        """What would become of an ask."""
        return self.call(ExplainReply, "POST", "explain", wire.encode(wanted))

    def extend(self, request: str, reason: str) -> AskReply:
        """Asks for more time in a grant."""
        return self.call(AskReply, "POST", f"{path_of(request)}/extend", wire.encode(ReasonBody(reason)))

    def challenge(self) -> str:
        """Something fresh to sign."""
        return self.call(ChallengeReply, "POST", "challenge").challenge

    def approve(
        self, request: RequestView, comment: str, consent: ActionSignature | None, duration: int | None = None
    ) -> RequestView:
        """Approves what ``request`` shows, by its digest and, where a step asks for one, a signature."""
        body = DecisionBody(request.digest, comment, consent, duration)
        return self.call(RequestView, "POST", f"{path_of(request.id)}/approve", wire.encode(body))

    def deny(self, request: RequestView, comment: str) -> RequestView:
        """Denies what ``request`` shows."""
        body = DecisionBody(request.digest, comment, None)
        return self.call(RequestView, "POST", f"{path_of(request.id)}/deny", wire.encode(body))

    def comment(self, request: str, text: str) -> RequestView:
        """Says something about a request."""
        return self.call(RequestView, "POST", f"{path_of(request)}/comment", wire.encode(CommentBody(text)))

    def review(self, request: str, verdict: Literal["justified", "unjustified"], comment: str) -> RequestView:
        """Says how a break-glass access looks afterwards."""
        body = ReviewBody(verdict, comment)
        return self.call(RequestView, "POST", f"{path_of(request)}/review", wire.encode(body))

    def close(self, how: Literal["cancel", "end"], request: str) -> RequestView:
        """Takes a pending request back, or ends an approved one."""
        return self.call(RequestView, "POST", f"{path_of(request)}/{how}")

    def locks(self) -> tuple[LockView, ...]:
        """The locks in force, oldest first."""
        return self.call(LocksReply, "GET", "locks").locks

    def lock(self, body: LockBody) -> LockReply:
        """Locks something."""
        return self.call(LockReply, "POST", "locks", wire.encode(body))

    def unlock(self, lock: str, body: UnlockBody) -> None:
        """Takes a lock away."""
        self.send("POST", f"locks/{quote(names.identifier(lock), safe='')}/unlock", wire.encode(body))

    def revoke(self, body: RevokeBody) -> RevokeReply:
        """Ends access before its time."""
        return self.call(RevokeReply, "POST", "revoke", wire.encode(body))

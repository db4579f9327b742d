"""The whole API of the server: everything that people do besides connecting. No connection loads this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from sshjit import names, wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.ask import AskReply
from sshjit.api.bodies import (
    CommentBody,
    DecisionBody,
    ExtendBody,
    HostBody,
    LabelsBody,
    LockBody,
    RemoveBody,
    ReviewBody,
    RevokeBody,
    UnlockBody,
)
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.explain import ExplainBody, ExplainReply
from sshjit.api.hosts import HostReply, HostsReply, HostView
from sshjit.api.locks import LockReply, LocksReply, LockView, RevokeReply
from sshjit.api.log import LogReply
from sshjit.api.passkeys import (
    AcceptPasskeyBody,
    PasskeyOfferReply,
    PasskeysReply,
    PasskeyView,
    RegisterPasskeyBody,
    RemovePasskeyBody,
)
from sshjit.api.sign_in import ChallengeReply
from sshjit.api.views import RequestState, RequestView
from sshjit_client.api.basic import BasicApi, path_of

Scope = Literal["mine", "approve", "review", "all"]
PAGE = 100
"""Requests in one answer."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests of a scope to list: the query of ``GET /requests``."""

    find: str | None = None
    state: RequestState | None = None
    since: int | None = None
    before: int | None = None
    after: str = ""
    limit: int = PAGE
    order: Literal["newest", "urgent"] | None = None
    """``urgent``: of the queue, what expires first in front. An older server does not know it."""


class FullApi(BasicApi):
    """One server, with one token, and everything that a person can do there."""

    def hosts(self) -> HostsReply:
        """The enrolled hosts."""
        return self.call(HostsReply, "GET", "hosts")

    def add_host(self, body: HostBody) -> HostView:
        """Enrols a host."""
        return self.call(HostReply, "POST", "hosts", body).host

    def label_host(self, name: str, body: LabelsBody) -> HostReply:
        """Replaces a host's labels, or says what that would close; ``name`` is checked."""
        return self.call(HostReply, "POST", f"hosts/{quote(name, safe='')}/labels", body)

    def remove_host(self, name: str, body: RemoveBody) -> None:
        """Removes a host; ``name`` is checked."""
        self.send("POST", f"hosts/{quote(name, safe='')}/remove", body)

    def requests(self, scope: Scope, which: Filter = Filter()) -> RequestsReply:
        """One page of requests, newest first unless the filter says otherwise."""
        query = {"scope": scope, **{key: value for key, value in wire.encode(which).items() if value is not None}}
        return self.call(RequestsReply, "GET", f"requests?{urlencode(query)}")

    def log(self, person: str, before: int | None, limit: int) -> LogReply:
        """A page of the log's entries about somebody (a subject's id), newest first."""
        query = {"person": person, "limit": limit, **({} if before is None else {"before": before})}
        return self.call(LogReply, "GET", f"log?{urlencode(query)}")

    def shown(self, request: str) -> RequestReply:
        """One request; for an approver, with what is known of the requester."""
        return self.call(RequestReply, "GET", path_of(request))

    def explain(self, body: ExplainBody) -> ExplainReply:
        """What would happen to a request."""
        return self.call(ExplainReply, "POST", "explain", body)

    def extend(self, request: str, body: ExtendBody) -> AskReply:
        """Requests more time for an open grant."""
        return self.call(AskReply, "POST", f"{path_of(request)}/extend", body)

    def challenge(self) -> str:
        """A new challenge to sign."""
        return self.call(ChallengeReply, "POST", "challenge").challenge

    def approve(
        self, request: RequestView, comment: str, signature: ActionSignature | None, duration: int | None = None
    ) -> RequestView:
        """Approves what ``request`` shows, by its digest and, if the key can, a signature."""
        body = DecisionBody(request.digest, comment, signature, duration)
        return self.call(RequestView, "POST", f"{path_of(request.id)}/approve", body)

    def deny(self, request: RequestView, comment: str, signature: ActionSignature | None) -> RequestView:
        """Denies what ``request`` shows."""
        body = DecisionBody(request.digest, comment, signature)
        return self.call(RequestView, "POST", f"{path_of(request.id)}/deny", body)

    def comment(self, request: str, text: str) -> RequestView:
        """Adds a comment to a request."""
        return self.call(RequestView, "POST", f"{path_of(request)}/comment", CommentBody(text))

    def review(self, request: str, verdict: Literal["justified", "unjustified"], comment: str) -> RequestView:
        """Reviews a break-glass access."""
        body = ReviewBody(verdict, comment)
        return self.call(RequestView, "POST", f"{path_of(request)}/review", body)

    def close(self, how: Literal["cancel", "end"], request: str) -> RequestView:
        """Cancels a pending request, or ends an approved one."""
        return self.call(RequestView, "POST", f"{path_of(request)}/{how}")

    def locks(self) -> tuple[LockView, ...]:
        """The locks in force, oldest first."""
        return self.call(LocksReply, "GET", "locks").locks

    def lock(self, body: LockBody) -> LockReply:
        """Locks something."""
        return self.call(LockReply, "POST", "locks", body)

    def unlock(self, lock: str, body: UnlockBody) -> None:
        """Removes a lock."""
        self.send("POST", f"locks/{quote(names.identifier(lock), safe='')}/unlock", body)

    def passkeys(self, *, everybody: bool) -> tuple[PasskeyView, ...]:
        """One's own passkeys, or everybody's."""
        return self.call(PasskeysReply, "GET", f"passkeys{'?everybody=yes' if everybody else ''}").passkeys

    def offer_passkey(self) -> PasskeyOfferReply:
        """Begins the registration of a passkey."""
        return self.call(PasskeyOfferReply, "POST", "passkeys/offers")

    def passkey_offer(self, code: str) -> PasskeyOfferReply:
        """What a browser made for this code so far."""
        return self.call(PasskeyOfferReply, "GET", f"passkeys/offers/{quote(code, safe='')}")

    def register_passkey(self, code: str, body: RegisterPasskeyBody) -> PasskeyView:
        """Registers what was made for this code."""
        return self.call(PasskeysReply, "POST", f"passkeys/offers/{quote(code, safe='')}/register", body).passkeys[0]

    def accept_passkey(self, passkey: str, body: AcceptPasskeyBody) -> PasskeyView:
        """Lets somebody else's new passkey count at once."""
        return self.call(PasskeysReply, "POST", f"passkeys/{_part(passkey)}/accept", body).passkeys[0]

    def remove_passkey(self, passkey: str, reason: str) -> None:
        """Removes one of one's own."""
        self.send("POST", f"passkeys/{_part(passkey)}/remove", RemovePasskeyBody(reason))

    def revoke(self, body: RevokeBody) -> RevokeReply:
        """Ends access before its time is up."""
        return self.call(RevokeReply, "POST", "revoke", body)


def _part(identifier: str) -> str:
    """An id as a part of a path. Raises ``Invalid`` if this is none."""
    return quote(names.identifier(identifier), safe="")

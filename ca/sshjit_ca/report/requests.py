"""Requests of the period: followed from the request to its end, and then written down.

A request is followed by its newest record in the state. When the state drops it (30 days after its end) it cannot
change any more, so no more of them are kept than the CA itself keeps.
"""

from __future__ import annotations

from sshjit import durations, events, passkeys, requests
from sshjit.api.views import RequestState
from sshjit.requests import Request
from sshjit_ca.report.activity import Tallies
from sshjit_ca.report.columns import ERASED, NORMAL, Rank
from sshjit_ca.report.people import People
from sshjit_ca.report.period import Period
from sshjit_ca.report.spool import Spool
from sshjit_ca.state import State
from sshjit_ca.state.access import counted
from sshjit_ca.state.pruning import ended_at

_ENDED_WITHOUT_ACCESS = {
    RequestState.DENIED: "denied",
    RequestState.EXPIRED: "expired",
    RequestState.CANCELLED: "cancelled",
    RequestState.LAPSED: "lapsed",
    RequestState.REVOKED: "revoked",
}
_REFUSED = {RequestState.DENIED, RequestState.EXPIRED}
_RANKS = {"unjustified": 0, "overdue": 1, "waiting": 2, "late": 3, "justified": 4}


class Requests:
    """The requests that the period touches."""

    def __init__(self, spool: Spool, people: People, tallies: Tallies, period: Period) -> None:
        self._spool, self._people, self._tallies, self._period = spool, people, tallies, period
        self._followed: dict[str, Request | None] = {}

    def begin(self, state: State) -> None:
        """The period begins: what waits or is open, and emergency access without a review, belongs to it."""
        for request in state.requests.values():
            over = ended_at(request)
            if over is None or over > self._period.first or request.unreviewed:
                self._followed[request.id] = counted(state, request)

    def follow(self, request_id: str) -> None:
        """Something happened to a request in the period."""
        self._followed.setdefault(request_id, None)

    def refresh(self, state: State, request_id: str) -> None:
        """Takes the newest record of a request, and of the grant that it extends."""
        request = state.requests.get(request_id)
        if request is None:
            return
        for each in (request, state.requests.get(request.asked.extends or "")):
            if each is not None and each.id in self._followed:
                self._followed[each.id] = counted(state, each)

    def drop_old(self, state: State, now: int) -> None:
        """Writes down those that the state has dropped."""
        for name in [name for name in self._followed if name not in state.requests]:
            request = self._followed.pop(name)
            if request is not None:
                self._write(request, now)

    def finish(self, now: int) -> None:
        """Writes down the rest, in their state at ``now``."""
        for request in self._followed.values():
            if request is not None:
                self._write(request, now)
        self._followed.clear()

    def _write(self, request: Request, now: int) -> None:
        asked, who = request.asked, self._people.who
        gone = not asked.hosts
        row = (
            request.time,
            request.id,
            who(asked.subject),
            self._people.email(asked.subject),
            asked.via,
            _signature(asked),
            (ERASED,) if gone else asked.hosts,
            ERASED if gone else asked.login,
            ERASED if gone else asked.action,
            asked.command or "",
            ERASED if gone else asked.reason,
            asked.rule,
            asked.policy,
            requests.sentence(requests.state_at(request, now)),
            ", ".join(part for part in (request.how, "extension" if asked.extends else None) if part),
            tuple(self._approval(each) for each in request.decisions if each.said.verdict == "approve"),
            request.opens,
            self._closes(request),
            request.certificates,
            asked.extends or "",
            asked.address,
            request.closing,
        )
        self._spool.add("requests", row, place=request.time)
        self._add_refusal(request, now)
        if request.review_by is not None:
            self._add_break_glass(request, request.review_by, now)

    def _approval(self, decision: requests.Decision) -> str:
        approval = decision.said
        signed = f", {passkeys.by(approval)}"
        most = "" if approval.duration is None else f", at most {durations.show(approval.duration)}"
        return f"{self._people.who(approval.subject)}{signed}{most}"

    @staticmethod
    def _closes(request: Request) -> int | None:
        """When the window closed, by a person or by time."""
        if request.ends is None or request.closed is None:
            return request.ends
        return min(request.ends, request.closed)

    def _add_refusal(self, request: Request, now: int) -> None:
        standing = requests.state_at(request, now)
        over = ended_at(request)
        if standing not in _ENDED_WITHOUT_ACCESS or over is None or not self._period.holds(over):
            return
        if standing in _REFUSED:
            self._tallies.people[request.asked.subject].refused += 1
        no = [each.said.comment for each in request.decisions if each.said.verdict == "deny"]
        place = ", ".join(request.asked.hosts) or ERASED
        about = f"{request.id}: {request.asked.login}@{place}" if request.asked.hosts else f"{request.id}: {ERASED}"
        why = next((text for text in (*no, request.closing) if text), "")
        person, what = self._people.who(request.asked.subject), _ENDED_WITHOUT_ACCESS[standing]
        self._spool.add("refusals", (over, None, person, what, about, why, request.asked.rule, 1), place=over)

    def _add_break_glass(self, request: Request, due: int, now: int) -> None:
        asked, review = request.asked, request.review
        if review is None:
            standing = "overdue" if now >= due else "waiting"
        elif review.said.verdict == "unjustified":
            standing = "unjustified"
        else:
            standing = "late" if review.time > due else "justified"
        row = (
            standing,
            request.opens,
            request.id,
            self._people.who(asked.subject),
            _signature(asked),
            asked.hosts or (ERASED,),
            asked.login or ERASED,
            asked.reason or ERASED,
            asked.rule,
            request.certificates,
            due,
            None if review is None else review.time,
            "" if review is None else self._people.who(review.said.subject),
            "" if review is None else review.said.comment or ("" if asked.hosts else ERASED),
        )
        rank: Rank = _RANKS.get(standing, NORMAL)
        self._spool.add("break_glass", row, rank=rank, place=request.time)


def _signature(asked: events.Asked) -> str:
    """Whether the requester's key signed the request; empty where that is not asked for."""
    if asked.signed:
        return "signed"
    return "not signed" if asked.not_signed else ""

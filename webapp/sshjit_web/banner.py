"""What the head of every page warns of: one's own emergency access while it is active, and missing reviews.

The CA is asked at most once every few seconds for each sign-in; a view that changes something drops what is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sshjit.api.details import RequestsReply
from sshjit.api.session import LoginView
from sshjit.api.views import RequestState, RequestView
from sshjit.ca_protocol.requests import ReadRequests
from sshjit_web.ca_cache import Recent
from sshjit_web.ca_client import Authority

LIFETIME = 5.0
"""Seconds for which a banner may be old."""
MOST = 20
"""As far as is counted: nobody has more open break-glass accesses, and twenty reviews nag enough."""


@dataclass(frozen=True, slots=True)
class Banner:
    """What waits for a person. A count above ``MOST`` stands for that many and more."""

    glass: tuple[RequestView, ...]
    """One's own active emergency accesses."""
    reviews: int
    """How many break-glass accesses wait for a review that one may do."""
    approvals: int
    """How many requests wait for one's answer."""


class BannerCache:
    """Asks the CA and remembers for a moment. Raises what the CA says."""

    def __init__(self, ca: Authority, clock: Callable[[], float]) -> None:
        self._ca = ca
        self._known: Recent[str, Banner] = Recent(clock, LIFETIME)

    def of(self, login: LoginView) -> Banner:
        """The banner of this sign-in."""
        return self._known.get(login.id) or self._known.put(login.id, self._ask(login))

    def known(self, login: LoginView | None) -> Banner | None:
        """The banner as far as they are known without asking, for pages that say that something failed."""
        return None if login is None else self._known.get(login.id)

    def drop(self, login: LoginView) -> None:
        """Forgets it: something changed."""
        self._known.drop(login.id)

    def _ask(self, login: LoginView) -> Banner:
        live = ReadRequests(login.id, "mine", MOST, None, state=RequestState.APPROVED, after="")
        glass = tuple(one for one in self._ca.call(live, RequestsReply).requests if one.break_glass)
        reviews = self._count(login, "review") if "review" in login.permissions else 0
        return Banner(glass, reviews, self._count(login, "approve"))

    def _count(self, login: LoginView, scope: Literal["approve", "review"]) -> int:
        return len(self._ca.call(ReadRequests(login.id, scope, MOST + 1, None, after=""), RequestsReply).requests)

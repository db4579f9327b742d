"""Asking for access: the one call that every new connection makes."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.message import Reply
from sshjit.api.views import CertificateView, RequestView


@dataclass(frozen=True, slots=True)
class AskBody:
    """An ``Ask`` without what the front end adds."""

    hosts: tuple[str, ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    certificate: bool
    labels: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class AskReply(Reply):
    """What became of the ask. ``existing``: the live grant or pending request for the same thing was returned."""

    request: RequestView
    certificate: CertificateView | None
    existing: bool
    notes: tuple[str, ...]
    """Sentences for the person: "the duration was capped to 8 h", "you log in as deploy"."""

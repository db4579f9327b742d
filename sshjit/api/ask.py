"""Asking for access: the one call that every new connection makes."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.message import Reply
from sshjit.api.views import CertificateView, RequestView
from sshjit.limits import Hosts


@dataclass(frozen=True, slots=True)
class AskBody:
    """An ``Ask`` without what the front end adds."""

    hosts: Hosts
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    certificate: bool
    labels: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    break_glass: bool = False
    consent: ActionSignature | None = wire.added(2, default=None, weakens=True)
    """The signature over what the answer before this showed (``AskReply.challenge``)."""
    unsigned: bool = wire.added(2, default=False)
    """The key cannot sign: the request goes without, where the rule lets it, and is marked so."""


@dataclass(frozen=True, slots=True)
class AskReply(Reply):
    """What became of the ask. ``existing``: the live grant or pending request for the same thing was returned.

    With a ``challenge`` nothing is recorded yet: ``request`` is what would be, with an empty id, for the asker to sign
    (``signed_actions.ask_text``) and to ask again with.
    """

    request: RequestView
    certificate: CertificateView | None
    existing: bool
    notes: tuple[str, ...]
    """Sentences for the person: "the duration was capped to 8 h", "you log in as deploy"."""
    challenge: str | None = wire.added(2, default=None)

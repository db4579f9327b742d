"""The exact texts that people sign: asks, approvals, and acts that the front end must not be able to make up.

Both sides build the text for themselves, the client from what it shows, the CA from what it knows; only if they are the
same does the signature verify. A text names the installation and a challenge that the CA takes once, so it is worth
nothing at another place or time. Values stand as JSON in ASCII, one to a line, so that no value can pretend to be two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Protocol

from sshjit import canonical, wire
from sshjit.api.passkeys import AcceptPasskey, RegisterPasskey
from sshjit.api.signed import AddHost, LabelHost, RemoveHost, Unlock
from sshjit.api.views import RequestView, StepView
from sshjit.wire import type_name

ASK_NAMESPACE = "ask@ssh-jit"
"""The SSHSIG namespace of asks for access, and for more of it."""
APPROVE_NAMESPACE = "approve@ssh-jit"
"""The SSHSIG namespace of answers to requests."""
ACT_NAMESPACE = "act@ssh-jit"
"""The SSHSIG namespace of every other act that needs a signature."""

Act = AddHost | LabelHost | RemoveHost | Unlock | RegisterPasskey | AcceptPasskey
"""The messages that the web socket takes only with a signature."""
_SEEN = (
    *("id", "digest", "requester", "hosts", "host_ids", "login", "action", "command", "duration", "certificate"),
    *("reason", "rule", "policy", "asked", "channel", "address", "start", "break_glass", "extends"),
)
"""What is shown of a request and never changes."""
_ASKED = tuple(name for name in _SEEN if name not in {"id", "digest", "asked"})
"""The same without what it only has once it is written down. ``rule`` and ``policy`` stand for all other terms."""
_NOT_SIGNED = {"login_id", "consent"}


class Typed(Protocol):
    """What was typed and may stand otherwise in the request: ``AskBody``, or the ``Ask`` that the CA got."""

    # ruff: noqa: D102 - each is the field of that name
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def login(self) -> str | None: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def start(self) -> int | None: ...


_TYPED = ("hosts", "labels", "login", "duration", "start")


def ask_text(view: RequestView, typed: Typed | None, challenge: str, installation: str) -> bytes:
    """What a requester signs to ask for what ``view`` shows, which is how it would be written down.

    With what was ``typed``, of which the CA itself makes hosts, account and times: whoever carries the words to it can
    exchange none. Nothing of that is typed where a grant is extended (``None``).
    """
    values = [*_values(view, _ASKED), ("steps", _steps(view))]
    words = [] if typed is None else [(f"typed_{name}", getattr(typed, name)) for name in _TYPED]
    return _text("ask", challenge, installation, [*values, *words])


def approval_text(  # each of these is a line of what is signed
    view: RequestView,
    verdict: Literal["approve", "deny"],
    comment: str,
    challenge: str,
    installation: str,
    *,
    duration: int | None,
) -> bytes:
    """What an approver signs to say ``verdict`` to the request that ``view`` shows, for ``duration`` at most.

    ``signed`` came later: it is a line only where the request is said to be signed.
    """
    values = [*_values(view, _SEEN), ("steps", _steps(view)), ("at_most", duration), ("comment", comment)]
    return _text(verdict, challenge, installation, [*values, *([("signed", True)] if view.signed else [])])


def act_text(act: Act, challenge: str, installation: str) -> bytes:
    """What an admin signs to have ``act`` done; who asks and the signature itself are left out."""
    said = [(name, value) for name, value in wire.encode_said(act).items() if name not in _NOT_SIGNED]
    return _text(type_name(type(act)), challenge, installation, said)


def _values(view: RequestView, names: Iterable[str]) -> list[tuple[str, Any]]:
    return [(name, getattr(view, name)) for name in names]


def _steps(view: RequestView) -> list[list[Any]]:
    """Each step as it was signed first; what came later stands behind it only where it says something."""
    return [[step.role, step.count, step.signed, *_later(step)] for step in view.steps]


def _later(step: StepView) -> list[Any]:
    if not (step.but or step.instead or step.passkey):
        return []
    return [list(step.but), step.instead, step.after, *([step.passkey] if step.passkey else [])]


def _text(what: str, challenge: str, installation: str, values: Iterable[tuple[str, Any]]) -> bytes:
    lines = [f"ssh-jit {what} v1"]
    for name, value in [("installation", installation), ("challenge", challenge), *values]:
        lines.append(f"{name}: {canonical.dumps(wire.encode_said(value)).decode('ascii')}")
    return ("\n".join(lines) + "\n").encode("ascii")

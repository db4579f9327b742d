"""The exact texts that people sign: approvals, and acts that the front end must not be able to make up.

Both sides build the text for themselves, the client from what it shows, the CA from what it knows; only if they are the
same does the signature verify. A text names the installation and a challenge that the CA takes once, so it is worth
nothing at another place or time. Values stand as JSON in ASCII, one to a line, so that no value can pretend to be two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from sshjit import canonical, wire
from sshjit.api.signed import AddHost, LabelHost, RemoveHost, Unlock
from sshjit.api.views import RequestView
from sshjit.wire import type_name

APPROVE_NAMESPACE = "approve@ssh-jit"
"""The SSHSIG namespace of answers to requests."""
ACT_NAMESPACE = "act@ssh-jit"
"""The SSHSIG namespace of every other act that needs a signature."""

Act = AddHost | LabelHost | RemoveHost | Unlock
"""The messages that the web socket takes only with a signature."""
_SEEN = (
    *("id", "digest", "requester", "hosts", "host_ids", "login", "action", "command", "duration", "certificate"),
    *("reason", "rule", "policy", "asked", "channel", "address", "start", "break_glass", "extends"),
)
"""What is shown of a request and never changes."""
_NOT_SIGNED = {"login_id", "consent"}


def approval_text(  # each of these is a line of what is signed
    view: RequestView,
    verdict: Literal["approve", "deny"],
    comment: str,
    challenge: str,
    installation: str,
    *,
    duration: int | None,
) -> bytes:
    """What an approver signs to say ``verdict`` to the request that ``view`` shows, for ``duration`` at most."""
    steps = [[step.role, step.count, step.signed] for step in view.steps]
    seen = [(name, getattr(view, name)) for name in _SEEN]
    return _text(
        verdict, challenge, installation, [*seen, ("steps", steps), ("at_most", duration), ("comment", comment)]
    )


def act_text(act: Act, challenge: str, installation: str) -> bytes:
    """What an admin signs to have ``act`` done; who asks and the signature itself are left out."""
    said = [(name, value) for name, value in wire.encode_said(act).items() if name not in _NOT_SIGNED]
    return _text(type_name(type(act)), challenge, installation, said)


def _text(what: str, challenge: str, installation: str, values: Iterable[tuple[str, Any]]) -> bytes:
    lines = [f"ssh-jit {what} v1"]
    for name, value in [("installation", installation), ("challenge", challenge), *values]:
        lines.append(f"{name}: {canonical.dumps(wire.encode_said(value)).decode('ascii')}")
    return ("\n".join(lines) + "\n").encode("ascii")

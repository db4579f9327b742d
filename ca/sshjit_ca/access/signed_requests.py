"""Asks that the requester signs: which those are, what is given to sign, and what a signature is held against.

An ask that nobody has to approve stays one message: only the person's own key can use what it grants. Where people are
to decide by it, or are alarmed by it, it is answered with a challenge first and recorded with the signature over it.
"""

from __future__ import annotations

from sshjit import signed_actions
from sshjit.api.ask import AskReply
from sshjit.api.views import RequestView
from sshjit.ca_protocol.requests import Ask, Extend
from sshjit.errors import Refused
from sshjit.requests import Request
from sshjit_ca.access import grants
from sshjit_ca.access.grants import PendingGrant
from sshjit_ca.access.signed_actions import verify
from sshjit_ca.access.views import going_on_view
from sshjit_ca.context import Context
from sshjit_ca.ephemeral import CHALLENGE_BYTES
from sshjit_ca.state import Login


def challenge(
    context: Context, login: Login, message: Ask | Extend, pending: PendingGrant, notes: tuple[str, ...]
) -> AskReply | None:
    """What there is to sign before the ask is recorded; ``None`` where it is recorded as it came.

    Raises:
        Refused: ``signature_needed``, where the rule takes no request without and the asker cannot sign.

    """
    if message.consent is not None or not _wanted(pending):
        return None
    if login.opened.via != "native" or not message.signable:
        if pending.terms.signed_request:
            raise _needed(login, pending)
        return None
    made, _ = context.challenges.make(message.login_id, context.random(CHALLENGE_BYTES), context.now)
    return AskReply(_view(context, login, pending), None, existing=False, notes=notes, challenge=made)


def signed(context: Context, login: Login, message: Ask | Extend, pending: PendingGrant) -> bool:
    """Whether the ask is signed; a signature that does not fit is refused, never taken for a word alone.

    Raises:
        Refused: ``challenge_over``, ``signature_refused``, ``not_native``.
        Invalid: ``bad_signature``.

    """
    if message.consent is None:
        return False
    view, installation = _view(context, login, pending), context.config.installation
    typed = message if isinstance(message, Ask) else None
    verify(
        context,
        message.login_id,
        message.consent,
        signed_actions.ASK_NAMESPACE,
        lambda fresh: (signed_actions.ask_text(view, typed, fresh, installation),),
    )
    return True


def _wanted(pending: PendingGrant) -> bool:
    """Whether somebody decides by the ask, or is alarmed by it, or the rule wants it signed anyway."""
    return bool(pending.steps) or pending.wanted.break_glass or pending.terms.signed_request


def _needed(login: Login, pending: PendingGrant) -> Refused:
    text = f"rule {pending.terms.rule!r} needs a request that is signed by your key"
    if login.opened.via == "native":
        hint = "upgrade ssh-jit, or sign in with a key that can sign: ssh-jit login"
    elif pending.extends is not None:
        hint = "ssh-jit extend"
    else:
        hint = f"ssh-jit request {' '.join(host.name for host in pending.hosts)}"
    return Refused("signature_needed", text, hint=hint)


def _view(context: Context, login: Login, pending: PendingGrant) -> RequestView:
    """The request as it would be written down now."""
    asked = grants.event(context, login, pending, "", signed=True)
    return going_on_view(context, Request(asked, context.now))

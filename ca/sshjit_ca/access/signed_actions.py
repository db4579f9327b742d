"""Acts that count only with a signature: the CA builds the text itself and verifies it by the login's own key.

A signature counts in its own namespace, over this text with a challenge of this login, once. So what an agent could be
talked into signing for another purpose, and what was signed yesterday or by somebody else, is worth nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from sshjit import signed_actions, versions, wire
from sshjit.api.action_signature import ActionSignature
from sshjit.api.bodies import ShownHost, ShownLock
from sshjit.api.signed import LabelHost, RemoveHost, Unlock
from sshjit.ca_protocol.requests import Approve, Deny
from sshjit.errors import Invalid, Refused
from sshjit.requests import Request
from sshjit.signed_actions import Act
from sshjit_ca.access.views import going_on_view, host_view, lock_view
from sshjit_ca.context import Context
from sshjit_ca.keys import sshsig


def signed_answer(
    context: Context, message: Approve | Deny, request: Request, verdict: Literal["approve", "deny"]
) -> bool:
    """Whether an answer is signed; a signature that does not fit is refused, never taken for a word alone.

    Of a signed request a program of version 1 does not show that it is, and signs the text without that. It counts:
    its approver was shown less than there is. The other way round, nobody is made to believe in a signature.
    """
    if message.consent is None:
        return False
    view, installation = going_on_view(context, request), context.config.installation
    duration = message.duration if isinstance(message, Approve) else None

    def texts(challenge: str) -> Iterator[bytes]:
        for shown in (view, replace(view, signed=False)) if view.signed else (view,):
            yield signed_actions.approval_text(
                shown, verdict, message.comment, challenge, installation, duration=duration
            )

    verify(context, message.login_id, message.consent, signed_actions.APPROVE_NAMESPACE, texts)
    return True


def require(context: Context, act: Act, permission: str) -> str | None:
    """Who does this act: a permitted person by a signature, or ``None`` for the operator at the admin socket.

    Raises:
        Refused: ``not_permitted``, ``signature_needed``, ``challenge_over``, ``signature_refused``, ``not_native``,
            ``too_old`` for a signature that does not cover what its signer was shown.
        Invalid: ``shown_differs``.

    """
    subject = permitted(context, act, permission)
    if subject is None or act.login_id is None:
        return None
    if act.consent is None:
        raise Refused("signature_needed", "this requires a signature by your key", hint="use the command line")
    if isinstance(act, LabelHost | RemoveHost | Unlock):
        _check_shown(context, act)
    installation = context.config.installation
    verify(
        context,
        act.login_id,
        act.consent,
        signed_actions.ACT_NAMESPACE,
        lambda challenge: (signed_actions.act_text(act, challenge, installation),),
    )
    return subject


def permitted(context: Context, act: Act, permission: str) -> str | None:
    """Who does this act, as ``require``, before anything is said of what it is about.

    Raises:
        Refused: ``not_permitted``.

    """
    login = context.person_or_operator(act.login_id)
    if login is None:
        return None
    if not context.permitted(login, permission):
        raise Refused("not_permitted", f"this needs the permission {permission!r}, which you do not have")
    return login.opened.subject


def _check_shown(context: Context, act: LabelHost | RemoveHost | Unlock) -> None:
    """The signer was shown what the CA holds: an id or a name says nothing to somebody whom a front end deceives."""
    if act.shown is None:
        raise versions.lacking("ssh-jit", "shown", 2)
    held = (
        wire.fill(ShownLock, lock_view(context, context.state.locks[act.lock]))
        if isinstance(act, Unlock)
        else wire.fill(ShownHost, host_view(context, context.state.hosts[act.name]))
    )
    if act.shown != held:
        what = f"the lock {act.lock}" if isinstance(act, Unlock) else f"the host {act.name}"
        raise Invalid("shown_differs", f"{what} is not what you were shown", hint="look at it again")


def verify(
    context: Context,
    login_id: str,
    given: ActionSignature,
    namespace: str,
    texts: Callable[[str], Iterable[bytes]],
) -> None:
    """Checks that the login's key signed one of the ``texts`` that are made with the challenge, and takes that.

    Raises:
        Refused: ``not_native``, ``challenge_over``, ``signature_refused``.
        Invalid: ``bad_signature``.

    """
    key = context.key_of(context.login(login_id))
    if not context.challenges.take(login_id, given.challenge, context.now):
        raise Refused("challenge_over", "the signed challenge has expired, or was used already", hint="try again")
    *others, last = texts(given.challenge)
    for text in others:
        with suppress(Refused):
            return sshsig.verify(given.signature, key, namespace, text)
    return sshsig.verify(given.signature, key, namespace, last)

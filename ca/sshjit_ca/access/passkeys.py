"""Passkeys: whose they are, whether they count, and whether one signed exactly what its owner approves.

The CA builds the text of the approval itself, as for a signature by ``ssh-jit`` (``signed_actions.py``); its SHA-256 is
the challenge that the authenticator signs. The text has a challenge of its own, of this sign-in, which is taken once.
"""

from __future__ import annotations

import hmac

from sshjit import passkeys as known_passkeys
from sshjit import signed_actions, wire
from sshjit.api.passkeys import PasskeyView
from sshjit.ca_protocol.requests import Approve
from sshjit.errors import Refused
from sshjit.events import PasskeyRefused, PasskeyUsed
from sshjit.requests import Request
from sshjit_ca.access.views import going_on_view
from sshjit_ca.context import Context, person_view
from sshjit_ca.keys.passkeys import check_signed
from sshjit_ca.passkey_config import PasskeySites
from sshjit_ca.state import Login, Passkey

WAIT = 24 * 3600
"""Seconds after which a new passkey counts by itself: its owner and the admins are told of it meanwhile."""
MOST = 10
"""Passkeys of one person."""


def sites(context: Context) -> PasskeySites:
    """Where passkeys are used.

    Raises:
        Refused: ``passkeys_off``.

    """
    if context.config.passkeys is None:
        hint = "the operator adds [passkeys] to ca.toml"
        raise Refused("passkeys_off", "this installation takes no passkeys", hint=hint)
    return context.config.passkeys


def owned(context: Context, subject: str) -> tuple[Passkey, ...]:
    """Somebody's passkeys, oldest first."""
    return tuple(each for each in context.state.passkeys.values() if each.subject == subject)


def counting(context: Context, login: Login) -> tuple[Passkey, ...]:
    """The passkeys of the login's person that count now."""
    if context.config.passkeys is None:
        return ()
    rp_id, mine = context.config.passkeys.rp_id, owned(context, login.opened.subject)
    return tuple(each for each in mine if each.counts_from <= context.now and each.rp_id == rp_id)


def strength(passkey: Passkey) -> int:
    """How strong a signature by a passkey is (``sshjit.passkeys``)."""
    return known_passkeys.DEVICE_BOUND if passkey.device_bound else known_passkeys.PASSKEY


def meant(context: Context, login: Login, credential: str) -> Passkey:
    """The passkey of the login's person with this credential id, which counts now.

    Raises:
        Refused: ``passkeys_off``, ``unknown_passkey``, ``passkey_waits``.

    """
    rp_id, mine = sites(context).rp_id, owned(context, login.opened.subject)
    known = next((each for each in mine if hmac.compare_digest(each.credential, credential)), None)
    if known is None or known.rp_id != rp_id:
        raise Refused("unknown_passkey", "this passkey is not registered for you", hint="ssh-jit passkey add")
    if context.now < known.counts_from:
        hint = f"somebody with the permission 'passkeys' can accept it: ssh-jit passkey accept {known.id}"
        raise Refused("passkey_waits", "this passkey is new and does not count yet", hint=hint)
    return known


def approval_text(context: Context, request: Request, comment: str, challenge: str, duration: int | None) -> bytes:
    """The text of an approval, as the CA has it."""
    view, installation = going_on_view(context, request), context.config.installation
    return signed_actions.approval_text(view, "approve", comment, challenge, installation, duration=duration)


def signed_approval(context: Context, login: Login, message: Approve, request: Request) -> PasskeyUsed | None:
    """The use of a passkey that signed this approval, to be recorded before it; ``None``: none did.

    A counter that goes back is recorded at once, as an alarm, and refused.

    Raises:
        Refused: ``passkeys_off``, ``unknown_passkey``, ``passkey_waits``, ``challenge_over``, ``passkey_refused``,
            ``passkey_counter``.
        Invalid: ``bad_passkey``.

    """
    given = message.passkey
    if given is None:
        return None
    known = meant(context, login, given.credential)
    if not context.challenges.take(message.login_id, given.challenge, context.now):
        raise Refused("challenge_over", "the signed challenge has expired, or was used already", hint="try again")
    text = approval_text(context, request, message.comment, given.challenge, message.duration)
    signed = check_signed(given, known.public_key, text, sites(context))
    if signed.device_bound is not known.device_bound:
        raise Refused("passkey_refused", "the passkey says otherwise than before whether it can be synced")
    if (signed.counter or known.counter) and signed.counter <= known.counter:
        context.record(PasskeyRefused(known.id, known.subject, request.id, signed.counter, known.counter))
        hint = "remove it and tell your security team: there may be a copy of it"
        raise Refused("passkey_counter", "the passkey's counter went back: the approval is refused", hint=hint)
    return PasskeyUsed(
        passkey=known.id,
        subject=known.subject,
        request=request.id,
        counter=signed.counter,
        backed_up=signed.backed_up,
        text=text.decode("ascii"),
        client_data=given.client_data,
        authenticator_data=given.authenticator_data,
        signature=given.signature,
    )


def passkey_view(context: Context, passkey: Passkey) -> PasskeyView:
    """A passkey as pages and terminals show it."""
    return wire.fill(
        PasskeyView,
        passkey,
        person=person_view(context.newest_login(passkey.subject)),
        fingerprint=known_passkeys.fingerprint(passkey.credential, passkey.public_key),
    )

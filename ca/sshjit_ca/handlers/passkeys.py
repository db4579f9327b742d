"""Passkeys of people who approve: made in a browser, registered by the key of a native sign-in.

The terminal begins (``offer_passkey``) and shows a short code; the page that is opened with it makes the passkey
(``make_passkey``), which registers nothing; the terminal shows what was made, and the sign-in's key signs that
(``register_passkey``). Then it waits for a day, or for an admin's signed word. ``docs/decisions/0072`` says why.
"""

from __future__ import annotations

import hashlib

from sshjit import approvals, names, signed_actions, wire
from sshjit import passkeys as known_passkeys
from sshjit.api.passkeys import (
    AcceptPasskey,
    MadePasskey,
    PasskeyOfferReply,
    PasskeysReply,
    RegisterPasskey,
    ShownPasskey,
)
from sshjit.ca_protocol.passkeys import (
    MakePasskey,
    OfferPasskey,
    PasskeyChallengeReply,
    PasskeyOptionsReply,
    ReadPasskeyChallenge,
    ReadPasskeyOffer,
    ReadPasskeyOptions,
    ReadPasskeys,
    RemovePasskey,
)
from sshjit.errors import Invalid, Refused
from sshjit.events import PasskeyAccepted, PasskeyRegistered, PasskeyRemoved
from sshjit.login import b64url, unb64url
from sshjit_ca.access import lookup, passkeys
from sshjit_ca.access import signed_actions as signed
from sshjit_ca.access.revocation import require_reason
from sshjit_ca.access.visibility import visible_request
from sshjit_ca.context import Context
from sshjit_ca.ephemeral import CHALLENGE_BYTES, OFFER_LIFETIME, Made, PasskeyOffer
from sshjit_ca.keys.passkeys import ALGORITHMS, read_made
from sshjit_ca.state import Login, Passkey, locks

_NAME_LENGTH = 60


def offer_passkey(context: Context, message: OfferPasskey) -> PasskeyOfferReply:
    """Begins a registration.

    Raises:
        Refused: ``passkeys_off``, ``not_native``, ``too_many_passkeys``, ``locked``, ``workload_refused``.

    """
    passkeys.sites(context)
    login = lookup.person_login(context, message.login_id)
    context.key_of(login)
    _check_room(context, login)
    letters = context.new_id("")[1:9]
    code = f"{letters[:4]}-{letters[4:]}"
    challenge, ends = b64url(context.random(32)), context.now + OFFER_LIFETIME
    context.passkey_offers.put(PasskeyOffer(code, login.opened.subject, message.login_id, challenge, ends), context.now)
    return PasskeyOfferReply(code, ends)


def read_passkey_offer(context: Context, message: ReadPasskeyOffer) -> PasskeyOfferReply:
    """What a browser made so far. Raises ``Refused``: ``passkey_offer_over``."""
    return _offer_reply(_offer(context, lookup.person_login(context, message.login_id), message.code))


def read_passkey_options(context: Context, message: ReadPasskeyOptions) -> PasskeyOptionsReply:
    """What the browser is to be asked. Raises ``Refused``: ``passkeys_off``, ``passkey_offer_over``."""
    login = lookup.person_login(context, message.login_id)
    offer, subject = _offer(context, login, message.code), login.opened.subject
    return PasskeyOptionsReply(
        rp_id=passkeys.sites(context).rp_id,
        challenge=offer.challenge,
        user=b64url(hashlib.sha256(f"{context.config.installation} {subject}".encode("ascii")).digest()),
        algorithms=ALGORITHMS,
        exclude=tuple(each.credential for each in passkeys.owned(context, subject)),
    )


def make_passkey(context: Context, message: MakePasskey) -> PasskeyOfferReply:
    """Takes what a browser made, for the terminal to show. The first one counts: what comes later is refused.

    Raises:
        Refused: ``passkeys_off``, ``passkey_offer_over``, ``passkey_refused``, ``passkey_made``, ``passkey_taken``.
        Invalid: ``bad_passkey``.

    """
    login = lookup.person_login(context, message.login_id)
    offer = _offer(context, login, message.code)
    if offer.made is not None:
        hint = "begin again: ssh-jit passkey add"
        raise Refused("passkey_made", "a passkey was made for this code already", hint=hint)
    sites = passkeys.sites(context)
    made = read_made(message.client_data, message.authenticator_data, unb64url(offer.challenge), sites)
    _check_new(context, made)
    offer = PasskeyOffer(offer.code, offer.subject, offer.login_id, offer.challenge, offer.ends, made)
    context.passkey_offers.put(offer, context.now)
    return _offer_reply(offer)


def register_passkey(context: Context, message: RegisterPasskey) -> PasskeysReply:
    """Registers what was made and shown, by the signature of the sign-in's own key.

    Raises:
        Refused: ``passkeys_off``, ``signature_needed``, ``challenge_over``, ``signature_refused``, ``not_native``,
            ``passkey_offer_over``, ``passkey_taken``, ``too_many_passkeys``, ``locked``.
        Invalid: ``shown_differs``, ``bad_name``, ``bad_signature``.

    """
    login = lookup.person_login(context, message.login_id)
    offer = _offer(context, login, message.code)
    made = offer.made
    name = names.free_text(message.name, "the name", _NAME_LENGTH)
    if message.consent is None:
        raise Refused("signature_needed", "a passkey is registered by a signature", hint="ssh-jit passkey add")
    shown = (message.rp_id, message.credential, message.public_key, message.device_bound, message.backed_up)
    if made is None or offer.login_id != message.login_id or shown != _shown(made):
        raise Invalid("shown_differs", "the passkey is not the one that was made for this code", hint="begin again")
    locks.refuse_new(context.state)
    _check_new(context, made)
    _check_room(context, login)
    act_text = signed_actions.act_text(message, message.consent.challenge, context.config.installation)
    namespace = signed_actions.ACT_NAMESPACE
    signed.verify(context, message.login_id, message.consent, namespace, lambda _: (act_text,))
    passkey = context.new_id("passkey")
    context.record(
        wire.fill(
            PasskeyRegistered,
            made,
            passkey=passkey,
            subject=login.opened.subject,
            login_id=message.login_id,
            counts_from=context.now + passkeys.WAIT,
            name=name or "passkey",
            text=act_text.decode("ascii"),
            signature=message.consent.signature,
        )
    )
    context.passkey_offers.drop(message.code)
    return _one(context, passkey)


def accept_passkey(context: Context, message: AcceptPasskey) -> PasskeysReply:
    """Lets somebody else's new passkey count at once.

    Raises:
        Refused: ``not_permitted``, ``own_passkey``, ``signature_needed``, ``challenge_over``, ``signature_refused``,
            ``not_native``.
        Invalid: ``unknown_passkey``, ``which_passkey``, ``passkey_counts``, ``shown_differs``.

    """
    subject = signed.permitted(context, message, "passkeys")
    known = _known(context, message.passkey)
    if subject is not None:
        admin, owner = context.person(subject), context.person(known.subject)
        if not approvals.others(owner, (admin,), context.person_directory()):
            hint = "it counts a day after it was registered"
            raise Refused("own_passkey", "you cannot accept a passkey of your own", hint=hint)
    if known.counts_from <= context.now:
        raise Invalid("passkey_counts", "this passkey counts already")
    view = passkeys.passkey_view(context, known)
    if subject is not None and message.shown != wire.fill(ShownPasskey, view):
        raise Invalid("shown_differs", f"the passkey {known.id} is not what you were shown", hint="look at it again")
    context.record(PasskeyAccepted(known.id, known.subject, signed.require(context, message, "passkeys")))
    return _one(context, known.id)


def remove_passkey(context: Context, message: RemovePasskey) -> PasskeysReply:
    """Its owner or the operator removes a passkey; what it approved and is not over counts no more.

    Raises:
        Refused: ``not_permitted``.
        Invalid: ``unknown_passkey``, ``which_passkey``, ``no_reason``.

    """
    login = context.person_or_operator(message.login_id)
    by = None if login is None else login.opened.subject
    known = _known(context, message.passkey, by)
    reason = require_reason(message.reason) if login is None else names.free_text(message.reason, "the reason")
    view = passkeys.passkey_view(context, known)
    context.record(PasskeyRemoved(known.id, known.subject, by, reason))
    return PasskeysReply((view,))


def read_passkeys(context: Context, message: ReadPasskeys) -> PasskeysReply:
    """One's own, or everybody's.

    Raises:
        Refused: ``not_permitted``.

    """
    login = context.person_or_operator(message.login_id)
    known = tuple(context.state.passkeys.values())
    if login is not None and message.everybody:
        if not any(context.permitted(login, permission) for permission in ("passkeys", "audit")):
            raise Refused("not_permitted", "this needs the permission 'passkeys', which you do not have")
    elif login is not None:
        known = passkeys.owned(context, login.opened.subject)
    return PasskeysReply(tuple(passkeys.passkey_view(context, each) for each in known))


def read_passkey_challenge(context: Context, message: ReadPasskeyChallenge) -> PasskeyChallengeReply:
    """What there is to sign to approve a request, and by which passkeys.

    Raises:
        Refused: ``passkeys_off``, ``no_passkey``.
        Invalid: ``unknown_request``, ``too_long``, ``not_printable``.

    """
    login = lookup.person_login(context, message.login_id)
    sites, request = passkeys.sites(context), visible_request(context, login, message.request)
    usable = passkeys.counting(context, login)
    if not usable:
        waits = passkeys.owned(context, login.opened.subject)
        hint = "it counts a day after it was registered" if waits else "ssh-jit passkey add"
        raise Refused("no_passkey", "you have no passkey here that counts", hint=hint)
    names.free_text(message.comment, "the comment")
    challenge, _ = context.challenges.make(message.login_id, context.random(CHALLENGE_BYTES), context.now)
    text = passkeys.approval_text(context, request, message.comment, challenge, message.duration)
    return PasskeyChallengeReply(
        challenge, text.decode("ascii"), sites.rp_id, tuple(each.credential for each in usable)
    )


def _offer(context: Context, login: Login, code: str) -> PasskeyOffer:
    offer = context.passkey_offers.find(code, login.opened.subject, context.now)
    if offer is None:
        hint = "begin again in the terminal: ssh-jit passkey add"
        raise Refused("passkey_offer_over", "no registration of yours with this code is under way", hint=hint)
    return offer


def _offer_reply(offer: PasskeyOffer) -> PasskeyOfferReply:
    made = offer.made
    if made is None:
        return PasskeyOfferReply(offer.code, offer.ends)
    fingerprint = known_passkeys.fingerprint(made.credential, made.public_key)
    return PasskeyOfferReply(offer.code, offer.ends, wire.fill(MadePasskey, made, fingerprint=fingerprint))


def _shown(made: Made) -> tuple[str, str, str, bool, bool]:
    return made.rp_id, made.credential, made.public_key, made.device_bound, made.backed_up


def _check_new(context: Context, made: Made) -> None:
    if any(each.credential == made.credential for each in context.state.passkeys.values()):
        raise Refused("passkey_taken", "this passkey is registered already")


def _check_room(context: Context, login: Login) -> None:
    if len(passkeys.owned(context, login.opened.subject)) >= passkeys.MOST:
        hint = "remove one: ssh-jit passkey remove"
        raise Refused("too_many_passkeys", f"you have {passkeys.MOST} passkeys, which is the most", hint=hint)


def _known(context: Context, text: str, owner: str | None = None) -> Passkey:
    """The passkey with this id; with ``owner``, one of theirs."""
    text = lookup.id_meant(context, text, context.state.passkeys, "passkey-", "passkey")
    known = context.state.passkeys.get(text)
    if known is None or (owner is not None and known.subject != owner):
        raise Invalid("unknown_passkey", "there is no such passkey", hint="ssh-jit passkey list")
    return known


def _one(context: Context, passkey: str) -> PasskeysReply:
    return PasskeysReply((passkeys.passkey_view(context, context.state.passkeys[passkey]),))

"""The life of the CA's keys: added, told to hosts and laptops, signing, believed a while longer, over.

No step of it refuses anybody: a CA key signs only when a bundle that names it is old enough to have reached everybody,
and is dropped only when nothing lives that it signed; ``now`` says that the operator knows better. A bundle or log key
is followed instead, by the signature of the one before it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sshjit import bundle, durations
from sshjit.ca_protocol.keys import (
    ActivateKey,
    AddKey,
    DeactivateKey,
    KeyReply,
    KeysReply,
    KeyView,
    ReadKeys,
    RetireKey,
)
from sshjit.errors import Invalid
from sshjit.events import KeyActivated, KeyAdded, KeyDeactivated, KeyRetired
from sshjit_ca.context import Context
from sshjit_ca.keys import PURPOSES, sshsig, succession
from sshjit_ca.keys.active_keys import find_key, require_purpose
from sshjit_ca.keys.generation import Opened
from sshjit_ca.keys.probe import ProbeResults
from sshjit_ca.state import CaKey
from sshjit_ca.state import keys as folded

_CAS: Final = ("user_ca", "host_ca")
_NAMESPACES = {"bundle": bundle.SUCCESSION, "log": succession.NAMESPACE}


def read_keys(context: Context, _: ReadKeys) -> KeysReply:
    """Every key, by purpose, and whether those that sign can do it just now."""
    results = context.prepared(ProbeResults)
    views = (_view(context, key, results) for purpose in PURPOSES for key in folded.of(context.state, purpose))
    return KeysReply(tuple(views))


def add_key(context: Context, message: AddKey) -> KeyReply:
    """Writes a key down as pending; the next bundle names it.

    Raises:
        Invalid: ``key_known``, ``bad_key_type``.

    """
    opened = context.prepared(Opened)
    key = opened.public
    require_purpose(message.purpose, key.type)
    known = context.state.keys.get(key.fingerprint)
    if known is not None:
        raise Invalid("key_known", f"{key.fingerprint} is already known: {known.purpose}, {known.state}")
    if key.fingerprint in context.state.bound_keys:
        raise Invalid("key_known", f"{key.fingerprint} is a person's sign-in key")
    context.record(KeyAdded(message.purpose, key.fingerprint, key.line, opened.reference))
    return KeyReply(_view(context, context.state.keys[key.fingerprint], ProbeResults()))


def activate_key(context: Context, message: ActivateKey) -> KeyReply:
    """Gives a pending key its turn.

    Raises:
        Invalid: ``unknown_key``, ``wrong_state``, ``too_early``.
        Failed: ``not_signing``, when the key before cannot endorse it.

    """
    key = find_key(context.state, message.purpose, message.key)
    if key.state != "pending":
        raise Invalid("wrong_state", f"{key.fingerprint} is {key.state}, and only a pending key can be activated")
    ready = _ready(context, key)
    if not message.now and (ready is None or context.now < ready):
        when = "once a bundle names it, and then" if ready is None else f"from {_clock(ready)} on:"
        settle = durations.show(context.config.key_settle)
        raise Invalid(
            "too_early",
            "hosts and laptops may not know this key yet",
            hint=f"{when} {settle} after the bundle that first named it; or --now, if all of them have it",
        )
    context.record(KeyActivated(key.purpose, key.fingerprint, _endorsement(context, key)))
    return KeyReply(_view(context, context.state.keys[key.fingerprint], ProbeResults()))


def deactivate_key(context: Context, message: DeactivateKey) -> KeyReply:
    """Ends the turn of a post-quantum key, without another one in its place: the classical key signs on.

    Raises:
        Invalid: ``unknown_key``, ``wrong_state``, ``key_needed``, ``post_quantum_hosts``.

    """
    key = find_key(context.state, message.purpose, message.key)
    if key.state != "active":
        raise Invalid("wrong_state", f"{key.fingerprint} is {key.state}, and only an active key can be deactivated")
    if not key.post_quantum:
        raise Invalid(
            "key_needed",
            f"without {key.fingerprint} nothing would sign for {key.purpose} what every OpenSSH reads",
            hint=f"ssh-jit-ca keys activate {key.purpose} … another one instead",
        )
    only = sorted(host.name for host in context.state.hosts.values() if host.post_quantum_only)
    if key.purpose == "user_ca" and only:
        raise Invalid(
            "post_quantum_hosts",
            f"nobody could reach {', '.join(only[:3])}{' and others' * (len(only) > 3)}, which trust no other key",
            hint=f"first: ssh-jit-ca host set {only[0]} --no-post-quantum-only",
        )
    context.record(KeyDeactivated(key.purpose, key.fingerprint))
    return KeyReply(_view(context, context.state.keys[key.fingerprint], ProbeResults()))


def retire_key(context: Context, message: RetireKey) -> KeyReply:
    """Ends a key: pending or retiring ones only.

    Raises:
        Invalid: ``unknown_key``, ``wrong_state``, ``key_active``, ``still_alive``.

    """
    key = find_key(context.state, message.purpose, message.key)
    if key.state == "retired":
        raise Invalid("wrong_state", f"{key.fingerprint} is already retired")
    if key.state == "active":
        raise Invalid(
            "key_active",
            f"{key.fingerprint} signs for {key.purpose}",
            hint=_DEACTIVATE.format(key=key) if key.post_quantum else _ANOTHER.format(key=key),
        )
    if key.alive_until > context.now and not message.now:
        raise Invalid(
            "still_alive",
            f"certificates by this key are valid until {_clock(key.alive_until)}",
            hint="wait until then; with --now hosts refuse them after their next refresh",
        )
    context.record(KeyRetired(key.purpose, key.fingerprint, revoked=message.now and key.purpose in _CAS))
    context.keys.key_store.forget(key.fingerprint)
    return KeyReply(_view(context, context.state.keys[key.fingerprint], ProbeResults()))


_ANOTHER = "ssh-jit-ca keys activate {key.purpose} … another one first"
_DEACTIVATE = "ssh-jit-ca keys deactivate {key.purpose} {key.fingerprint} first"


def _endorsement(context: Context, key: CaKey) -> str | None:
    namespace = _NAMESPACES.get(key.purpose)
    if namespace is None:
        return None
    return sshsig.sign(context.keys.active(key.purpose), namespace, key.line.encode("ascii"))


def _ready(context: Context, key: CaKey) -> int | None:
    """From when on the next step of a key harms nobody; ``None`` while nobody was told of it, or there is none."""
    if key.state == "retiring":
        return max(key.alive_until, key.added)
    if key.state != "pending":
        return None
    if key.purpose not in _CAS:
        return key.added
    return None if key.told is None else key.told + context.config.key_settle


def _view(context: Context, key: CaKey, results: ProbeResults) -> KeyView:
    return KeyView(
        purpose=key.purpose,
        fingerprint=key.fingerprint,
        line=key.line,
        state=key.state,
        reference=key.reference,
        added=key.added,
        told=key.told,
        ready=_ready(context, key),
        revoked=key.revoked,
        problem=results[key.fingerprint].problem if key.fingerprint in results else "",
    )


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

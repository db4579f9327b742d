"""The life of the CA's keys: added, told to hosts and laptops, signing, believed a while longer, over.

No step of it refuses anybody: a CA key signs only when a bundle that names it is old enough to have reached everybody,
and is dropped only when nothing lives that it signed; ``now`` says that the operator knows better. A bundle or log key
is followed instead, by the signature of the one before it.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Final

from sshjit import bundle, durations, sshkey
from sshjit.ca_protocol.keys import (
    ActivateKey,
    AddKey,
    KeyKind,
    KeyReply,
    KeysReply,
    KeyView,
    Purpose,
    ReadKeys,
    RetireKey,
)
from sshjit.errors import Failed, Invalid
from sshjit.events import KeyActivated, KeyAdded, KeyRetired
from sshjit_ca.context import Context
from sshjit_ca.keys import PURPOSES, first, probe, sshsig, succession
from sshjit_ca.keys.active_keys import Trials
from sshjit_ca.keys.making import Maker, Opened, opened
from sshjit_ca.state import CaKey
from sshjit_ca.state import keys as folded

_CAS: Final = ("user_ca", "host_ca")
_NAMESPACES = {"bundle": bundle.SUCCESSION, "log": succession.NAMESPACE}


def first_keys(context: Context) -> None:
    """Writes down the four keys that ``init`` made, in a log that knows none.

    Raises:
        Failed: ``no_key``, ``key_exposed``, ``bad_key_file``, ``same_key``.

    """
    for purpose, reference in first.references_in(context.config.home / "keys").items():
        public = context.keys.holder.open(reference).public
        if public.fingerprint in context.state.keys:
            raise Failed("same_key", "one key serves two purposes", hint="each purpose has a key of its own")
        if purpose == "log" and public.type != sshkey.ED25519:
            raise Failed("bad_key_file", "the log's key must be Ed25519 (C2SP signed notes)")
        context.record(KeyAdded(purpose, public.fingerprint, public.line, reference))
        context.record(KeyActivated(purpose, public.fingerprint, None))


def prepare_read(context: Context, _: ReadKeys, __: int) -> Trials:
    """Whether the keys that sign, or will, can do it just now; may wait for devices."""
    return context.keys.trials()


def read(context: Context, _: ReadKeys, trials: Trials) -> KeysReply:
    """Every key, by purpose."""
    views = (_view(context, key, trials) for purpose in PURPOSES for key in folded.of(context.state, purpose))
    return KeysReply(tuple(views))


def prepare_add(context: Context, message: AddKey, _: int) -> Opened:
    """Makes or opens the key, and lets it sign once.

    Raises:
        Invalid: ``bad_reference``, ``bad_key_type``, ``bad_message``.
        Failed: why the key, or the passphrase of a new one, cannot be used.

    """
    match message:
        case AddKey(reference=str() as reference, make=None, passphrase=None):
            return opened(context.keys.holder, reference)
        case AddKey(reference=None, make=str() as kind):
            if message.purpose == "log" and kind != "ed25519":
                raise _not_for_the_log()
            return _make(context, message.purpose, kind, message.passphrase)
        case _:
            raise Invalid(
                "bad_message",
                "name either a key that exists, or the kind of a new one",
                hint="a passphrase is for a new one; a reference to an encrypted file names its own",
            )


def add(context: Context, message: AddKey, ready: Opened) -> KeyReply:
    """Writes a key down as pending; the next bundle names it.

    Raises:
        Invalid: ``key_known``, ``bad_key_type``.

    """
    key = ready.public
    if message.purpose == "log" and key.type != sshkey.ED25519:
        raise _not_for_the_log()
    known = context.state.keys.get(key.fingerprint)
    if known is not None:
        raise Invalid("key_known", f"{key.fingerprint} is known already: {known.purpose}, {known.state}")
    if key.fingerprint in context.state.bound_keys:
        raise Invalid("key_known", f"{key.fingerprint} is the key of somebody who signed in")
    context.record(KeyAdded(message.purpose, key.fingerprint, key.line, ready.reference))
    return KeyReply(_view(context, context.state.keys[key.fingerprint], {}))


def prepare_activate(context: Context, message: ActivateKey, _: int) -> None:
    """Lets the key sign once, so that one which cannot never has its turn."""
    key = _named(context, message.purpose, message.key)
    probe.once(context.keys.holder.expected(key.fingerprint, key.reference))


def activate(context: Context, message: ActivateKey, _: None) -> KeyReply:
    """Gives a pending key its turn.

    Raises:
        Invalid: ``unknown_key``, ``wrong_state``, ``too_early``.
        Failed: ``not_signing``, when the key before cannot endorse it.

    """
    key = _named(context, message.purpose, message.key)
    if key.state != "pending":
        raise Invalid("wrong_state", f"{key.fingerprint} is {key.state}, and only a pending key can be activated")
    ready = _ready(context, key)
    if not message.now and (ready is None or context.now < ready):
        when = "once a bundle names it, and then" if ready is None else f"from {_clock(ready)} on:"
        settle = durations.show(context.config.key_settle)
        raise Invalid(
            "too_early",
            "hosts and laptops may not have heard of this key yet",
            hint=f"{when} {settle} after the bundle that first named it; or --now, if all of them have it",
        )
    context.record(KeyActivated(key.purpose, key.fingerprint, _endorsement(context, key)))
    return KeyReply(_view(context, context.state.keys[key.fingerprint], {}))


def retire(context: Context, message: RetireKey) -> KeyReply:
    """Ends a key: pending or retiring ones only.

    Raises:
        Invalid: ``unknown_key``, ``wrong_state``, ``key_active``, ``still_alive``.

    """
    key = _named(context, message.purpose, message.key)
    if key.state == "retired":
        raise Invalid("wrong_state", f"{key.fingerprint} is retired already")
    if key.state == "active":
        raise Invalid(
            "key_active",
            f"{key.fingerprint} signs for {key.purpose}",
            hint=f"ssh-jit-ca keys activate {key.purpose} … another one first",
        )
    if key.alive_until > context.now and not message.now:
        raise Invalid(
            "still_alive",
            f"certificates live until {_clock(key.alive_until)} that this key signed",
            hint="wait until then; or --now, and hosts refuse them from their next refresh on",
        )
    context.record(KeyRetired(key.purpose, key.fingerprint, revoked=message.now and key.purpose in _CAS))
    context.keys.holder.forget(key.fingerprint)
    return KeyReply(_view(context, context.state.keys[key.fingerprint], {}))


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


def _named(context: Context, purpose: Purpose, name: str) -> CaKey:
    """The key of a fingerprint, or of a beginning that fits one alone.

    Raises:
        Invalid: ``unknown_key``.

    """
    begin = name if name.startswith("SHA256:") else f"SHA256:{name}"
    found = [key for key in folded.of(context.state, purpose) if key.fingerprint.startswith(begin)]
    if len(found) != 1:
        how = "no" if not found else "more than one"
        raise Invalid("unknown_key", f"{how} key of {purpose} is {name[:60]!r}", hint="ssh-jit-ca keys list")
    return found[0]


def _make(context: Context, purpose: Purpose, kind: KeyKind, passphrase: str | None) -> Opened:
    """A new file beside the first keys: ``user_ca.2``, ``user_ca.3``, and so on."""
    maker = Maker.of(context.keys.holder, passphrase)
    beside = context.config.key_file(purpose)
    for number in range(2, 10_000):
        with contextlib.suppress(FileExistsError):
            return maker.make(beside.with_name(f"{beside.name}.{number}"), kind)
    raise Failed("no_room", f"there are too many keys beside {beside}")


def _view(context: Context, key: CaKey, trials: Trials) -> KeyView:
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
        problem=trials[key.fingerprint].problem if key.fingerprint in trials else "",
    )


def _not_for_the_log() -> Invalid:
    return Invalid("bad_key_type", "the log's key must be Ed25519: checkpoints are C2SP signed notes")


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

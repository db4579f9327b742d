"""Hardware keys that the operator vouches for.

An ``sk-`` key can be made up in software: its signatures say whatever their maker likes about touch and PIN. So rules
with ``hardware_key`` take only keys that somebody saw as a device in the person's hands and registered here.
"""

from __future__ import annotations

from dataclasses import replace

from sshjit import sshkey
from sshjit.ca_protocol.hosts import (
    HardwareKeysReply,
    HardwareKeyView,
    ReadHardwareKeys,
    RegisterHardwareKey,
    RemoveHardwareKey,
)
from sshjit.errors import Invalid, Refused
from sshjit.events import HardwareKeyRegistered, HardwareKeyRemoved
from sshjit_ca.access.lookup import id_meant, subject_named
from sshjit_ca.access.revocation import require_reason
from sshjit_ca.context import Context, person_view
from sshjit_ca.state import locks


def register_hardware_key(context: Context, message: RegisterHardwareKey) -> HardwareKeysReply:
    """Vouches for a key.

    Raises:
        Invalid: ``not_hardware``, ``already_registered``, ``unknown_person``, and what is wrong with the key.
        Refused: ``key_taken``, ``locked``.

    """
    key = sshkey.parse_line(message.key)
    if not key.hardware:
        raise Invalid("not_hardware", f"a {key.type} key is not a hardware key", hint="ssh-keygen -t ed25519-sk")
    subject = subject_named(context.state, message.person)
    locks.refuse_key(context.state, key.fingerprint)
    if context.state.bound_keys.get(key.fingerprint, subject) != subject:
        raise Refused("key_taken", "this key belongs to somebody else")
    if key.fingerprint in context.state.hardware_keys:
        raise Invalid("already_registered", "this key is already registered")
    context.record(HardwareKeyRegistered(subject, key.fingerprint, key.line))
    return HardwareKeysReply((_view(context, key.fingerprint),))


def remove_hardware_key(context: Context, message: RemoveHardwareKey) -> HardwareKeysReply:
    """Vouches for it no more: the next certificate that needs it is refused.

    Raises:
        Invalid: ``unknown_key``, ``which_key``, ``no_reason``.

    """
    reason = require_reason(message.reason)
    keys = context.state.hardware_keys
    message = replace(message, fingerprint=id_meant(context, message.fingerprint, keys, "SHA256:", "key"))
    known = keys.get(message.fingerprint)
    if known is None:
        raise Invalid("unknown_key", "no such hardware key is registered", hint="ssh-jit-ca hardware-key list")
    view = _view(context, message.fingerprint)
    context.record(HardwareKeyRemoved(known.subject, message.fingerprint, reason))
    return HardwareKeysReply((view,))


def read_hardware_keys(context: Context, _: ReadHardwareKeys) -> HardwareKeysReply:
    """All of them."""
    return HardwareKeysReply(tuple(_view(context, fingerprint) for fingerprint in context.state.hardware_keys))


def _view(context: Context, fingerprint: str) -> HardwareKeyView:
    known = context.state.hardware_keys[fingerprint]
    person = person_view(context.newest_login(known.subject))
    return HardwareKeyView(fingerprint, known.line.split(" ")[0], person, known.time)

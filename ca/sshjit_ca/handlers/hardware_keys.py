"""Hardware keys that the operator vouches for.

An ``sk-`` key can be made up in software: its signatures say whatever their maker likes about touch and PIN. So rules
with ``hardware_key`` take only keys that somebody saw as a device in the person's hands and registered here.
"""

from __future__ import annotations

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
from sshjit_ca.access.person_lookup import subject_named
from sshjit_ca.context import Context, person_view
from sshjit_ca.handlers.revocation import why
from sshjit_ca.state import locks


def register(desk: Context, message: RegisterHardwareKey) -> HardwareKeysReply:
    """Vouches for a key.

    Raises:
        Invalid: ``not_hardware``, ``already_registered``, ``unknown_person``, and what is wrong with the key.
        Refused: ``key_taken``, ``locked``.

    """
    key = sshkey.parse_line(message.key)
    if not key.hardware:
        raise Invalid("not_hardware", f"a {key.type} key is not in hardware", hint="ssh-keygen -t ed25519-sk")
    subject = subject_named(desk.state, message.person)
    locks.refuse_key(desk.state, key.fingerprint)
    if desk.state.bound_keys.get(key.fingerprint, subject) != subject:
        raise Refused("key_taken", "this key belongs to somebody else")
    if key.fingerprint in desk.state.hardware_keys:
        raise Invalid("already_registered", "this key is registered already")
    desk.record(HardwareKeyRegistered(subject, key.fingerprint, key.line))
    return HardwareKeysReply((_view(desk, key.fingerprint),))


def remove(desk: Context, message: RemoveHardwareKey) -> HardwareKeysReply:
    """Vouches for it no more: the next certificate that needs it is refused.

    Raises:
        Invalid: ``unknown_key``, ``no_reason``.

    """
    reason = why(message.reason)
    known = desk.state.hardware_keys.get(message.fingerprint)
    if known is None:
        raise Invalid("unknown_key", "no such hardware key is registered", hint="ssh-jit-ca hardware-key list")
    view = _view(desk, message.fingerprint)
    desk.record(HardwareKeyRemoved(known.subject, message.fingerprint, reason))
    return HardwareKeysReply((view,))


def read(desk: Context, _: ReadHardwareKeys) -> HardwareKeysReply:
    """All of them."""
    return HardwareKeysReply(tuple(_view(desk, fingerprint) for fingerprint in desk.state.hardware_keys))


def _view(desk: Context, fingerprint: str) -> HardwareKeyView:
    known = desk.state.hardware_keys[fingerprint]
    person = person_view(desk.newest_login(known.subject))
    return HardwareKeyView(fingerprint, known.line.split(" ")[0], person, known.time)

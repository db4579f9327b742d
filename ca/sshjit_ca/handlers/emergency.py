"""The operator's word in an emergency: a certificate past every rule, and a clock that is right after all."""

from __future__ import annotations

from sshjit import names, sshkey
from sshjit.ca_protocol.operating import ClockReply, ConfirmClock, EmergencyReply, SignEmergency
from sshjit.errors import Invalid
from sshjit.events import ClockConfirmed
from sshjit_ca.access.emergency_certificates import issue_for, issued
from sshjit_ca.context import Context
from sshjit_ca.state import locks


def sign_emergency(context: Context, message: SignEmergency) -> EmergencyReply:
    """Signs and records one certificate for enrolled hosts. Of locks it knows only those on keys.

    Raises:
        Refused: ``locked``.
        Invalid: ``unknown_host``, ``bad_lifetime``, ``no_reason``, and what is wrong with login or key.

    """
    locks.refuse_key(context.state, sshkey.parse_line(message.key).fingerprint)
    ids = []
    for name in message.hosts:
        known = context.state.host_names.get(name)
        if known is None:
            raise Invalid("unknown_host", f"no host is enrolled as {names.show(name)}", hint="ssh-jit-ca host list")
        ids.append(context.state.hosts[known].id)
    number, serial = context.new_id("urgent"), context.journal.next_serial()
    issue = issue_for(context.keys.active("user_ca"), context.now, serial, context.random)
    event, reply = issued(number, message, tuple(ids), issue, context.keys.active("user_ca"))
    context.record(event)
    return reply


def confirm_clock(context: Context, message: ConfirmClock) -> ClockReply:
    """Believes the clock from now on, and records who moved it by how much.

    Raises:
        Invalid: ``no_reason``.

    """
    reason = names.free_text(message.reason, "the reason")
    if not reason:
        raise Invalid("no_reason", "give a reason: what happened to the clock", hint="--reason TEXT")
    drift, before = round(context.clock.confirm()), context.state.time
    context.now = int(context.clock.wall())
    context.record(ClockConfirmed(before, drift, reason))
    return ClockReply(context.now, drift)

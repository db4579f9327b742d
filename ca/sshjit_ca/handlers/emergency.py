"""The operator's word in an emergency: a certificate past every rule, and a clock that is right after all."""

from __future__ import annotations

from dataclasses import replace

from sshjit import names, sshkey
from sshjit.ca_protocol.operating import ClockReply, ConfirmClock, EmergencyReply, SignEmergency
from sshjit.errors import Invalid
from sshjit.events import ClockConfirmed
from sshjit_ca.access.emergency_certificates import issue_for, issued, issued_for_bastion
from sshjit_ca.access.views import bastion_view, route_view
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks


def sign_emergency(context: Context, message: SignEmergency) -> EmergencyReply:
    """Signs and records one certificate for enrolled hosts, and one for the bastion before each that has one.

    Of locks it knows only those on keys.

    Raises:
        Refused: ``locked``.
        Invalid: ``unknown_host``, ``bad_lifetime``, ``no_reason``, ``post_quantum_mixed``, and what is wrong
            with login or key.

    """
    locks.refuse_key(context.state, sshkey.parse_line(message.key).fingerprint)
    hosts = []
    for name in message.hosts:
        known = context.state.host_names.get(name)
        if known is None:
            raise Invalid("unknown_host", f"no host is enrolled as {names.show(name)}", hint="ssh-jit-ca host list")
        hosts.append(context.state.hosts[known])
    number, serial = context.new_id("urgent"), context.journal.next_serial()
    signer = context.keys.active("user_ca", post_quantum=_trust_post_quantum_alone(hosts))
    ids = tuple(host.id for host in hosts)
    event, reply = issued(number, message, ids, issue_for(signer, context.now, serial, context.random), signer)
    entries, passing = [event], []
    for host in hosts:
        bastion = context.bastion_of(host)
        if bastion is not None:
            opener = context.keys.active("user_ca", post_quantum=bastion.post_quantum_only)
            issue = issue_for(opener, context.now, serial + len(entries), context.random)
            second, certificate, line = issued_for_bastion(number, message, host.id, bastion.id, issue, opener)
            entries.append(replace(second, login=bastion.jump_login))
            passing.append(bastion_view(context, host, bastion, line, certificate))
    for entry in entries:  # all of them, once every one is signed
        context.record(entry)
    return replace(reply, routes=tuple(route_view(context, host) for host in hosts), bastions=tuple(passing))


def _trust_post_quantum_alone(hosts: list[Host]) -> bool:
    """Whether these hosts take no certificate but one by the post-quantum CA.

    Raises:
        Invalid: ``post_quantum_mixed``, where some do and others may not take such a one.

    """
    only = [host.name for host in hosts if host.post_quantum_only]
    if only and len(only) < len(hosts):
        text = f"{only[0]} takes post-quantum certificates alone, and others of these hosts may take none"
        raise Invalid("post_quantum_mixed", text, hint=f"sign for {only[0]} by itself")
    return bool(only)


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

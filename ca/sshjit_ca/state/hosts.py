"""How hosts change the state."""

from __future__ import annotations

from dataclasses import replace

from sshjit import events
from sshjit.profile import HOST_LIFETIME
from sshjit.sshkey import MLDSA44_ED25519, PublicKey, parse_line
from sshjit_ca.state import keys
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Fleet, Host, HostCertificate, Invited, Probed, Reported

_POST_QUANTUM = f"{MLDSA44_ED25519} "
WORRY = 3 * 24 * 3600
"""Seconds before a host certificate's end by which the host should have renewed it."""


def host_added(state: State, event: events.HostAdded, time: int) -> None:
    """A host is enrolled, under its name and aliases."""
    state.hosts[event.name] = Host(
        event.host_id,
        event.name,
        event.aliases,
        event.address,
        event.port,
        event.labels,
        event.host_keys,
        logins=event.logins,
        host_certificates=event.host_certificates,
        invitation=event.invitation,
        seen=time,
        via=event.via,
        jump_login=event.jump_login,
    )
    state.machines[event.name] = state.machines.get(event.name, 0) + 1
    for name in (event.name, *event.aliases):
        state.host_names[name] = event.name
    if event.invitation is not None:
        fleet = state.fleets[event.invitation]
        state.fleets[fleet.id] = replace(fleet, used=fleet.used + 1)


def fleet_invited(state: State, event: events.FleetInvited, _: int) -> None:
    """Hosts may join by a token from now on."""
    state.fleets[event.invitation] = Fleet(
        event.invitation,
        event.nonce,
        event.pattern,
        event.labels,
        event.logins,
        event.uses,
        event.expires,
        event.forget_after,
        via=event.via,
        networks=event.networks,
    )


def invitation_ended(state: State, event: events.InvitationEnded, _: int) -> None:
    """A token counts no more. It stays known until it would have ended, to be recognised."""
    if event.invitation is not None:
        state.fleets[event.invitation] = replace(state.fleets[event.invitation], revoked=True)
    else:
        state.invited[event.host_id] = replace(state.invited[event.host_id], over="revoked")


def host_invited(state: State, event: events.HostInvited, _: int) -> None:
    """A token was made; an older one of the same host is worth nothing any more."""
    state.invited[event.host_id] = Invited(event.nonce, event.expires)


def host_joined(state: State, event: events.HostJoined, time: int) -> None:
    """A host has keys from now on, and its token is used up. The token stays known until it would have ended."""
    state.invited[event.host_id] = replace(state.invited[event.host_id], over="used")
    host = state.hosts[event.name]
    state.hosts[event.name] = replace(
        host,
        host_keys=event.host_keys,
        logins=event.logins or host.logins,
        host_certificates=event.host_certificates,
        seen=time,
        jump_login=event.jump_login or host.jump_login,
    )


def host_showed(state: State, event: events.HostShowed, time: int) -> None:
    """Clients know a host by its certificates from now on, or by its plain keys."""
    host = state.hosts[event.name]
    state.hosts[event.name] = replace(host, host_certificates=event.host_certificates, seen=time)


def host_dialect_set(state: State, event: events.HostDialectSet, _: int) -> None:
    """A host trusts post-quantum CA keys alone from now on, or the others as well again."""
    state.hosts[event.name] = replace(state.hosts[event.name], post_quantum_only=event.post_quantum_only)


def host_key_added(state: State, event: events.HostKeyAdded, time: int) -> None:
    """A host has one more key."""
    host = state.hosts[event.name]
    state.hosts[event.name] = replace(host, host_keys=(*host.host_keys, event.host_key), seen=time)


def host_labelled(state: State, event: events.HostLabelled, _: int) -> None:
    """Policy sees a host by other labels."""
    state.hosts[event.name] = replace(state.hosts[event.name], labels=event.labels)


def host_changed(state: State, event: events.HostChanged, time: int) -> None:
    """A host has other aliases, address, accounts, or another way to it. Its certificates say old names for a while."""
    host = state.hosts[event.name]
    for name in set(host.aliases) - set(event.aliases):
        if state.host_names.get(name) == host.name:
            del state.host_names[name]
            if host.host_keys:
                state.former_names[name] = (host.id, time + HOST_LIFETIME)
    for name in event.aliases:
        state.host_names[name] = host.name
        state.former_names.pop(name, None)
    state.hosts[event.name] = replace(
        host,
        aliases=event.aliases,
        address=event.address,
        port=event.port,
        logins=event.logins,
        via=event.via,
        jump_login=event.jump_login,
    )


def host_issued(state: State, event: events.HostIssued, time: int) -> None:
    """A host certificate was signed."""
    host = state.hosts[event.host]
    state.host_certificates[event.serial] = HostCertificate(host.id, event.key, event.valid_before)
    state.hosts[event.host] = replace(host, seen=time)


def host_removed(state: State, event: events.HostRemoved, _: int) -> None:
    """A host is gone; how many machines had its name is remembered, so the next one gets another id."""
    gone = state.hosts.pop(event.name)
    for name in (gone.name, *gone.aliases):
        if state.host_names.get(name) == gone.name:
            del state.host_names[name]
    state.invited.pop(gone.id, None)
    state.reports.pop(gone.id, None)
    state.probes.pop(gone.id, None)
    state.session_events.pop(gone.id, None)
    state.former_names = {name: former for name, former in state.former_names.items() if former[0] != gone.id}
    for serial, certificate in state.host_certificates.items():
        if certificate.host == gone.id:
            state.host_certificates[serial] = replace(certificate, gone=True)


def host_reported(state: State, event: events.HostReported, time: int) -> None:
    """A host said how it is."""
    state.reports[event.host_id] = Reported(
        time, event.bundle, event.sessions, event.problems, event.only_certificates, event.reads
    )
    state.hosts[event.name] = replace(state.hosts[event.name], seen=time)


def probed(state: State, event: events.HostsProbed, time: int) -> None:
    """An operator's probe found hosts so."""
    for host in event.hosts:
        state.probes[host.host_id] = Probed(time, host.verdict, host.problems)


def session_reported(
    state: State, event: events.SessionStarted | events.SessionEnded | events.SessionReportRefused, _: int
) -> None:
    """A host told of a session: what it sends again is known."""
    if event.host_id:  # else its details were erased, and a newer entry says how far the host has come
        state.session_events[event.host_id] = (event.number, state.size)


def by_id(state: State, host_id: str) -> Host | None:
    """The enrolled host of this id."""
    host = state.hosts.get(name_of(host_id))
    return host if host is not None and host.id == host_id else None


def name_of(host_id: str) -> str:
    """The name in a host's id."""
    return host_id.partition("~")[0]


def key_owner(state: State, key: PublicKey) -> str | None:
    """The name of the host that this key belongs to; two machines with one key could not be told apart."""
    return next((host.name for host in state.hosts.values() if key.line in host.host_keys), None)


def certified_until(state: State) -> dict[str, int]:
    """By host id: when the last certificate that it was given is over."""
    until: dict[str, int] = {}
    for certificate in state.host_certificates.values():
        until[certificate.host] = max(until.get(certificate.host, 0), certificate.valid_before)
    return until


def certified(state: State) -> dict[str, int]:
    """By the name of each host that has keys: until when it has a certificate for every one of them; 0 if it has not.

    Not of hosts that show none: nobody misses theirs. Certificates are kept for an hour after their end.
    """
    newest: dict[str, dict[str, int]] = {}
    certifies = keys.active(state, "host_ca", post_quantum=True) is not None
    for certificate in state.host_certificates.values():
        ends = newest.setdefault(certificate.host, {})
        ends[certificate.key] = max(ends.get(certificate.key, 0), certificate.valid_before)
    until = {}
    for name, host in sorted(state.hosts.items()):
        if host.host_keys and host.host_certificates:
            ends = newest.get(host.id, {})
            later = [line for line in host.host_keys if line.startswith(_POST_QUANTUM)]
            if later and not certifies:  # nobody renews those, and nobody misses them
                for line in later:
                    ends.pop(parse_line(line, post_quantum=True).fingerprint, None)
            wanted = len(host.host_keys) - (0 if certifies else len(later))
            until[name] = min(ends.values()) if ends and len(ends) >= wanted else 0
    return until


def ending(state: State, now: int) -> dict[str, int]:
    """Hosts (their names) whose certificates end within ``WORRY`` seconds, or have ended, and when."""
    return {name: end for name, end in certified(state).items() if end < now + WORRY}

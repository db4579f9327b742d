"""Hosts as operators and admins keep them: adding, inviting, labelling, removing.

Labels decide who gets in, so over the web socket each of these acts needs an admin's signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sshjit import names, policy, sshkey
from sshjit.api.hosts import HostReply, HostsReply
from sshjit.api.outcomes import Done
from sshjit.api.signed import AddHost, LabelHost, RemoveHost
from sshjit.ca_protocol.hosts import CertifyHost, InviteHost, ReadHosts
from sshjit.errors import Invalid, Refused
from sshjit.events import HostAdded, HostLabelled
from sshjit.sshkey import PublicKey
from sshjit_ca.access import host_statements, policy_change, signed_actions
from sshjit_ca.access.host_statements import MAX_HOST_KEYS
from sshjit_ca.access.hosts import checked_logins, remove
from sshjit_ca.access.issuance import host_reply
from sshjit_ca.access.revocation import require_reason
from sshjit_ca.access.views import host_view
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks
from sshjit_ca.state.hosts import certified, key_owner

MAX_ALIASES = 16


def add_host(context: Context, message: AddHost) -> HostReply:
    """Enrols a host and signs its keys; one without keys is invited to join, if the operator asks.

    Raises:
        Invalid: ``name_taken``, ``bad_labels``, ``bad_host``, ``bad_key``, ``too_many``.
        Refused: ``key_taken``, ``locked``, and as ``consenting.require``.

    """
    keys, left_out = host_statements.certifiable(message.host_keys)
    name, aliases = names.lowered(message.name), tuple(names.lowered(alias) for alias in message.aliases)
    _check_names(context, name, aliases)
    _check_labels(context, message.labels)
    _check_keys(context, keys)
    if len(aliases) > MAX_ALIASES or len(keys) > MAX_HOST_KEYS:
        raise Invalid("too_many", f"a host has at most {MAX_ALIASES} aliases and {MAX_HOST_KEYS} keys")
    logins = checked_logins(message.logins)
    locks.refuse_new(context.state)
    machines = context.state.machines.get(name, 0)
    host_id = names.host_id(name if not machines else f"{name}~{machines + 1}")
    address, port = names.address(names.lowered(message.address)), names.port(message.port)
    context.record(
        HostAdded(
            by=signed_actions.require(context, message, "hosts"),
            host_id=host_id,
            name=name,
            aliases=aliases,
            address=address,
            port=port,
            labels=tuple(sorted(message.labels)),
            host_keys=tuple(key.line for key in keys),
            logins=logins,
        )
    )
    host = context.state.hosts[name]
    invitation = host_statements.invite(context, host) if context.socket == "admin" and not keys else None
    return replace(host_reply(context, host, keys, invitation), left_out=left_out)


def invite_host(context: Context, message: InviteHost) -> HostReply:
    """A new token for a host that has no keys.

    Raises:
        Invalid: ``unknown_host``, ``has_keys``.

    """
    host = _host(context, message.name)
    if host.host_keys:
        raise Invalid(
            "has_keys", f"{host.name} has already joined", hint="for a new machine, remove the host and add it again"
        )
    locks.refuse_new(context.state, (host.id,))
    return host_reply(context, host, (), host_statements.invite(context, host))


def certify_host(context: Context, message: CertifyHost) -> HostReply:
    """New certificates for the host's registered keys, by the operator's word.

    Raises:
        Invalid: ``unknown_host``.
        Refused: ``locked``.

    """
    host = _host(context, message.name)
    return host_reply(context, host, tuple(sshkey.parse_line(line) for line in host.host_keys))


def label_host(context: Context, message: LabelHost) -> HostReply:
    """Replaces a host's labels: policy goes by the new ones at once, also for what is open or waits for the host.

    With ``dry_run`` it only says what that would close, and to do so takes the permission alone.

    Raises:
        Invalid: ``unknown_host``, ``bad_labels``.
        Refused: as ``signed_actions.require``.

    """
    host = _host(context, message.name)
    _check_labels(context, message.labels)
    require = signed_actions.permitted if message.dry_run else signed_actions.require
    by = require(context, message, "hosts")
    relabelled = replace(host, labels=tuple(sorted(message.labels)))
    effects = policy_change.effects_on(context, policy_change.going_on(context, host.id), relabelled)
    if not message.dry_run:
        context.record(HostLabelled(by, host.id, host.name, relabelled.labels))
    reply = host_reply(context, context.state.hosts[host.name], ())
    return replace(reply, closes=effects.closes, ask_again=effects.ask_again)


def remove_host(context: Context, message: RemoveHost) -> Done:
    """Forgets a host; what was open for it is revoked, and a later machine of its name is another one.

    Raises:
        Invalid: ``unknown_host``, ``no_reason``.
        Refused: as ``consenting.require``.

    """
    reason, host = require_reason(message.reason), _host(context, message.name)
    by = signed_actions.require(context, message, "hosts")
    remove(context, host, by, reason, "removed")
    return Done()


def read_hosts(context: Context, message: ReadHosts) -> HostsReply:
    """The hosts, by name. Whoever is signed in may see what there is to ask for."""
    operator = context.person_or_operator(message.login_id) is None
    hosts = tuple(host_view(host) for _, host in sorted(context.state.hosts.items()))
    if not operator:
        return HostsReply(hosts)
    logins = tuple((name, host.logins) for name, host in sorted(context.state.hosts.items()) if host.logins)
    return HostsReply(hosts, tuple(certified(context.state).items()), logins)


def _host(context: Context, name: str) -> Host:
    host = context.state.hosts.get(names.lowered(name))
    if host is None:
        raise Invalid("unknown_host", f"there is no host {names.show(name)}", hint="ssh-jit-ca host list")
    return host


def _check_names(context: Context, name: str, aliases: tuple[str, ...]) -> None:
    own = (names.host_name(name), *(names.host_alias(alias) for alias in aliases))
    for one in own:
        if one in context.state.host_names:
            owner = context.state.host_names[one]
            raise Invalid("name_taken", f"{one} is already in use by the host {owner}")
    if len(set(own)) != len(own):
        raise Invalid("name_taken", "a name is listed twice")


def _check_keys(context: Context, keys: tuple[PublicKey, ...]) -> None:
    for key in keys:
        owner = key_owner(context.state, key)
        if owner is not None:
            raise Refused("key_taken", f"the key {key.fingerprint} belongs to the host {owner}")
        locks.refuse_key(context.state, key.fingerprint)


def _check_labels(context: Context, pairs: tuple[tuple[str, str], ...]) -> None:
    for key, value in pairs:
        names.label(key, value)
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise Invalid("bad_labels", "a label is listed twice")
    problems = policy.check_labels(context.policy, labels)
    if problems:
        missing = policy.missing_labels(context.policy, labels)
        hint = "the policy's [labels] lists those that exist"
        raise Invalid("bad_labels", "; ".join(problems), hint=f"give it: {_flags(missing)}" if missing else hint)


def _flags(missing: Mapping[str, tuple[str, ...]]) -> str:
    """``--label env=prod (or staging)``."""
    return " ".join(
        f"--label {label}={values[0] if values else 'VALUE'}" + (f" (or {', '.join(values[1:])})" if values[1:] else "")
        for label, values in missing.items()
    )

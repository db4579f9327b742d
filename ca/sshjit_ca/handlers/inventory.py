"""A whole inventory of hosts at once: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sshjit import policy
from sshjit.ca_protocol.inventory import ApplyHosts, ApplyHostsReply, HostToken
from sshjit.events import HostAdded, HostChanged, HostLabelled
from sshjit.policy import Bastion
from sshjit_ca.access import host_rights, host_statements, hosts, inventory, policy_change
from sshjit_ca.access.host_rights import HostDifference, Seen
from sshjit_ca.access.inventory import Plan
from sshjit_ca.access.revocation import require_reason
from sshjit_ca.context import Context
from sshjit_ca.state import Host


def apply_hosts(context: Context, message: ApplyHosts) -> ApplyHostsReply:
    """Makes the enrolled hosts those of the inventory, or with ``dry_run`` only says what that would do.

    Raises:
        Invalid: ``bad_inventory`` with every mistake, ``too_many_hosts``, ``no_reason``, ``bad_message``.

    """
    planned = inventory.plan(context, inventory.unpack(message.inventory), prune=message.prune)
    reason = require_reason(message.reason) if planned.removed and not message.dry_run else message.reason
    rights = host_rights.compare(context, _differences(context, planned))
    after = {host.id: host for _, host in planned.changed}
    gone = frozenset(host.id for host in planned.removed)
    touched = policy_change.going_on(context, gone | after.keys())
    effects = policy_change.effects_on(context, touched, after | {host.id: host for host in planned.added}, gone)
    tokens: tuple[HostToken, ...] = ()
    if not message.dry_run:
        tokens = _record(context, planned, reason, invite=message.invite)
    return ApplyHostsReply(
        changes=inventory.changes(planned),
        unchanged=planned.unchanged,
        rights=rights,
        closes=effects.closes,
        ask_again=effects.ask_again,
        tokens=tokens,
        bundle_root=context.keys.public("bundle").fingerprint,
        sooner=effects.sooner,
    )


def _differences(context: Context, planned: Plan) -> list[HostDifference]:
    """What policy sees of each host that changes, or whose bastion does, before and after."""
    before = {host.id: host for host in context.state.hosts.values()}
    new = (*planned.added, *(host for _, host in planned.changed))
    gone = {host.id for host in planned.removed}
    after = {host_id: host for host_id, host in before.items() if host_id not in gone} | {host.id: host for host in new}
    hosts = {host.id: host.name for host in (*before.values(), *after.values())}
    return [HostDifference(name, _seen(host_id, before), _seen(host_id, after)) for host_id, name in hosts.items()]


def _seen(host_id: str, hosts: Mapping[str, Host]) -> Seen | None:
    host = hosts.get(host_id)
    if host is None:
        return None
    bastion = hosts.get(host.via)
    if bastion is None:
        return Seen(host.labels)
    return Seen(host.labels, Bastion(policy.Host(bastion.id, bastion.name, bastion.labels), bastion.jump_login))


def _record(context: Context, planned: Plan, reason: str, *, invite: bool) -> tuple[HostToken, ...]:
    """Removes first, so that names are free, then changes, then adds; the tokens of new hosts."""
    for host in planned.removed:
        hosts.remove(context, host, None, reason, "removed")
    for before, after in planned.changed:
        _record_change(context, before, after)
    tokens = []
    for host in planned.added:
        context.record(
            HostAdded(
                by=None,
                host_id=host.id,
                name=host.name,
                aliases=host.aliases,
                address=host.address,
                port=host.port,
                labels=host.labels,
                host_keys=host.host_keys,
                logins=host.logins,
                via=host.via,
                jump_login=host.jump_login,
            )
        )
        if invite and not host.host_keys:
            token = host_statements.invite(context, context.state.hosts[host.name]).token
            tokens.append(HostToken(host.name, token, host.logins, host.jump_login))
    return tuple(tokens)


def _record_change(context: Context, before: Host, after: Host) -> None:
    if after.labels != before.labels:
        context.record(HostLabelled(None, after.id, after.name, after.labels))
    if after != replace(before, labels=after.labels):
        changed = (after.aliases, after.address, after.port, after.logins, after.via, after.jump_login)
        context.record(HostChanged(None, after.id, after.name, *changed))

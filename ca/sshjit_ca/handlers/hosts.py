"""Hosts as operators and admins keep them: adding, inviting, labelling, removing.

Labels decide who gets in, so over the web socket each of these acts needs an admin's signature.
"""

from __future__ import annotations

from dataclasses import replace

from sshjit import names
from sshjit.api.effects import AffectedView
from sshjit.api.hosts import HostReply, HostsReply, ProbedView
from sshjit.api.outcomes import Done
from sshjit.api.signed import AddHost, LabelHost, RemoveHost
from sshjit.ca_protocol.hosts import (
    CertifyHost,
    ChangeHost,
    HostHealth,
    HostHealthReply,
    InviteHost,
    ReadHostHealth,
    ReadHosts,
)
from sshjit.errors import Invalid, Refused
from sshjit.events import HostAdded, HostChanged, HostDialectSet, HostLabelled
from sshjit_ca.access import bastions, dialects, host_statements, host_warnings, hosts, policy_change, signed_actions
from sshjit_ca.access.issuance import host_reply
from sshjit_ca.access.revocation import require_reason
from sshjit_ca.access.views import host_view
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks
from sshjit_ca.state.hosts import certified


def add_host(context: Context, message: AddHost) -> HostReply:
    """Enrols a host and signs its keys; one without keys is invited to join, if the operator asks.

    Raises:
        Invalid: ``name_taken``, ``bad_labels``, ``bad_host``, ``bad_key``, ``too_many``, and as
            ``bastions.Ways.check``.
        Refused: ``key_taken``, ``locked``, and as ``consenting.require``.

    """
    keys, left_out = host_statements.certifiable(context, message.host_keys)
    name, aliases = names.lowered(message.name), tuple(names.lowered(alias) for alias in message.aliases)
    hosts.check_names(context, name, aliases)
    hosts.check_labels(context, message.labels)
    hosts.check_keys(context, keys)
    logins = hosts.check_logins(message.logins)
    via = bastions.id_of(context, message.via)
    host_id = hosts.next_id(context, name)
    bastions.ways(context).check(Host(host_id, name, (), "", 0, (), (), logins, via=via, jump_login=message.jump_login))
    locks.refuse_new(context.state)
    address, port = names.address(names.lowered(message.address)), names.port(message.port)
    context.record(
        HostAdded(
            by=signed_actions.require(context, message, "hosts"),
            host_id=host_id,
            name=name,
            aliases=aliases,
            address=address,
            port=port,
            labels=hosts.pairs_of(message.labels),
            host_keys=tuple(key.line for key in keys),
            logins=logins,
            via=via,
            jump_login=message.jump_login,
        )
    )
    host = context.state.hosts[name]
    invitation = host_statements.invite(context, host) if context.socket == "admin" and not keys else None
    told = host_warnings.warnings(context, host) if context.socket == "admin" else ()
    return replace(host_reply(context, host, keys, invitation), left_out=left_out, warnings=told)


def invite_host(context: Context, message: InviteHost) -> HostReply:
    """A new token for a host that has no keys.

    Raises:
        Invalid: ``unknown_host``, ``has_keys``.

    """
    host = hosts.find(context, message.name)
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
    host = hosts.find(context, message.name)
    keys, left_out = host_statements.certifiable(context, host.host_keys)
    return replace(host_reply(context, host, keys), left_out=left_out)


def label_host(context: Context, message: LabelHost) -> HostReply:
    """Replaces a host's labels: policy goes by the new ones at once, also for what is open or waits for the host.

    With ``dry_run`` it only says what that would close, and to do so takes the permission alone.

    Raises:
        Invalid: ``unknown_host``, ``bad_labels``.
        Refused: as ``signed_actions.require``; ``not_permitted``, if somebody but the operator wants grants ended.

    """
    if message.end_what_it_forbids and context.socket != "admin":
        text = "only the operator ends what new labels forbid"
        raise Refused("not_permitted", text, hint=f"ssh-jit-ca host label {message.name} … --end-what-it-forbids")
    host = hosts.find(context, message.name)
    hosts.check_labels(context, message.labels)
    require = signed_actions.permitted if message.dry_run else signed_actions.require
    by = require(context, message, "hosts")
    relabelled = replace(host, labels=hosts.pairs_of(message.labels))
    effects = policy_change.effects_on(context, policy_change.going_on(context, (host.id,)), {host.id: relabelled})
    forbidden: tuple[AffectedView, ...] = ()
    if message.end_what_it_forbids:
        effects = replace(effects, closes=())
        forbidden = policy_change.forbidden_grants(context, {host.id: relabelled}, (host.id,))
    if not message.dry_run:
        context.record(HostLabelled(by, host.id, host.name, relabelled.labels))
        policy_change.end_grants(context, forbidden, f"the labels of {host.name} forbid it")
    reply = host_reply(context, context.state.hosts[host.name], ())
    return replace(reply, closes=effects.closes, ask_again=effects.ask_again, ended=forbidden, sooner=effects.sooner)


def change_host(context: Context, message: ChangeHost) -> HostReply:
    """Changes the way to a host, or makes it a bastion, for certificates from now on.

    With ``dry_run`` it only says what that would close: denies on the new bastion count.

    Raises:
        Invalid: ``unknown_host``, and as ``bastions.Ways.check`` and ``bastions.check_own_place``.
        Refused: ``post_quantum_unread``.

    """
    host = hosts.find(context, message.name)
    via = host.via if message.via is None else bastions.id_of(context, message.via)
    jump_login = host.jump_login if message.jump_login is None else message.jump_login
    changed = replace(host, via=via, jump_login=jump_login)
    bastions.ways(context).check(changed)
    if host.invitation is not None and via not in (bastions.DIRECT, host.via):
        fleet = context.state.fleets.get(host.invitation)
        networks = () if fleet is None else fleet.networks
        bastions.check_own_place(host.name, host.address, host.port, networks=networks, behind=True)
    affected = policy_change.going_on(context, (host.id,))
    effects = policy_change.effects_on(context, affected, {host.id: changed})
    dialect = message.post_quantum_only
    if dialect and not host.post_quantum_only:
        _check_post_quantum(context, host)
    if dialect not in (None, host.post_quantum_only) and not message.dry_run:
        context.record(HostDialectSet(bool(dialect), host.id, host.name))
    if changed != host and not message.dry_run:
        told = (host.id, host.name, host.aliases, host.address, host.port, host.logins, via, jump_login)
        context.record(HostChanged(None, *told))
    reply = host_reply(context, context.state.hosts[host.name], ())
    return replace(reply, closes=effects.closes, ask_again=effects.ask_again, sooner=effects.sooner)


def _check_post_quantum(context: Context, host: Host) -> None:
    """That the host says that it takes post-quantum certificates, before it takes no others.

    Raises:
        Refused: ``post_quantum_unread``.

    """
    if dialects.word_of(context.state, host) != "yes":
        raise Refused(
            "post_quantum_unread",
            f"{host.name} has not reported that its sshd takes post-quantum certificates: nobody could reach it",
            hint="it needs OpenSSH 10.6 or newer and an active post-quantum user_ca; then: ssh-jit-host refresh",
        )


def remove_host(context: Context, message: RemoveHost) -> Done:
    """Forgets a host; what was open for it is revoked, and a later machine of its name is another one.

    Raises:
        Invalid: ``unknown_host``, ``no_reason``.
        Refused: as ``consenting.require``.

    """
    reason, host = require_reason(message.reason), hosts.find(context, message.name)
    by = signed_actions.require(context, message, "hosts")
    hosts.remove(context, host, by, reason, "removed")
    return Done()


def read_hosts(context: Context, message: ReadHosts) -> HostsReply:
    """The hosts, by name. Whoever is signed in may see what there is to ask for."""
    operator = context.person_or_operator(message.login_id) is None
    views = tuple(host_view(context, host) for _, host in sorted(context.state.hosts.items()))
    until = tuple(certified(context.state).items())
    if not operator:
        return HostsReply(views, until)
    logins = tuple((name, host.logins) for name, host in sorted(context.state.hosts.items()) if host.logins)
    known = ((host.name, context.state.probes.get(host.id)) for _, host in sorted(context.state.hosts.items()))
    probed = tuple(ProbedView(name, seen.verdict, seen.problems, seen.time) for name, seen in known if seen)
    return HostsReply(views, until, logins, probed)


def read_host_health(context: Context, message: ReadHostHealth) -> HostHealthReply:
    """How hosts are, by what they said last.

    Raises:
        Refused: ``not_permitted``.

    """
    login = context.login(message.login_id)
    if not any(context.permitted(login, each) for each in ("audit", "hosts")):
        raise Refused("not_permitted", "how hosts are is for people with the permission audit or hosts")
    until = certified(context.state)
    known = (context.state.hosts.get(name) for name in message.hosts)
    return HostHealthReply(tuple(_health(context, host, until.get(host.name)) for host in known if host is not None))


def _health(context: Context, host: Host, until: int | None) -> HostHealth:
    report, newest = context.state.reports.get(host.id), context.bundles.in_log
    behind = max(newest.sequence - report.bundle, 0) if report is not None and newest is not None else 0
    return HostHealth(
        host.name,
        host.seen,
        report.time if report is not None else 0,
        behind,
        report.sessions if report is not None else 0,
        report.problems if report is not None else (),
        only_certificates=report is not None and report.only_certificates,
        certified=until,
    )

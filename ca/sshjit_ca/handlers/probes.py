"""Probes of hosts: what the operator's command is signed, and what it reports (``operations/host_probe.py``)."""

from __future__ import annotations

from sshjit import names, sshkey
from sshjit.api.outcomes import Done
from sshjit.ca_protocol.probes import ProbesReply, ProbeView, ProbeWay, ReportProbes, SignProbes
from sshjit.errors import Invalid, Refused
from sshjit.events import HostsProbed, ProbedHost
from sshjit_ca.access import probe_certificates
from sshjit_ca.access.probe_findings import BAD, UNREACHABLE
from sshjit_ca.access.views import host_view
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks


def sign_probes(context: Context, message: SignProbes) -> ProbesReply:
    """Signs for each host that may be probed a certificate and one that is over, and one for no host.

    Raises:
        Refused: ``probe_off``, ``probe_name``, ``locked``.
        Invalid: ``unknown_host``, ``bad_key``.

    """
    probe_certificates.require_allowed(context)
    key = sshkey.parse_line(message.key)
    locks.refuse_key(context.state, key.fingerprint)
    locks.refuse_new(context.state)
    hosts = _hosts(context, message.hosts)
    locked = tuple(host.name for host in hosts if _locked(context, host))
    paused = tuple((host.name, left) for host in hosts if (left := context.probe_pauses.left(host.id, context.now)))
    waiting = {*locked, *(name for name, _ in paused)}
    due = [host for host in hosts if host.name not in waiting]
    probes = tuple(_probe(context, host, key) for host in due)
    some = any(probe.login for probe in probes)
    return ProbesReply(
        probes=probes,
        host_ca=tuple(trusted.line for trusted in context.keys.trusted("host_ca")),
        elsewhere=probe_certificates.sign(context, key, "elsewhere") if some else "",
        paused=paused,
        locked=locked,
    )


def report_probes(context: Context, message: ReportProbes) -> Done:
    """Writes down how hosts were found. What is said of a host that is gone meanwhile is left out.

    Raises:
        Refused: ``probe_off``.
        Invalid: ``bad_message``.

    """
    probe_certificates.require_allowed(context)
    probed = []
    for result in message.results:
        known = {"ok": {}, "bad": BAD, "unreachable": UNREACHABLE}[result.verdict]
        if set(result.problems) - known.keys() or bool(result.problems) != bool(known):
            raise Invalid("bad_message", "the report of a probe says something else than its verdict")
        host = context.state.hosts.get(result.name)
        if host is not None and host.id == result.id:
            probed.append(ProbedHost(host.id, host.name, result.verdict, result.problems))
    if probed:
        context.record(HostsProbed(tuple(probed)))
    return Done()


def _hosts(context: Context, named: tuple[str, ...]) -> list[Host]:
    known = dict.fromkeys(context.state.host_names.get(names.lowered(name), "") for name in named)
    if "" in known:
        unknown = next(name for name in named if names.lowered(name) not in context.state.host_names)
        raise Invalid("unknown_host", f"there is no host {names.show(unknown)}", hint="ssh-jit-ca host list")
    return [context.state.hosts[name] for name in known]


def _locked(context: Context, host: Host) -> bool:
    try:
        locks.refuse_new(context.state, (host.id, *(each.id for each in context.bastions((host,)))))
    except Refused:
        return True
    return False


def _probe(context: Context, host: Host, key: sshkey.PublicKey) -> ProbeView:
    context.probe_pauses.note(host.id, context.now)
    login = probe_certificates.account(host)
    reported = context.state.reports.get(host.id)
    return ProbeView(
        host=host_view(context, host),
        host_keys=host.host_keys,
        host_certificates=host.host_certificates,
        only_certificates=reported is not None and reported.only_certificates,
        login=login,
        certificate=probe_certificates.sign(context, key, "enters", host) if login else "",
        expired=probe_certificates.sign(context, key, "expired", host) if login else "",
        way=_way(context, host, key),
    )


def _way(context: Context, host: Host, key: sshkey.PublicKey) -> ProbeWay | None:
    bastion = context.bastion_of(host)
    if bastion is None:
        return None
    return ProbeWay(host_view(context, bastion), probe_certificates.sign_passage(context, key, host, bastion))

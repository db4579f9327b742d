"""What hosts say for themselves: joining by a token, renewing their certificates, reporting how they are.

The front end only carries it. A host gets certificates for its own keys and exactly its registered names.
"""

from __future__ import annotations

import hmac
from dataclasses import replace

from sshjit import names, sshkey
from sshjit.api.hosts import HostReply, HostReport, JoinHost, LeaveHost, SignHost
from sshjit.api.outcomes import Done
from sshjit.errors import Invalid, Refused
from sshjit.events import HostAdded, HostJoined, HostKeyAdded, HostReported, HostShowed, JoinProblem, JoinRefused
from sshjit.sshkey import PublicKey
from sshjit_ca import ephemeral
from sshjit_ca.access import bastions, dialects, host_statements, hosts
from sshjit_ca.access.held_checkpoints import hold_log_against
from sshjit_ca.access.host_statements import MAX_HOST_KEYS
from sshjit_ca.access.issuance import host_reply
from sshjit_ca.context import Context
from sshjit_ca.keys import sshsig
from sshjit_ca.log.summaries import JOIN_PROBLEMS
from sshjit_ca.state import Fleet, Host, locks
from sshjit_ca.state.hosts import certified_until, key_owner

MAX_ENDED = 64
MAX_PROBLEMS = 16
MAX_PROBLEM = 200
MAX_SESSIONS = 1_000_000


def join_host(context: Context, message: JoinHost) -> HostReply:
    """A host that was invited shows its token and proves each key; once, or as one of a fleet.

    Raises:
        Refused: ``join_refused``, ``signature_refused``, ``key_taken``, ``locked``.
        Invalid: ``bad_key``, ``too_many``, ``too_many_hosts``, ``bad_signature``, ``bad_login``, ``bad_message``; of a
            fleet's host also what ``sshjit.names`` refuses, ``bad_labels``, ``label_not_by_token`` and
            ``address_not_invited``.

    """
    keys, signatures, left_out = _offered(context, message.host_keys, message.signatures)
    join = _join_by_fleet if message.invitation else _join_by_own_token
    host = join(context, message, keys, signatures)
    return replace(host_reply(context, host, keys), left_out=left_out)


def _join_by_own_token(
    context: Context, message: JoinHost, keys: tuple[PublicKey, ...], signatures: tuple[str, ...]
) -> Host:
    host = context.state.hosts.get(message.name)
    invited = None if host is None else context.state.invited.get(host.id)
    if host is None or invited is None or context.now >= invited.expires:
        raise _join_refused()
    _prove_join(context, message, host_statements.token_of(context, host.id, invited.nonce), keys, signatures)
    if invited.over:
        raise _refusal(context, message, keys, invited.over)
    logins = hosts.check_logins(message.logins)
    if message.address or message.port:
        raise Invalid("bad_message", f"the address of {host.name} is the one that it was added with")
    hosts.check_keys(context, keys)
    if not message.host_certificates:
        hosts.check_plain(context, host.name, host.aliases, keys)
    locks.refuse_new(context.state, (host.id,))
    bastions.ways(context).check(
        replace(host, logins=logins or host.logins, jump_login=message.jump_login or host.jump_login)
    )
    lines = tuple(key.line for key in keys)
    context.record(HostJoined(host.id, host.name, lines, logins, message.host_certificates, message.jump_login))
    return context.state.hosts[host.name]


def _join_by_fleet(
    context: Context, message: JoinHost, keys: tuple[PublicKey, ...], signatures: tuple[str, ...]
) -> Host:
    fleet = context.state.fleets.get(message.invitation)
    if fleet is None or context.now >= fleet.expires:
        raise _join_refused()
    _prove_join(context, message, host_statements.fleet_token_of(context, fleet.id, fleet.nonce), keys, signatures)
    problem = _fleet_problem(context, fleet, message.name, keys)
    if problem is not None:
        raise _refusal(context, message, keys, problem)
    logins = hosts.check_logins(message.logins)
    address = names.address(names.lowered(message.address or message.name))
    port = names.port(message.port or bastions.SSH_PORT)
    bastions.check_own_place(message.name, address, port, networks=fleet.networks, behind=bool(fleet.via))
    hosts.check_labels(context, fleet.labels, by_token=True)
    hosts.check_keys(context, keys)
    if not message.host_certificates:
        hosts.check_plain(context, message.name, (), keys)
    locks.refuse_new(context.state)
    host_id = hosts.next_id(context, message.name)
    bastions.ways(context).check(
        Host(host_id, message.name, (), address, port, (), (), logins, via=fleet.via, jump_login=message.jump_login)
    )
    context.record(
        HostAdded(
            by=None,
            host_id=host_id,
            name=message.name,
            aliases=(),
            address=address,
            port=port,
            labels=fleet.labels,
            host_keys=tuple(key.line for key in keys),
            logins=logins,
            host_certificates=message.host_certificates,
            invitation=fleet.id,
            via=fleet.via,
            jump_login=message.jump_login,
        )
    )
    return context.state.hosts[message.name]


def _fleet_problem(context: Context, fleet: Fleet, name: str, keys: tuple[PublicKey, ...]) -> JoinProblem | None:
    """Why nobody may join by a fleet's token that was proved; ``None`` if somebody may."""
    if fleet.revoked:
        return "revoked"
    if not names.fits_pattern(name, fleet.pattern):
        return "not_in_pattern"
    names.host_name(name)
    certified = certified_until(context.state)
    if name in context.state.host_names or hosts.former_owner(context, name, "", certified) is not None:
        return "name_taken"
    if any(key_owner(context.state, key) is not None for key in keys):
        return "key_taken"
    return "used_up" if fleet.used >= fleet.uses else None


def _refusal(context: Context, message: JoinHost, keys: tuple[PublicKey, ...], problem: JoinProblem) -> Refused:
    """Writes down that a token which was proved does not count, which alarms: somebody else may have it.

    Not where the very host comes again that joined by it: its answer was lost, and it goes on by renewing.
    """
    host = context.state.hosts.get(message.name)
    invitation = message.invitation or None
    again = host is not None and host.invitation == invitation and set(host.host_keys) == {key.line for key in keys}
    if not again:
        count = context.refusals.count(message.invitation or message.name, "join_host", problem, context.now)
        if count:
            name = names.show(message.name, 253)[1:-1]  # it may be no name at all
            prints = tuple(key.fingerprint for key in keys)
            context.record(JoinRefused(invitation, problem, count, name, prints))
    return Refused("join_refused", JOIN_PROBLEMS[problem], hint="ask the operator for a new token")


def sign_host(context: Context, message: SignHost) -> HostReply:
    """A host renews: certificates for its registered keys, each proved by itself. It may say whether it shows them.

    Beside them it may prove one post-quantum key, which is registered then.

    Raises:
        Refused: ``unknown_host_key``, ``signature_refused``, ``not_fresh``, ``too_soon``, ``locked``.
        Invalid: ``bad_key``, ``too_many``, ``too_many_hosts``, ``bad_signature``.

    """
    keys = _keys(message.host_keys, message.signatures)
    host, new = _registered(context, message.name, keys)
    kind = "renewal" if message.host_certificates is None else "identity"
    context.host_replays.check(host.id, kind, message.time, context.now, ephemeral.RENEWAL_PAUSE)
    text = host_statements.renew_proof(context.config.installation, message)
    _prove(keys, message.signatures, host_statements.RENEW_NAMESPACE, text)
    if message.host_certificates not in (None, host.host_certificates):
        if not message.host_certificates:
            every = tuple(sshkey.parse_line(line, post_quantum=True) for line in host.host_keys)
            hosts.check_plain(context, host.name, host.aliases, every)
        locks.refuse_new(context.state, (host.id,))
        context.record(HostShowed(bool(message.host_certificates), host.id, host.name))
    certifies = host_statements.certifies_post_quantum(context)
    if new is not None and certifies:
        hosts.check_keys(context, (new,))
        locks.refuse_new(context.state, (host.id,))
        context.record(HostKeyAdded(host.id, host.name, new.line))
    certified = tuple(key for key in keys if certifies or not key.post_quantum)
    left_out = tuple(key.type for key in keys if key not in certified)
    reply = replace(host_reply(context, context.state.hosts[host.name], certified), left_out=left_out)
    context.host_replays.note(host.id, kind, message.time, context.now)
    return reply


def _registered(context: Context, name: str, keys: tuple[PublicKey, ...]) -> tuple[Host, PublicKey | None]:
    """The host whose keys these are, and the one of them that it may add: post-quantum, beside keys that it had."""
    new = [key for key in keys if key.post_quantum and key_owner(context.state, key) is None]
    if len(new) != 1 or len(keys) == 1:
        return hosts.registered(context, name, keys), None
    host = hosts.registered(context, name, tuple(key for key in keys if key != new[0]))
    if any(line.startswith(f"{sshkey.MLDSA44_ED25519} ") for line in host.host_keys):
        return hosts.registered(context, name, keys), None  # it has one, and must be enrolled anew to have another
    return host, new[0]


def leave_host(context: Context, message: LeaveHost) -> Done:
    """A host says by one of its keys that it is no longer to be reached: it is removed, as an operator does it.

    Raises:
        Refused: ``unknown_host_key``, ``signature_refused``, ``not_fresh``.
        Invalid: ``bad_key``, ``bad_signature``.

    """
    key = sshkey.parse_line(message.host_key)
    host = hosts.registered(context, message.name, (key,))
    context.host_replays.check(host.name, "leave", message.time, context.now, 0)
    text = host_statements.leave_text(context.config.installation, message)
    sshsig.verify(message.signature, key, host_statements.LEAVE_NAMESPACE, text)
    hosts.remove(context, host, None, "the host left", "left")
    # By name: the same keys may come back under it, and what was said before is not said of that machine.
    context.host_replays.note(host.name, "leave", message.time, context.now)
    return Done()


def host_report(context: Context, message: HostReport) -> Done:
    """How a host is. What says nothing new is counted, and written down every hour.

    Raises:
        Refused: ``unknown_host_key``, ``signature_refused``, ``not_fresh``, ``too_soon``.
        Invalid: ``too_many``, ``bad_message``, ``unknown_request``, and what ``sshjit.names`` refuses.

    """
    key = sshkey.parse_line(message.host_key)
    host = hosts.registered(context, message.name, (key,))
    context.host_replays.check(host.id, "report", message.time, context.now, ephemeral.REPORT_PAUSE)
    text = host_statements.report_text(context.config.installation, message)
    sshsig.verify(message.signature, key, host_statements.REPORT_NAMESPACE, text)
    hold_log_against(context, message.checkpoint, message.lineage, f"the host {host.id}")
    if context.journal.contradicted is not None:
        raise context.journal.contradicted
    event = _read_report(context, host, message)
    context.host_replays.note(host.id, "report", message.time, context.now)
    known = context.state.reports.get(host.id)
    new = (
        known is None
        or bool(event.ended)
        or (known.sessions, known.problems) != (event.sessions, event.problems)
        or (known.only_certificates, known.reads) != (event.only_certificates, event.reads)
        or context.now - known.time >= ephemeral.REPORT_AGAIN
    )
    count = context.host_replays.waiting(host.id, written=new)
    if new:
        context.record(replace(event, count=count))
    return Done()


def _read_report(context: Context, host: Host, message: HostReport) -> HostReported:
    if len(message.ended) > MAX_ENDED or len(message.problems) > MAX_PROBLEMS:
        raise Invalid("too_many", f"a report has at most {MAX_ENDED} grants and {MAX_PROBLEMS} problems")
    if not 0 <= message.bundle < 2**53 or not 0 <= message.sessions <= MAX_SESSIONS:
        raise Invalid("bad_message", "the report has numbers out of range")
    ended = tuple(names.identifier(grant) for grant in message.ended)
    for grant in ended:
        request = context.history.request(context.state, grant)
        if request is None or host.id not in context.on_the_way(request):
            raise Invalid("unknown_request", "the report names something that is no grant of this host")
    problems = tuple(names.free_text(each, "a problem", MAX_PROBLEM) for each in message.problems)
    return HostReported(
        bundle=message.bundle,
        sessions=message.sessions,
        count=1,
        host_id=host.id,
        name=host.name,
        ended=ended,
        problems=problems,
        only_certificates=message.only_certificates,
        reads=None if message.reads is None else dialects.read_types(message.reads),
    )


def _offered(
    context: Context, lines: tuple[str, ...], signatures: tuple[str, ...]
) -> tuple[tuple[PublicKey, ...], tuple[str, ...], tuple[str, ...]]:
    """The keys that this CA certifies with their signatures, and the types of those that it does not."""
    _check_number(lines, signatures)
    keys, left_out = host_statements.certifiable(context, lines)
    known = {key.line for key in keys}
    offered = zip(lines, signatures, strict=True)
    kept = tuple(signature for line, signature in offered if host_statements.without_comment(line) in known)
    return keys, kept, left_out


def _keys(lines: tuple[str, ...], signatures: tuple[str, ...]) -> tuple[PublicKey, ...]:
    _check_number(lines, signatures)
    return host_statements.different(tuple(sshkey.parse_line(line, post_quantum=True) for line in lines))


def _check_number(lines: tuple[str, ...], signatures: tuple[str, ...]) -> None:
    if not 1 <= len(lines) <= MAX_HOST_KEYS or len(signatures) != len(lines):
        raise Invalid("too_many", f"a host sends 1 to {MAX_HOST_KEYS} keys, and a signature by each")


def _prove(keys: tuple[PublicKey, ...], signatures: tuple[str, ...], namespace: str, text: bytes) -> None:
    for key, signature in zip(keys, signatures, strict=True):
        sshsig.verify(signature, key, namespace, text)


def _prove_join(
    context: Context, message: JoinHost, token: bytes, keys: tuple[PublicKey, ...], signatures: tuple[str, ...]
) -> None:
    """The host has this token, and each of the keys.

    Raises:
        Refused: ``join_refused``, ``signature_refused``.
        Invalid: ``bad_signature``.

    """
    for text in host_statements.join_texts(context.config.installation, message):
        mac = host_statements.join_mac(token, text)
        if hmac.compare_digest(mac.encode("ascii"), message.mac.encode("utf-8")):
            _prove(keys, signatures, host_statements.JOIN_NAMESPACE, host_statements.join_proof(text, mac))
            return
    raise _join_refused()


def _join_refused() -> Refused:
    return Refused(
        "join_refused",
        "the token is for another host, has expired, or was used",
        hint="ask the operator for a new token",
    )

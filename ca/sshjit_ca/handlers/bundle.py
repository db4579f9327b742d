"""The bundle: what hosts and laptops believe, signed anew whenever there is something new to tell.

Every bundle is an entry of the log, so its sequence only ever rises, also over restarts.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from sshjit import bundle, checkpoint, names, sshkey, versions
from sshjit.api.bundle import BundleReply
from sshjit.bundle import Bundle, PlainHost
from sshjit.ca_protocol.keys import Purpose
from sshjit.ca_protocol.operating import ReadBundle
from sshjit.events import BundleSigned
from sshjit.post_quantum import PostQuantum
from sshjit_ca.access import bundle_answers
from sshjit_ca.context import Context
from sshjit_ca.ephemeral import SignedBundle
from sshjit_ca.keys import krl, sshsig, succession
from sshjit_ca.state import Certificate, Emergency, Host
from sshjit_ca.state.hosts import by_id
from sshjit_ca.state.records import HostCertificate

_CAS: tuple[Purpose, ...] = ("user_ca", "host_ca")
REFRESH = 900
"""Seconds after which a bundle is signed again although only the checkpoint in it is old."""


def read_bundle(context: Context, message: ReadBundle) -> BundleReply:
    """The newest bundle, unless the asker has it, in the newest format that the asker and we know.

    Raises:
        Failed: ``not_signing``, why the bundle's key cannot sign.

    """
    newest = context.bundles.newest
    content = _content(context)
    if newest is None or newest.content != content or context.now - newest.issued >= REFRESH:
        newest = context.bundles.newest = _sign(context, content)
    return bundle_answers.answer(newest, message)


def _content(context: Context) -> tuple[object, ...]:
    state, now = context.state, context.now
    return (
        _refused_users(context),
        _refused_hosts(context),
        tuple(sorted((grant, when) for grant, (when, until) in state.ended.items() if until > now)),
        tuple(sorted((grant, ends) for grant, ends in state.extended.items() if ends > now)),
        _providers(context),
        _workloads(context),
        _keys(context),
        _plain_hosts(context),
        _bastions(context),
        _only_post_quantum(context),
    )


def _keys(context: Context) -> tuple[object, ...]:
    """Which keys it names: a new one is told at once."""
    trusted = tuple(
        (context.keys.trusted(purpose, post_quantum=post_quantum), context.keys.revoked(post_quantum=post_quantum))
        for purpose in _CAS
        for post_quantum in (False, True)
    )
    return *trusted, context.keys.public("bundle"), context.journal.checkpoint_key


def _providers(context: Context) -> tuple[bundle.Provider, ...]:
    listed = []
    for name, provider in context.providers.items():
        keys = context.published[name]
        published = keys.published
        listed.append(
            bundle.Provider(
                id=name,
                title=provider.title,
                issuer=provider.issuer,
                client_id=provider.native.client_id,
                authorization_endpoint=published.authorization_endpoint if published else None,
                token_endpoint=published.token_endpoint if published else None,
                scopes=provider.native.scopes,
                redirect_ports=provider.native.redirect_ports,
                client_secret=provider.native.client_secret,
                userinfo=provider.claims_from == "userinfo",
                problem="" if published else keys.fault,
            )
        )
    return tuple(listed)


def _workloads(context: Context) -> tuple[bundle.Workloads, ...]:
    listed = context.workloads.items()
    return tuple(bundle.Workloads(name, each.title, each.issuer, each.audience) for name, each in listed)


def _sign(context: Context, content: tuple[object, ...]) -> SignedBundle:
    sequence, now, traced = context.state.sequence + 1, context.now, context.journal.traced()
    ended = sorted((grant, when) for grant, (when, until) in context.state.ended.items() if until > now)
    contents = Bundle(
        bundle=bundle.FORMATS[0],
        installation=context.config.installation,
        root=context.keys.public("bundle").line,
        succession=tuple(bundle.Succession(*change) for change in context.state.succession),
        sequence=sequence,
        issued=now,
        expires=now + bundle.LIFETIME,
        user_ca=tuple(key.line for key in context.keys.trusted("user_ca")),
        host_ca=tuple(key.line for key in context.keys.trusted("host_ca")),
        retired=tuple(key.line for key in context.keys.revoked()),
        log_key=checkpoint.verifier_key(context.config.origin, succession.raw(context.journal.checkpoint_key)),
        providers=_providers(context),
        workloads=_workloads(context),
        krl=_krl(context, sequence),
        ended=tuple(ended),
        extended=tuple(sorted((grant, ends) for grant, ends in context.state.extended.items() if ends > now)),
        checkpoint=traced.note,
        lineage=traced.lineage,
        host_keys=_plain_hosts(context),
        bastions=_bastions(context),
        post_quantum=_post_quantum(context, sequence),
        version=versions.PROTOCOL,
        oldest=versions.OLDEST,
        release=context.release,
    )
    texts = {number: bundle.write(replace(contents, bundle=number)) for number in bundle.FORMATS}
    key = context.keys.active("bundle")
    documents = {
        number: (text, sshsig.sign(key, bundle.NAMESPACE, text.encode("ascii"))) for number, text in texts.items()
    }
    first, *later = (hashlib.sha256(text.encode("ascii")).hexdigest() for text in texts.values())
    context.record(BundleSigned(sequence, first, contents.expires, tuple(later)))
    return SignedBundle(content, sequence, now, documents)


def _plain_hosts(context: Context) -> tuple[PlainHost, ...]:
    """The hosts that show no certificates, with their keys; none of those that a lock names."""
    state = context.state
    hosts = {lock.target for lock in state.locks.values() if lock.kind == "host"}
    keys = {lock.target for lock in state.locks.values() if lock.kind == "key"}

    def believed(host: Host) -> tuple[str, ...]:
        if host.id in hosts:
            return ()
        # to read thousands takes a while
        # a reader that knows no other types takes a plain key for any other; old ones would be told that they miss one
        return tuple(
            line
            for line in host.host_keys
            if not line.startswith(f"{sshkey.MLDSA44_ED25519} ")
            and (not keys or sshkey.parse_line(line).fingerprint not in keys)
        )

    return tuple(
        PlainHost(host.id, (host.name, *host.aliases), believed(host))
        for _, host in sorted(state.hosts.items())
        if host.host_keys and not host.host_certificates
    )


def _bastions(context: Context) -> tuple[tuple[str, str, str, int], ...]:
    """What each bastion lets through: for a principal of its own, each host behind it; and nothing that is locked."""
    state = context.state
    locked = {lock.target for lock in state.locks.values() if lock.kind == "host"}
    return tuple(
        sorted(
            (host.via, names.passage(host.id, host.via), host.address, host.port)
            for host in state.hosts.values()
            if host.via and by_id(state, host.via) is not None and locked.isdisjoint((host.id, host.via))
        )
    )


def _refused_users(context: Context) -> tuple[int, ...]:
    """The serials of user certificates that hosts must refuse."""
    return tuple(sorted(serial for serial, until in context.state.revoked.items() if until > context.now))


def _refused_hosts(context: Context) -> tuple[int, ...]:
    """The serials of host certificates that laptops must refuse before they are over, in order.

    A host that was removed, also for a new machine in its place, never comes back: another one gets another id. A lock
    on a host or on a key is undone by unlocking; while it stands, nobody connects to that machine, because somebody
    else may hold its key. A lock on everything says nothing of any machine, and leaves the hosts recognisable.
    """
    state = context.state
    locked = {(lock.kind, lock.target) for lock in state.locks.values()}
    return tuple(
        serial
        for serial, each in sorted(state.host_certificates.items())
        if each.valid_before > context.now
        and (each.gone or ("host", each.host) in locked or ("key", each.key) in locked)
    )


def _krl(context: Context, version: int, *, post_quantum: bool = False) -> str:
    """The list about the CA keys of one dialect; serials are never given twice, so that it may name them all."""
    keys, hosts = context.keys, _refused_hosts(context)
    users, machines = (keys.trusted(purpose, post_quantum=post_quantum) for purpose in _CAS)
    refused = ((users, _refused_users(context)), (machines, hosts))
    revoked = keys.revoked(post_quantum=post_quantum)
    raw = krl.write(refused, version=version, time=context.now, keys=revoked, alive=_alive(context))
    return base64.b64encode(raw).decode("ascii")


def _post_quantum(context: Context, version: int) -> PostQuantum | None:
    """What is about post-quantum CA keys; ``None`` where there never was one that somebody was told of."""
    keys = context.keys
    users, machines = (tuple(key.line for key in keys.trusted(purpose, post_quantum=True)) for purpose in _CAS)
    retired = tuple(key.line for key in keys.revoked(post_quantum=True))
    if not users and not machines and not retired:
        return None
    only = _only_post_quantum(context) if users else ()
    return PostQuantum(users, machines, retired, _krl(context, version, post_quantum=True), only, "")


def _only_post_quantum(context: Context) -> tuple[str, ...]:
    """Ids of the hosts that trust the post-quantum CA alone."""
    return tuple(sorted(host.id for host in context.state.hosts.values() if host.post_quantum_only))


def _alive(context: Context) -> set[int]:
    """Serials of all certificates but those that are refused and over: no range of the list goes over one.

    Not up to one that is refused and not over yet either: a certificate of a minute that the state does not hold, as
    probes draw them, may lie before it.
    """
    state, now = context.state, context.now
    known: dict[int, Certificate | Emergency | HostCertificate] = {
        **state.certificates,
        **state.emergencies,
        **state.host_certificates,
    }
    refused = {*_refused_users(context), *_refused_hosts(context)}
    return {serial for serial, each in known.items() if serial not in refused or each.valid_before > now}

"""From an inventory to what has to be recorded: everything is checked first, and every mistake is told at once."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sshjit import durations, names, sshkey, wire
from sshjit.ca_protocol.inventory import PART, FieldChange, HostChange, HostSpec
from sshjit.errors import Invalid, SshJitError
from sshjit_ca.access import bastions, host_statements, hosts
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks
from sshjit_ca.state.hosts import certified_until

MAX_BYTES = 16 * 1024 * 1024
"""Of an inventory, once it is unpacked."""
MAX_HOSTS = 10_000
TOLD = 20
"""Mistakes that are told at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of which hosts. ``changed`` are the hosts before and after."""

    added: tuple[Host, ...]
    changed: tuple[tuple[Host, Host], ...]
    removed: tuple[Host, ...]
    unchanged: int


def pack(specs: Iterable[HostSpec]) -> tuple[str, ...]:
    """An inventory as it travels, in parts; more than ``MAX_PARTS`` if it is too large."""
    text = json.dumps([wire.encode(each) for each in specs], separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")
    return tuple(packed[start : start + PART] for start in range(0, len(packed), PART))


def unpack(parts: tuple[str, ...]) -> tuple[HostSpec, ...]:
    """The hosts of a packed inventory.

    Raises:
        Invalid: ``bad_inventory``, ``too_many_hosts``, ``bad_message``.

    """
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(base64.b64decode("".join(parts), validate=True), MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise Invalid("bad_inventory", "the inventory is not packed as it should be") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise Invalid("bad_inventory", f"the inventory is cut off, or larger than {MAX_BYTES} bytes")
    items = wire.loads(raw, limit=MAX_BYTES)
    if not isinstance(items, list) or len(items) > MAX_HOSTS:
        raise Invalid("too_many_hosts", f"an inventory is a list of at most {MAX_HOSTS} hosts")
    return tuple(wire.decode(HostSpec, item) for item in items)


def plan(context: Context, specs: tuple[HostSpec, ...], *, prune: bool) -> Plan:
    """What makes the enrolled hosts those of the inventory.

    Raises:
        Invalid: ``bad_inventory``, with every mistake.

    """
    mistakes: list[str] = []
    wanted: dict[str, Host] = {}
    held = context.state.hosts
    named = {names.lowered(spec.name) for spec in specs}
    gone = [host for name, host in held.items() if prune and name not in named and host.invitation is None]
    left = frozenset(host.id for host in gone)
    # Who is removed by the same inventory owns nothing any more: a machine may come back under another name.
    owners = {line: host.name for host in held.values() if host.id not in left for line in host.host_keys}
    for spec in specs:
        try:
            host = _host(context, spec, owners)
            if host.name in wanted:
                raise Invalid("name_taken", "it is listed twice")
            wanted[host.name] = host
        except SshJitError as error:
            mistakes.append(f"{names.show(spec.name)}: {error.message}")
    wanted, unknown = _with_bastions(context, wanted, {spec.name: spec for spec in specs})
    mistakes += unknown
    after = {host.id: host for host in held.values() if host.id not in left} | {
        each.id: each for each in wanted.values()
    }
    mistakes += _clashes(context, after.values(), left)
    mistakes += [] if unknown else _ways(held, after.values())
    if mistakes:
        more = f"\n… and {len(mistakes) - TOLD} more" if len(mistakes) > TOLD else ""
        told = "\n".join(mistakes[:TOLD])
        raise Invalid("bad_inventory", f"nothing was changed; the inventory has mistakes:\n{told}{more}")
    changed = [(held[host.name], host) for host in wanted.values() if held.get(host.name) not in (None, host)]
    added = tuple(host for host in wanted.values() if host.name not in held)
    return Plan(added, tuple(changed), tuple(gone), len(wanted) - len(added) - len(changed))


def _host(context: Context, spec: HostSpec, owners: Mapping[str, str]) -> Host:
    """The host as it is to be; of one that is enrolled already with what no inventory changes.

    ``owners``: names of the hosts that stay, by lines of their keys.
    """
    name = names.host_name(names.lowered(spec.name))
    aliases = tuple(names.host_alias(names.lowered(alias)) for alias in spec.aliases)
    if len(aliases) > hosts.MAX_ALIASES or len({name, *aliases}) != len(aliases) + 1:
        raise Invalid("name_taken", f"it has a name twice, or more than {hosts.MAX_ALIASES} aliases")
    hosts.check_labels(context, spec.labels)
    keys, _ = host_statements.certifiable(context, spec.host_keys)
    lines = tuple(key.line for key in keys)
    logins = None if spec.logins is None else hosts.check_logins(spec.logins)
    address, port = names.address(names.lowered(spec.address)), names.port(spec.port)
    held = context.state.hosts.get(name)
    if held is None:
        hosts.check_keys(context, keys, owners)
        locks.refuse_new(context.state)
        fields = (address, port, hosts.pairs_of(spec.labels), lines)
        jump_login = spec.jump_login or ""
        return Host(hosts.next_id(context, name), name, aliases, *fields, logins=logins or (), jump_login=jump_login)
    if lines and set(lines) != set(held.host_keys):
        raise Invalid("has_keys", "its keys are not those that it has: for a new machine, remove the host first")
    return replace(
        held,
        aliases=aliases,
        address=address,
        port=port,
        labels=hosts.pairs_of(spec.labels),
        logins=held.logins if logins is None else logins,
        via=bastions.DIRECT if spec.via == bastions.DIRECT else held.via,
        jump_login=held.jump_login if spec.jump_login is None else spec.jump_login,
    )


def _with_bastions(
    context: Context, wanted: Mapping[str, Host], specs: Mapping[str, HostSpec]
) -> tuple[dict[str, Host], list[str]]:
    """The hosts with the ids of the bastions that the inventory names, which may be in it too; and the mistakes."""
    ids = {name: context.state.hosts[owner].id for name, owner in context.state.host_names.items()}
    ids |= {name: host.id for host in wanted.values() for name in (host.name, *host.aliases)}
    settled, mistakes = dict(wanted), []
    for text, spec in specs.items():
        host = wanted.get(names.lowered(text))
        if host is None or not spec.via:
            continue
        bastion = ids.get(names.lowered(spec.via))
        if bastion is None:
            mistakes.append(f"{host.name}: there is no bastion {names.show(spec.via)}")
        else:
            settled[host.name] = replace(host, via=bastion)
    return settled, mistakes


def _ways(held: Mapping[str, Host], after: Collection[Host]) -> list[str]:
    """Ways through bastions that would not lead anywhere, but for those that lead nowhere already."""
    before, ways = bastions.Ways(held.values()), bastions.Ways(after)
    problems = ((host, ways.problem(host)) for host in after)
    return [
        f"{host.name}: {problem}"
        for host, problem in problems
        if problem and not (held.get(host.name) == host and before.problem(host))
    ]


def _clashes(context: Context, after: Iterable[Host], gone: frozenset[str]) -> list[str]:
    """Names, aliases and keys that two hosts would have, and names that a certificate of another host still says."""
    owners, keys, clashes = dict[str, str](), dict[str, str](), []
    certified = certified_until(context.state)
    for host in after:
        for name in (host.name, *host.aliases):
            if name in owners:
                clashes.append(f"{name} would be a name of {owners[name]} and of {host.name}")
            owners[name] = host.name
            former = hosts.former_owner(context, name, host.id, certified)
            if former is not None and former[0] not in gone:
                until = durations.show(former[1] - context.now)
                clashes.append(f"{host.name}: {name} stands in certificates of {former[0]} for {until} more")
        for line in host.host_keys:
            if line in keys:
                clashes.append(f"{keys[line]} and {host.name} would have the same key: {_fingerprint(line)}")
            keys[line] = host.name
    return clashes


def _fingerprint(line: str) -> str:
    return sshkey.parse_line(line, post_quantum=True).fingerprint


def changes(planned: Plan) -> tuple[HostChange, ...]:
    """The plan for people."""
    return (
        *(HostChange(host.name, "added", _fields(None, host)) for host in planned.added),
        *(HostChange(after.name, "changed", _fields(before, after)) for before, after in planned.changed),
        *(HostChange(host.name, "removed", _fields(host, None)) for host in planned.removed),
    )


def _fields(before: Host | None, after: Host | None) -> tuple[FieldChange, ...]:
    old, new = (_words(before), _words(after))
    return tuple(FieldChange(name, old[name], new[name]) for name in old if old[name] != new[name])


def _words(host: Host | None) -> dict[str, str]:
    if host is None:
        return dict.fromkeys(("address", "aliases", "labels", "accounts", "via", "jump login"), "")
    return {
        "address": f"{host.address} port {host.port}",
        "aliases": ", ".join(host.aliases),
        "labels": ", ".join(f"{key}={value}" for key, value in host.labels),
        "accounts": ", ".join(host.logins),
        "via": host.via,
        "jump login": host.jump_login,
    }

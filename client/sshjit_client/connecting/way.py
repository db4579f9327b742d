"""The hosts that a connection passes through, by ``-J`` or ``ProxyJump``: each has a certificate if it is enrolled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sshjit.errors import SshJitError
from sshjit_client.api.basic import Away
from sshjit_client.connecting import kept, unknown_host
from sshjit_client.identity import installation
from sshjit_client.ssh import certificate_index, jumps, sshconfig
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.ssh.jumps import Way
from sshjit_client.storage.machine import Machine

Access = Callable[[Machine, ConnectionArgs], Path]
"""Gets a certificate for a host; what it returns and raises is as in ``connection.access``."""
_NONE = ("", "none")


def typed(machine: Machine, args: ConnectionArgs, access: Access) -> Way:
    """The way by what ``-J`` names.

    Raises:
        SshJitError: whatever prevents access to one of the hosts.

    """
    if args.jump in _NONE:
        return Way()
    hosts = args.jump
    if "%" in hosts:
        own = sshconfig.own(args)
        hosts = jumps.expanded(hosts, args.host, own.login or sshconfig.local_user(), own.values)
    return _through(machine, args, hosts, access, silent=args.silent)


def configured(machine: Machine, args: ConnectionArgs, own: sshconfig.Own, login: str, access: Access) -> Way:
    """The way by the ``ProxyJump`` of the person's own configuration, unless another one was typed.

    ssh would start itself for its hosts by our file, which has no certificate for them. ``login``: the account at the
    host itself. Raises as ``typed`` does.
    """
    hosts = own.values.get("proxyjump", "none")
    if args.jump or hosts in _NONE:
        return Way()
    return _through(machine, args, jumps.expanded(hosts, args.host, login, own.values), access, silent=False)


def options(args: ConnectionArgs, way: Way) -> list[str]:
    """Options of ssh for what was typed."""
    if way.command:
        return ["-o", f"ProxyCommand={way.command}"]
    return ["-J", args.jump] if args.jump else []


def _through(machine: Machine, args: ConnectionArgs, hosts: str, access: Access, *, silent: bool) -> Way:
    hops = jumps.hops(args, hosts)
    paths = [_config(machine, hop, access) for hop in hops]
    for number, path in enumerate(paths):  # somebody may have decided for hours about a later one
        if path and not certificate_index.lives(path):
            paths[number] = _config(machine, hops[number], access)
    if not any(paths):
        return Way()
    way = [
        jumps.through(hop, Path(path), silent=silent) if path else jumps.plain(hop, silent=silent)
        for hop, path in zip(hops, paths, strict=True)
    ]
    return Way(jumps.chain(way), tuple(filter(None, paths)))


def _config(machine: Machine, hop: ConnectionArgs, access: Access) -> str:
    """The configuration for a host to pass through; empty for one that is not enrolled."""
    there = installation.for_hop(machine, hop.host)
    path = kept.live_config(there, hop) or _enrolled(there, hop, access)
    if path:
        kept.settle_agents(there, path)
    return path


def _enrolled(machine: Machine, hop: ConnectionArgs, access: Access) -> str:
    """Gets a certificate for a host to pass through; empty for one that is not enrolled."""
    try:
        return str(access(machine, hop))
    except SshJitError as error:
        path = kept.live_config(machine, hop, as_typed=False) if isinstance(error, Away) else ""
        if path:
            return path
        if error.code not in unknown_host.CODES:
            raise
    unknown_host.require_never_known(machine, hop)
    machine.terminal.say(f"{hop.host} is no host of {machine.settings().name}: ssh uses your own keys for it")
    return ""

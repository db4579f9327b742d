"""Hosts that a connection passes through: the bastion before a host, and what ``-J`` names.

ssh would start itself for such a host without our options, by which alone no unknown host key is accepted
(``certificate_index.STRICT``). So each is a ``ProxyCommand`` that names them, its configuration and its certificate.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sshjit import names, sshcert
from sshjit.errors import Invalid, Refused
from sshjit_client.ssh import certificate_index, connection_args, program
from sshjit_client.ssh.connection_args import ConnectionArgs, Usage

EXTENSIONS = {
    "agent": "permit-agent-forwarding",
    "port": "permit-port-forwarding",
    "x11": "permit-X11-forwarding",
}
"""What a rule allows to forward -> the certificate's extension for it."""
FORWARDING = EXTENSIONS["port"]
"""The extension without which nobody passes through by a certificate."""
_ALONE = ("-o", "ControlMaster=no", "-o", "ControlPath=none")
"""A connection that others share would let them through by another one's certificate."""


_TOKEN = re.compile(r"%(.?)")


@dataclass(frozen=True, slots=True)
class Way:
    """How to come to a host through others.

    ``command``: the value of ``ProxyCommand``; empty where none of the hosts is enrolled, or there are none. ``hops``:
    the configurations of those that are.
    """

    command: str = ""
    hops: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """Until when it works, by this machine's clock in seconds since the epoch; 0 where nothing of it ends."""
        return min(map(certificate_index.end_of, self.hops), default=0)

    @property
    def lives(self) -> bool:
        """Whether it works for as long as it takes to connect."""
        return all(map(certificate_index.lives, self.hops))


@dataclass(frozen=True, slots=True)
class Hop:
    """A host of ``-J``, and the options of ssh for it."""

    host: str
    options: tuple[str, ...]


def command(host: str, options: tuple[str, ...], before: str = "") -> str:
    """The value of ``ProxyCommand``: pass through ``host``, which is reached by the value ``before``.

    ssh replaces ``%h`` and ``%p``, and hands the text to a shell. All other ``%`` are doubled.
    """
    proxy = ("-o", f"ProxyCommand={before}") if before else ()
    words = shlex.join((program.find(os.environ) or "ssh", *options, *proxy, *_ALONE)).replace("%", "%%")
    return f"{words} -W '[%h]:%p' -- {shlex.quote(host).replace('%', '%%')}"


def bastion(host: str, login: str, config: Path) -> str:
    """The value of ``ProxyCommand`` for the bastion before a host, by its own configuration."""
    return command(host, (*certificate_index.STRICT, "-F", str(config), "-l", login))


def expanded(way: str, typed: str, login: str, values: Mapping[str, str]) -> str:
    """The hosts of ``-J`` or ``ProxyJump`` with what ssh puts in for ``%h`` and the like, which ``ssh -G`` leaves.

    ``typed``: the host as typed. ``login``: the account there. ``values``: what ``ssh -G`` printed about it.

    Raises:
        Invalid: ``usage``: ssh knows no such token.

    """
    host = values.get("hostname", typed)
    known = {"%": "%", "h": host, "n": typed, "p": values.get("port", "22"), "r": login}
    known["k"] = values.get("hostkeyalias") or host

    def value(token: re.Match[str]) -> str:
        if token[1] not in known:
            raise Invalid("usage", f"ssh knows no {token[0]} in the way {way}")
        return known[token[1]]

    return _TOKEN.sub(value, way)


def hops(args: ConnectionArgs, way: str) -> list[ConnectionArgs]:
    """The hosts of ``-J`` or ``ProxyJump``, whose value is ``way``, the nearest first, as if each were typed alone.

    Raises:
        Invalid: ``usage``, ``jump_loop``.

    """
    read = []
    for word in way.split(","):
        hop = ConnectionArgs()
        hop.reaching = (*args.reaching, args.host)
        hop.config, hop.reason, hop.duration = args.config, args.reason, args.duration
        hop.installation, hop.flags = args.installation, args.flags
        try:
            where, port = _port(word)
            connection_args.destination(hop, where)
        except Usage as error:
            raise Invalid("usage", f"-J {way}: {error}") from None
        if hop.host in hop.reaching:
            text = f"the way to {hop.host} leads through {hop.host} itself"
            raise Invalid("jump_loop", text, hint=f"write in your ssh configuration, before it: Host {hop.host}")
        login = ["-l", hop.login] if hop.login and not hop.written else []
        hop.ways = [f"port {port}"] if port else []
        hop.options = [*(["-p", port] if port else []), *login, hop.host]
        hop.ssh = hop.options
        read.append(hop)
    return read


def _port(word: str) -> tuple[str, str]:
    """A host of ``-J`` without its port, and the port. An IPv6 address with a port stands in brackets."""
    user, at, place = word.removeprefix("ssh://").rstrip("/").rpartition("@")
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    return f"{user}{at}{host}", port.lstrip(":")


def through(hop: ConnectionArgs, config: Path, *, silent: bool) -> Hop:
    """The way through an enrolled host, by the configuration of an ordinary connection to it.

    ``silent``: ssh asks nobody anything for it. That is typed for one connection, and does not stand in a file.

    Raises:
        Refused: ``no_forwarding``: its certificate lets nobody pass.

    """
    written = config.with_name(f"{config.name.removesuffix('.conf')}-cert.pub").read_text("ascii")
    if FORWARDING not in dict(sshcert.parse_line(written)[0].extensions):
        text = f"your access to {names.show(hop.host)} allows no port forwarding, so nobody passes through it"
        raise Refused("no_forwarding", text, hint='its rule needs forwarding = ["port"]')
    return Hop(hop.host, (*_asking(silent), *certificate_index.STRICT, "-F", str(config), *hop.options[:-1]))


def plain(hop: ConnectionArgs, *, silent: bool) -> Hop:
    """The way through a host that is not enrolled: the person's own affair."""
    login = ("-l", hop.login) if hop.written else ()
    return Hop(hop.host, (*_asking(silent), *(("-F", hop.config) if hop.config else ()), *login, *hop.options[:-1]))


def _asking(silent: bool) -> tuple[str, ...]:  # noqa: FBT001  # it is what both callers were given
    return ("-o", "BatchMode=yes") if silent else ()


def chain(way: list[Hop]) -> str:
    """The value of ``ProxyCommand`` for all of them, one behind the other."""
    value = ""
    for hop in way:
        value = command(hop.host, hop.options, value)
    return value

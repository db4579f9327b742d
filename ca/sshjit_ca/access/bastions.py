"""Which host may be the bastion before which others, and how an operator says so.

The way to a host is one bastion long. A bastion is kept by its id, so that a machine that comes later under its name
is not taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit_ca.context import Context
from sshjit_ca.state import Host

DIRECT = ""
"""Instead of a bastion: people reach the host directly."""
SSH_PORT = 22


def id_of(context: Context, text: str) -> str:
    """The id of the bastion that an operator names, by its name or an alias; ``DIRECT`` for an empty text.

    Raises:
        Invalid: ``unknown_host``.

    """
    if not text:
        return DIRECT
    name = context.state.host_names.get(names.lowered(text))
    if name is None:
        raise Invalid("unknown_host", f"there is no host {names.show(text)}", hint="ssh-jit-ca host list")
    return context.state.hosts[name].id


def allowed_sources(networks: tuple[str, ...], bastions: Iterable[Host]) -> tuple[str, ...]:
    """The networks that a certificate for what is behind bastions works from: those of its rule, and the bastions.

    A host behind a bastion sees the bastion's address. To the bastion comes who has the second certificate, which works
    from the rule's networks alone.

    Raises:
        Refused: ``bastion_unknown_address``: the rule names networks, and nobody said what the bastion's address is.

    """
    if not networks:
        return networks
    sources = dict.fromkeys(networks)
    for bastion in bastions:
        own = [name for name in (bastion.address, *bastion.aliases) if names.is_address(name)]
        if not own:
            text = f"the rule binds certificates to networks, and no IP address of the bastion {bastion.name} is known"
            hint = "the operator has to give it the address that hosts see it by, as an alias"
            raise Refused("bastion_unknown_address", text, hint=hint)
        sources |= dict.fromkeys(own)
    return tuple(sources)


def check_own_place(name: str, address: str, port: int, *, networks: tuple[str, ...], behind: bool) -> None:
    """That a host which says by itself where it is says a place that it may say.

    A bastion opens the way to that place. Whoever has the token of a fleet ``behind`` one would else open the way to
    any other machine that the bastion reaches, by the name of a host of theirs.

    Raises:
        Invalid: ``address_not_invited``.

    """
    if networks:
        allowed = names.is_address(address) and any(ip_address(address) in ip_network(each) for each in networks)
        what = f"an IP address in {', '.join(networks)}"
    else:
        allowed, what = not behind or address == name, f"its own name, {name}"
    if not allowed:
        text = f"{name} may not be at {names.show(address)}: its invitation allows {what}"
        hint = "the operator allows more by `host add --pattern … --network`, or names the address by `host apply`"
        raise Invalid("address_not_invited", text, hint=hint)
    if behind and port != SSH_PORT:
        text = f"{name} may not be at port {port}: it is behind a bastion, where hosts that join by themselves have 22"
        raise Invalid("address_not_invited", text, hint="the operator names another port by `host apply`")


class Ways:
    """The ways to a set of hosts."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        """``hosts``: all that there are, or are to be."""
        self._hosts = {host.id: host for host in hosts}
        self._behind: dict[str, list[str]] = {}
        for host in self._hosts.values():
            if host.via:
                self._behind.setdefault(host.via, []).append(host.name)

    def check(self, host: Host) -> None:
        """That ``host``, as it is to be, fits beside the others: behind a bastion, as a bastion, or as neither.

        Raises:
            Invalid: ``unknown_host``, ``bastion_chain``, ``no_jump_login``, ``bastion_in_use``, ``bad_login``.

        """
        behind = sorted(name for name in self._behind.get(host.id, ()) if name != host.name)
        if host.jump_login:
            names.login_name(host.jump_login)
        if host.jump_login in host.logins and host.jump_login:
            text = f"people pass through {host.name} by {host.jump_login}, so it cannot be an account that they work in"
            raise Invalid("bad_login", text, hint="name an account of its own: --jump-login jump")
        if behind and not host.jump_login:
            text = f"{host.name} is the bastion of {_some(behind)}, and would have no account to pass through by"
            hint = "give them another way first: ssh-jit-ca host change NAME --direct"
            raise Invalid("bastion_in_use", text, hint=hint)
        if host.via:
            self._check_way(host, behind)

    def problem(self, host: Host) -> str:
        """What ``check`` refuses, in a sentence; empty if it refuses nothing."""
        try:
            self.check(host)
        except Invalid as error:
            return error.message
        return ""

    def _check_way(self, host: Host, behind: list[str]) -> None:
        bastion = self._hosts.get(host.via)
        if host.via == host.id:
            raise Invalid("bastion_chain", f"{host.name} cannot be its own bastion", hint="name another host")
        if bastion is None:
            text = f"there is no bastion {names.show(host.via)}"
            raise Invalid("unknown_host", text, hint="ssh-jit-ca host list")
        if behind:
            text = f"{host.name} is itself the bastion of {_some(behind)}, so that it cannot have one"
            raise Invalid("bastion_chain", text, hint="a way has one bastion")
        if bastion.via:
            text = f"{bastion.name} is itself reached through a bastion, so that it cannot be one"
            raise Invalid("bastion_chain", text, hint="a way has one bastion")
        if not bastion.jump_login:
            text = f"{bastion.name} has no account by which people pass through"
            change = f"ssh-jit-ca host change {bastion.name} --jump-login jump"
            raise Invalid("no_jump_login", text, hint=f"on it: ssh-jit-host join --jump-login jump; here: {change}")


def ways(context: Context) -> Ways:
    """The ways to the enrolled hosts."""
    return Ways(context.state.hosts.values())


def _some(hosts: list[str]) -> str:
    return ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")

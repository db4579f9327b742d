"""Networks that a request comes from, or does not: what a deny may be about and a rule that allows may require.

The address is what the front end says of the client. An address that is not known, or is none, comes from everywhere
that forbids and from nowhere that allows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """Networks (CIDRs) that requests come from; with ``but``, that they do not come from."""

    cidrs: tuple[str, ...]
    but: bool = False

    def matches(self, address: str | None) -> bool:
        """Whether a deny on these is about a request from ``address``: it is, if that is not known."""
        known = client_address(address)
        return known is None or inside(known, self.cidrs) != self.but

    def __str__(self) -> str:
        """``from 10.0.0.0/8``, ``from anywhere but 10.0.0.0/8``."""
        return f"from {'anywhere but ' if self.but else ''}{', '.join(self.cidrs)}"


@lru_cache(maxsize=4096)
def client_address(text: str | None) -> Address | None:
    """The address without its interface, and as IPv4 where it is one; ``None``: it is not known, or is none."""
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


@lru_cache(maxsize=4096)
def parsed(cidr: str) -> Network:
    """A network by its text. Raises ``ValueError``."""
    return ipaddress.ip_network(cidr)


def inside(address: Address, cidrs: Iterable[str]) -> bool:
    """Whether the address is in one of these networks."""
    return any(address in parsed(cidr) for cidr in cidrs)


def within(inner: Iterable[str], outer: Sequence[str]) -> bool:
    """Whether each address of the networks is in one of the others, which may be the parts of a larger one."""
    whole = _collapsed(outer)
    return all(any(_part(one, other) for other in whole) for one in map(parsed, inner))


def _collapsed(cidrs: Iterable[str]) -> list[Network]:
    networks = [parsed(cidr) for cidr in cidrs]
    old = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    new = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(old), *ipaddress.collapse_addresses(new)]


def _part(one: Network, other: Network) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and one.subnet_of(other)


def comes_from(address: str | None, cidrs: Iterable[str]) -> bool:
    """Whether a request from ``address`` meets what a rule requires: not, if that is not known."""
    known = client_address(address)
    return known is not None and inside(known, cidrs)


def one_of_each(cidrs: Sequence[str]) -> list[str]:
    """An address of each kind: any other address is in just the same networks as one of these."""
    kinds: dict[frozenset[str], str] = {}
    families: tuple[Address, ...] = (ipaddress.IPv4Address(0), ipaddress.IPv6Address(0))
    for family in families:
        edges = {int(family)}
        for network in map(parsed, cidrs):
            if network.version == family.version:
                edges |= {int(network.network_address), int(network.broadcast_address) + 1}
        for edge in sorted(edge for edge in edges if edge < 1 << family.max_prefixlen):
            address = type(family)(edge)
            if client_address(str(address)) == address:
                kinds.setdefault(frozenset(cidr for cidr in cidrs if address in parsed(cidr)), str(address))
    return list(kinds.values())

"""Who asks, as far as proxies of our own say: which of them are believed, and which of the addresses that they name.

``X-Forwarded-For`` is written by everybody on the way, the person's own machine first. Two settings say what of it
counts: ``proxy_hops``, the number of our own proxies, whoever connects; or ``trusted_proxies``, their networks: then
nobody else's word counts, however they came to our port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sshjit.errors import Invalid
from sshjit.policy import networks as known_networks

HEADER = "x-forwarded-for"
MOST = 64
"""Networks that may be trusted."""
_TOLD = "tell the operator: the proxy must add to it (proxy_set_header in nginx), and the setting {} counts them"
FOR_PROXIES = ("/healthz", "/readyz")
"""Paths that proxies ask by themselves, for nobody."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxies of our own: so many (``hops``), or those in these networks."""

    hops: int = 0
    networks: tuple[str, ...] = ()

    def client(self, peer: str, forwarded: str | None) -> str:
        """The address of whoever asks. ``peer`` is who connected, ``forwarded`` all lines of the header."""
        if not self.networks:
            return client_address(peer, forwarded, self.hops)
        address = plain_address(peer)
        for name in (address, *reversed(_names(forwarded))):
            address = plain_address(name)
            if not self._trusts(address):
                break
        return address

    def require_client(self, peer: str, forwarded: str | None) -> None:
        """Refuses a request of which nobody knows where it comes from. ``None``: there is no such header.

        Granian leaves out a line in which something is not ASCII, with what our own proxy added to it. So a header that
        names nobody but proxies of ours may have named somebody. Without any, a proxy's own address would count for
        everybody behind it, in policy too: that is a proxy that is set up wrongly.

        Raises:
            Invalid: ``bad_request``.

        """
        if not self.networks:
            if len(_names(forwarded)) < self.hops:
                text = "the header X-Forwarded-For is missing or not ASCII, or names fewer addresses than proxies"
                raise Invalid("bad_request", text, hint=_TOLD.format("proxy_hops"))
            return
        if not self._trusts(plain_address(peer)):
            return
        address = self.client(peer, forwarded)
        if self._trusts(address) or not _is_address(address):
            text = "the header X-Forwarded-For is missing or not ASCII, or names nobody but trusted proxies"
            raise Invalid("bad_request", text, hint=_TOLD.format("trusted_proxies"))

    def _trusts(self, address: str) -> bool:
        known = known_networks.client_address(address)
        return known is not None and known_networks.inside(known, self.networks)


NO_PROXIES = Proxies()
"""Whoever connects is whoever asks."""


def checked_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Networks as they are written in ``trusted_proxies``: an address, or ``192.0.2.0/24``.

    Raises:
        Invalid: ``bad_config``.

    """
    checked = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise Invalid("bad_config", f"trusted_proxies: {error}", hint='trusted_proxies = ["192.0.2.10"]') from None
        if network.prefixlen == 0:
            raise Invalid("bad_config", f"trusted_proxies: {network} is everybody", hint="name the proxies alone")
        checked.append(str(network))
    if len(checked) > MOST:
        raise Invalid("bad_config", f"trusted_proxies must be {MOST} networks at most")
    return tuple(checked)


def client_address(peer: str, forwarded: str | None, hops: int) -> str:
    """Who asks: ``peer``, or whom so many proxies of our own name in ``X-Forwarded-For``.

    As Werkzeug's ``ProxyFix``: what is named before that was said by the other side, and counts for nothing. Quotes
    are letters here: one that is never closed would take the proxy's own words in.
    """
    named = _names(forwarded)
    return plain_address(named[-hops] if 0 < hops <= len(named) else peer)


def _names(forwarded: str | None) -> list[str]:
    return [name for part in (forwarded or "").split(",") if (name := part.strip())]


def _is_address(text: str) -> bool:
    return known_networks.client_address(text) is not None


def plain_address(text: str) -> str:
    """An address as ``source-address`` and sshd have it: shortest spelling, no zone, no port; IPv4 where it is that.

    A socket for both families says ``::ffff:192.0.2.7``, some proxies add a port. What is no address stays as it is.
    """
    if ":" not in text and "%" not in text:
        return text
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return text
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)

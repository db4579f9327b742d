"""How hosts show who they are, for people: until when their certificates last, or that they show plain keys.

Until when is the server's word. Which hosts show plain keys, and which, is the bundle's.
"""

from __future__ import annotations

from sshjit.api.hosts import HostsReply
from sshjit.bundle import Bundle
from sshjit_client.console.times import at
from sshjit_client.ssh import known_hosts

WORRY = 3 * 24 * 3600
"""Seconds before their end by which the host should have renewed its certificates."""
_RENEW = "`ssh-jit-host refresh` on it renews them"


def column(host: str, reply: HostsReply, bundle: Bundle) -> str:
    """A few words for a table; ``-``: the host has no keys yet, or the server does not say."""
    if known_hosts.plain(bundle, host) is not None:
        return "plain keys"
    end = dict(reply.certified).get(host)
    return "-" if end is None else f"until {at(end)}" if end else "not all keys"


def sentence(typed: str, reply: HostsReply, bundle: Bundle, now: int) -> str:
    """The same of the host with this name or alias, and what to do if they end; empty where nothing is known."""
    shown = known_hosts.plain(bundle, typed)
    if shown is not None:
        keys = f"{len(shown.keys)} plain key{'s' if len(shown.keys) != 1 else ''}"
        return f"{typed} shows no host certificates; ssh knows it by {keys} that it joined with"
    host = next((host.name for host in reply.hosts if typed in (host.name, *host.aliases)), None)
    end = None if host is None else dict(reply.certified).get(host)
    if end is None:
        return ""
    if end == 0:
        return f"{typed} lacks a certificate for one of its host keys; {_RENEW}"
    if end <= now:
        return f"the host certificates of {typed} ended {at(end)}: ssh refuses it; {_RENEW}"
    late = f", and were not renewed in time; {_RENEW}" if end <= now + WORRY else ""
    return f"the host certificates of {typed} last until {at(end)}{late}"

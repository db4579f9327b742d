"""What the person's own ssh configuration says about each name: that stays theirs (``ssh -G`` tells).

ssh takes the first value of a keyword, and ours come first. So what they set is left out of our blocks.
"""

from __future__ import annotations

from dataclasses import replace

from sshjit_client.plain_ssh.hosts import PlainHost, at_once
from sshjit_client.ssh import openssh
from sshjit_client.ssh.sshconfig import known_hosts_files

_UNSET = "_ssh-jit-unset_"
_PORT = 65535
"""A port that nobody sets."""
_SENTINELS = {
    "hostname": _UNSET,
    "port": str(_PORT),
    "user": _UNSET,
    "revokedhostkeys": _UNSET,
    "proxyjump": _UNSET,
    "preferredauthentications": _UNSET,
    "identityagent": _UNSET,
}


def applied(hosts: tuple[PlainHost, ...], theirs: bytes) -> tuple[PlainHost, ...]:
    """The hosts with what the person's configuration ``theirs`` sets for each."""
    system = ["Include /etc/ssh/ssh_config", *(f"{keyword} {value}" for keyword, value in _SENTINELS.items())]
    text = "\n".join([theirs.decode("utf-8", "surrogateescape"), "Match all", *system, ""])
    return tuple(at_once(lambda host: _one(host, text), hosts))


def _one(host: PlainHost, text: str) -> PlainHost:
    values = openssh.RunningQuery(["--", host.name], text).answer()
    own = tuple(keyword for keyword, unset in _SENTINELS.items() if values.get(keyword, "none") != unset)
    account = values["user"] if "user" in own else host.account
    agent = values["identityagent"] if "identityagent" in own else ""
    return replace(
        host,
        own=own,
        account=account,
        known_hosts=known_hosts_files(values),
        user_known_hosts=values.get("userknownhostsfile", ""),
        agent=agent,
        names_certificates="certificatefile" in values,
    )

"""What an operator is told who adds a host: nothing of it is forbidden, and most of it is not what was meant."""

from __future__ import annotations

from sshjit_ca.context import Context
from sshjit_ca.state import Host

USUAL = {"ssh-ed25519": "Ed25519", "ecdsa-sha2-nistp256": "ECDSA", "ssh-rsa": "RSA"}
"""Types of keys that every sshd makes for its host."""


def warnings(context: Context, host: Host) -> tuple[str, ...]:
    """A sentence for each."""
    sentences = []
    index = context.policy.allow_index
    if host.jump_login and not index.for_host(dict(host.labels)):
        pass  # people pass through it, which no rule has to allow
    elif not host.labels:
        sentences.append("the host has no label, and rules go by labels: nobody can ask for access to it")
    elif not index.for_host(dict(host.labels)):
        sentences.append("no rule of the policy allows anything on a host with these labels")
    same = [
        other.name
        for other in context.state.hosts.values()
        if other.id != host.id and (other.address, other.port) == (host.address, host.port)
    ]
    if same:
        sentences.append(f"{host.address} port {host.port} is the address of {', '.join(sorted(same)[:3])} too")
    types = {line.partition(" ")[0] for line in host.host_keys}
    lacking = [name for kind, name in USUAL.items() if kind not in types]
    if types and lacking:
        sentences.append(
            f"only these of its keys are certified, not {' and '.join(lacking)}: where sshd shows such a key as well, "
            "people who pinned it are locked out by the certificate for another one. Give every key of sshd"
        )
    return tuple(sentences)

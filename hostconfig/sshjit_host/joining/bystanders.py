"""What a host certificate does to people who never use ssh-jit, said before sshd shows one.

They pinned one of this server's plain keys. What each program then does was tried with real ones (``docs/hosts.md``).
"""

from __future__ import annotations

from collections.abc import Iterator

from sshjit_host.config import Config
from sshjit_host.openssh.host_keys import HostKeys


def text(config: Config, keys: HostKeys) -> Iterator[str]:
    """The lines; the switch that leaves host certificates out is in the last."""
    types = ", ".join(key.type for key in keys.offered)
    yield f"host certificates: from now on sshd shows one for each of these keys: {types}"
    if keys.uncertified:
        left = ", ".join(key.type for key in keys.uncertified)
        yield f"  people who pinned only a key of another type ({left}) are asked about an unknown key"
    yield "  people who pinned a plain key and use ssh, paramiko, asyncssh, JSch or net-ssh notice nothing"
    yield (
        "  Go programs that pinned one (Terraform, rclone) fail with `no authorities for hostname`, until their "
        f"known_hosts has a line `@cert-authority {config.name} KEY` too"
    )
    yield (
        "  Java programs on MINA (Jenkins, Gerrit, IDEs), and some on sshj, fail where they dial another name or "
        f"address than {config.name}, unless the CA knows it: `ssh-jit-ca host add --alias`"
    )
    yield "  --no-host-certificates leaves them out; ssh-jit then trusts exactly the plain keys that join now"

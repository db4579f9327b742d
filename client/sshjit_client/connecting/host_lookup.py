"""Which enrolled host somebody means by a word that is no host's name: what ssh would connect to for it.

A name of the person's own (``Host w``, ``HostName web1``), an address, or a longer name. Where it is found by its
address, that is the server's word: ssh connects to what the person said, and the host there has to show who it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from sshjit import names
from sshjit.errors import SshJitError
from sshjit_client.identity import sessions
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage.machine import Machine


def meant(machine: Machine, args: ConnectionArgs, values: Mapping[str, str]) -> str:
    """The name of the one host that is meant; empty if there is none, or if there are several.

    ``values``: what ``ssh -G`` printed.
    """
    from sshjit_client.api.full import FullApi  # noqa: PLC0415  # most connections do not need it

    session = sessions.needed(machine)
    typed, target, port = names.lowered(args.host), names.lowered(values.get("hostname", "")), values.get("port", "")
    try:
        hosts = FullApi(session.url, session.token).hosts().hosts
    except SshJitError:  # what was wrong with the word is the better message
        return ""
    named = [host for host in hosts if target in (host.name, *host.aliases) and target != typed]
    there = named or [host for host in hosts if target == names.lowered(host.address)]
    if len(there) > 1:
        there = [host for host in there if str(host.port) == port]
    return there[0].name if len(there) == 1 else ""

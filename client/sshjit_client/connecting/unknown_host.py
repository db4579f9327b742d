"""A name that is no host of the installation: refused, or left to plain ssh, as ``ssh-jit setup`` was told.

Refused unless the person said otherwise: plain ssh would show the host the person's own keys, and nobody approves or
logs what is done there.
"""

from __future__ import annotations

from typing import NoReturn

from sshjit import names
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit_client.ssh import openssh, sshconfig
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import host_names, paths
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import PLAIN_SSH

CODES = ("unknown_host", "bad_host")
"""The codes of errors about a word that is no host."""
_HOW = "ssh NAME connects without ssh-jit, ssh-jit setup --unknown-hosts ssh always"


def require_never_known(machine: Machine, args: ConnectionArgs) -> None:
    """That the name, and what ssh would connect to for it, is not among the hosts that the server gave before.

    Nor among those that the server of another installation gave, and does not any more.

    A front end that lies about one host would have the person's own keys shown to it, and nobody approve or log that.

    Raises:
        Refused: ``unknown_host``.

    """
    ours = machine.settings().name
    hosts = {name: one for one in paths.installations(machine.environ) for name in host_names.former(machine.at(one))}
    hosts |= dict.fromkeys([*host_names.former(machine), *host_names.kept(machine)], ours)
    if not hosts and not host_names.has_addresses(machine):
        return
    values = sshconfig.own(args).values
    meant = names.lowered(values.get("hostname", ""))
    for name in (names.lowered(args.host), meant):
        at_address = name == meant and host_names.has_address(machine, name, values.get("port", "22"))
        if name in hosts or at_address:
            installation = hosts.get(name, ours)
            text = f"{name} was a host of {installation}, and its server does not know it now"
            at = "" if installation == ours else f" --installation {installation}"
            hint = f"if it was removed, ssh-jit hosts --forget {name}{at}; {_HOW.partition(',')[0]}"
            raise Refused("unknown_host", f"{text}: your own keys are not shown to it", hint=hint)


def leave_or_raise(machine: Machine, args: ConnectionArgs, error: SshJitError, through: list[str]) -> NoReturn:
    """Becomes plain ssh with what was typed; or raises the error, with what to do.

    ``through``: ssh's options for the hosts of ``-J``. Who typed what only an installation can give gets no plain ssh.
    """
    ours = args.action != "shell" or args.break_glass or any((args.reason, args.duration, args.start))
    if ours or machine.settings().unknown_hosts != PLAIN_SSH:
        raise Invalid(error.code, error.message, hint="; ".join(filter(None, (error.hint, _HOW))))
    require_never_known(machine, args)
    machine.terminal.say(
        f"{names.show(args.host)} is no host of {machine.settings().name}: plain ssh connects, by your own keys"
    )
    machine.terminal.hint("ssh-jit setup --unknown-hosts refuse, if it shall not")
    asks = ["-o", "BatchMode=yes"] if args.silent else []
    openssh.become([*through, *args.plain_words] if through else [*asks, *args.typed], silent=args.silent)

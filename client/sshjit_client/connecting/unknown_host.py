"""A name that is no host of the installation: refused, or left to plain ssh, as ``ssh-jit setup`` was told.

Refused unless the person said otherwise: plain ssh would show the host the person's own keys, and nobody approves or
logs what is done there.
"""

from __future__ import annotations

from typing import NoReturn

from sshjit import names
from sshjit.errors import Invalid, SshJitError
from sshjit_client.ssh import openssh
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import PLAIN_SSH

_HOW = "ssh NAME connects without ssh-jit, ssh-jit setup --unknown-hosts ssh always"


def leave_or_raise(machine: Machine, args: ConnectionArgs, error: SshJitError, through: list[str]) -> NoReturn:
    """Becomes plain ssh with what was typed; or raises the error, with what to do.

    ``through``: ssh's options for the hosts of ``-J``. Who typed what only an installation can give gets no plain ssh.
    """
    ours = args.action != "shell" or args.break_glass or any((args.reason, args.duration, args.start))
    if ours or machine.settings().unknown_hosts != PLAIN_SSH:
        raise Invalid(error.code, error.message, hint="; ".join(filter(None, (error.hint, _HOW))))
    machine.terminal.say(
        f"{names.show(args.host)} is no host of {machine.settings().name}: plain ssh connects, by your own keys"
    )
    machine.terminal.hint("ssh-jit setup --unknown-hosts refuse, if it shall not")
    openssh.become([*through, *args.plain_words] if through else args.typed)

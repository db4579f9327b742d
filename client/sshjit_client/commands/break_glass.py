"""``ssh-jit break-glass``: past the ordinary rules, loudly, and then like any connection.

What is had so is kept under names of its own, so that no ordinary connection goes by it unmarked.
"""

from __future__ import annotations

import os
from typing import NoReturn

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit_client import certificate_index, connection, connection_args
from sshjit_client.connection_args import ConnectionArgs
from sshjit_client.exit_codes import ExitCode
from sshjit_client.helptext import BREAK_GLASS
from sshjit_client.machine import Machine
from sshjit_client.request_text import GLASS

REASON = 10
"""Characters of a reason at least. The CA counts again."""
_YES = "--yes"


def break_glass(machine: Machine, words: list[str]) -> int:
    """Asks back, asks for access by the rules for emergencies, and becomes ssh."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(BREAK_GLASS)
        return ExitCode.OK
    return _connect(machine, _line(words))


def _connect(machine: Machine, line: ConnectionArgs) -> NoReturn:
    machine.terminal.mark = f"{GLASS}: "
    path = certificate_index.alive(line, str(machine.state))
    if not path:
        _sure(machine, line)
        path = str(connection.access(machine, line))
    else:
        machine.terminal.say(f"what is open at {line.host} is used again; ssh-jit status says until when")
    os.execvp("ssh", ["ssh", "-F", path, *line.ssh])  # noqa: S606  # no shell is wanted


def _line(words: list[str]) -> ConnectionArgs:
    try:
        line = connection_args.read(words, (_YES,))
    except connection_args.Usage as error:
        raise Invalid("usage", str(error), hint="ssh-jit break-glass --help") from None
    if not line.host:
        raise Invalid("usage", "which host?", hint="ssh-jit break-glass --help")
    line.glass = True
    if len(names.free_text(line.reason, "the reason")) < REASON:
        raise Invalid("no_reason", f"say why in {REASON} characters or more", hint='--reason "INC-7 the site is down"')
    return line


def _sure(machine: Machine, line: ConnectionArgs) -> None:
    """Says plainly what happens, and has the host's name typed; ``--yes`` is for scripts."""
    target = f"{line.login}@{line.host}" if line.login else line.host
    terminal = machine.terminal
    terminal.say(f"this goes to {target} past the ordinary rules, without anybody's approval")
    terminal.say("everybody whom the rule names hears of it at once, with your name and your reason")
    terminal.say("somebody else must review it afterwards; while that is overdue, you get no other")
    if _YES in line.flags:
        return
    if not terminal.typing:
        raise Invalid("not_confirmed", "nobody is there to confirm it", hint="--yes, if it is a script that means it")
    if terminal.ask(f"{GLASS}: type the host's name to go on: ") != line.host:
        raise Refused("not_confirmed", "that is not the host's name; nothing was asked for")

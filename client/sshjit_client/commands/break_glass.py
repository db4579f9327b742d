"""``ssh-jit break-glass``: emergency access past the ordinary rules, and then like any connection.

Its certificates have file names of their own, so that no ordinary connection uses one unmarked.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit_client.connecting import connection, kept
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.helptext import BREAK_GLASS
from sshjit_client.identity import installation
from sshjit_client.requests import run_options
from sshjit_client.requests.request_text import BREAK_GLASS_MARK
from sshjit_client.ssh import connection_args
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage.machine import Machine

REASON = 10
"""The fewest characters of a reason; the CA checks it too."""
_YES = "--yes"


def break_glass(machine: Machine, words: list[str]) -> int:
    """Asks for confirmation, requests access by the rules for emergencies, and becomes ssh."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(BREAK_GLASS)
        return ExitCode.OK
    args = _read(words)
    machine = run_options.prepare(machine, args.flags)
    machine = installation.for_args(machine, args, names.lowered(args.host))
    args.reason = _reason(machine, args)
    return _connect(machine, args)


def _connect(machine: Machine, args: ConnectionArgs) -> NoReturn:
    through = connection.typed_way(machine, args)
    machine.terminal.mark = f"{BREAK_GLASS_MARK}: "
    path, more = kept.live_config(machine, args), list[str]()
    if not path:
        _confirm(machine, args)
        path = str(connection.access(machine, args))
    else:
        kept.settle_agents(machine, path)
        more = connection.by_live_certificate(machine, args, Path(path))
        machine.terminal.say(f"using the access that is open on {args.host}; ssh-jit status says until when")
    connection.become_ssh(args, path, [*connection.way_options(machine, args, through), *more])


def _read(words: list[str]) -> ConnectionArgs:
    try:
        args = connection_args.read(words)
    except connection_args.Usage as error:
        raise Invalid("usage", str(error), hint="ssh-jit break-glass --help") from None
    if not args.host:
        raise Invalid("usage", "no host given", hint="ssh-jit break-glass --help")
    args.break_glass = True
    return args


def _reason(machine: Machine, args: ConnectionArgs) -> str:
    """The reason, of so many characters; the person at the terminal is asked for one if they typed none.

    Raises:
        Invalid: ``no_reason``.

    """
    what = f"the reason needs {REASON} characters or more"
    reason = args.reason
    if not reason and machine.terminal.asks:
        machine.terminal.say(what)
        reason = machine.terminal.ask("What happened? ")
    if len(names.free_text(reason, "the reason")) < REASON:
        raise Invalid("no_reason", what, hint='--reason "INC-7 the site is down"')
    return reason


def _confirm(machine: Machine, args: ConnectionArgs) -> None:
    """Says plainly what happens, and asks for the host's name; ``--yes`` is for scripts."""
    target = f"{args.login}@{args.host}" if args.login else args.host
    terminal = machine.terminal
    terminal.say(f"emergency access to {target}, past the ordinary rules and without an approval")
    terminal.say("everybody whom the rule names is told at once, with your name and your reason")
    terminal.say("somebody else must review it; if the review is overdue, you get no more break-glass access")
    if _YES in args.flags:
        return
    if not terminal.typing:
        raise Invalid("not_confirmed", "nobody is at the terminal to confirm this", hint="in a script, use --yes")
    if terminal.ask(f"{BREAK_GLASS_MARK}: type the host's name to go on: ") != args.host:
        raise Refused("not_confirmed", "that is not the host's name; nothing was requested")

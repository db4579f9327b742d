"""The subcommands: from words to functions. Only the module of ``commands`` that has the subcommand is loaded."""

from __future__ import annotations

import importlib

from sshjit.errors import SshJitError
from sshjit_client import run
from sshjit_client.console.command_files import FILE_OF
from sshjit_client.console.helptext import PAGE
from sshjit_client.storage.machine import Machine

_GO_ON = frozenset({"decisions", "requests", "locks", "hosts", "passkeys", "history", "request_lists"})
"""Commands that go on by themselves after another sign-in; what was typed at a prompt is kept in their options."""


def subcommand(words: list[str]) -> int:
    """Runs a subcommand, or prints help; ``words`` may be empty."""
    first, rest = (words[0] if words else "--help"), words[1:]
    if first in ("-h", "--help", "help"):
        return run.guarded(lambda machine: machine.terminal.out(PAGE))
    return run.guarded(lambda machine: _run(machine, first, rest))


def _run(machine: Machine, name: str, words: list[str]) -> int:
    match name:
        case "request" | "explain":
            from sshjit_client.commands import requests  # noqa: PLC0415  # each starts faster without the others

            return (requests.request if name == "request" else requests.explain)(machine, words)
        case "break-glass":
            from sshjit_client.commands import break_glass  # noqa: PLC0415

            return break_glass.break_glass(machine, words)
        case "policy":
            from sshjit_client.policy import command  # noqa: PLC0415

            return command.run(machine, words)
        case "completion":
            from sshjit_client.manual import command as manual  # noqa: PLC0415

            return manual.completion(machine, words)
    from sshjit_client.option_parser import Parser, about  # noqa: PLC0415

    parser = Parser(f"ssh-jit {name}")
    act = importlib.import_module(f"sshjit_client.commands.{FILE_OF[name]}").BUILD[name](parser)
    options = parser.parse_args(words)
    machine = about(machine, options)
    try:
        return int(act(machine, options))
    except SshJitError as error:
        if FILE_OF[name] not in _GO_ON or not _signs_in_again(machine, error):
            raise
        return int(act(machine, options))


def _signs_in_again(machine: Machine, error: SshJitError) -> bool:
    """Whether the person has a sign-in now that may do what the server refused by the one before."""
    import time  # noqa: PLC0415  # only after an error

    from sshjit_client.identity import sessions  # noqa: PLC0415

    session = machine.session(time.time()) if error.code in sessions.MENDED else None
    return session is not None and sessions.renewed(machine, session, error) is not None

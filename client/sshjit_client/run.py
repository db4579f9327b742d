"""One run of the command: a connection or a subcommand, with errors turned into two lines and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_client.console import exit_codes
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.helptext import USAGE
from sshjit_client.requests import run_options
from sshjit_client.ssh import certificate_index, connection_args, openssh, sshconfig
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import paths
from sshjit_client.storage.machine import Machine

_HINTS = {
    errno.ENOSPC: "free some space there; it holds the key and the certificates of your sign-in",
    errno.EDQUOT: "your quota there is used up; free some space",
    errno.EROFS: "that folder can't be written to; XDG_RUNTIME_DIR, XDG_CACHE_HOME and XDG_STATE_HOME name others",
}
"""What to do about an error of this machine."""


def connect(args: ConnectionArgs) -> int:
    """``ssh-jit host``, when there is no live certificate."""
    if not args.host:
        return usage("no host given")
    return guarded(lambda machine: _connect(run_options.prepare(machine, args.flags), args))


def plain(words: list[str]) -> int:
    """Becomes ssh with these words; returns an exit code if that cannot be."""
    return guarded(lambda _: openssh.become(words))


def _open_streams() -> None:
    """Opens what was closed when we were started: the next file that is opened would take its place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
            if getattr(sys, name).fileno() != number:
                os.dup2(getattr(sys, name).fileno(), number)


def _connect(machine: Machine, args: ConnectionArgs) -> NoReturn:
    """Asks ssh what its configuration says, and loads the rest of the client meanwhile."""
    settled = certificate_index.settle_config(args)
    if args.local and not settled:  # nobody has read the pipe
        openssh.become(args.typed)
    if not settled:
        content = sshconfig.typed_content(args)
        machine.scratch(lambda folder: sshconfig.keep_typed(args, content, folder))
    name = paths.installation_for(machine.environ, args.host, args.installation)
    path = certificate_index.live_config(args, paths.login_folders(machine.environ, name)) if name else ""
    if args.local and not path:
        openssh.become(args.typed)
    machine = _for_host(machine.at(args.installation), args.host)
    # What ``-J`` names is asked for first, through the same file.
    query = None if args.jump or path else sshconfig.ask(args)
    from sshjit_client.connecting import connection  # noqa: PLC0415

    try:
        connection.connect(machine, args, query)
    except Invalid as error:
        if error.code != "unknown_host" or not (meant := _meant(args.host)):
            raise
        raise Invalid(error.code, error.message, hint=meant) from None


def usage(problem: str, first: str = "") -> int:
    """Reports a command line that makes no sense; ``first``: the word that may have been meant for a command."""
    return guarded(lambda _: _refuse(problem, first))


def _for_host(machine: Machine, host: str) -> Machine:
    """The machine for the installation that the host belongs to. Raises what ``installation.for_host`` does."""
    name = paths.certain_installation(machine.environ, host, machine.installation)
    if name:
        return machine.at(name)
    from sshjit_client.identity import installation  # noqa: PLC0415  # several installations, or none

    return installation.for_host(machine, host)


def guarded(run: Callable[[Machine], int | None]) -> int:
    """Runs it; an error becomes two lines and an exit code."""
    _open_streams()
    machine = Machine.here(os.environ)
    try:
        return int(run(machine) or 0)
    except SshJitError as error:
        machine.terminal.error(_still_works(machine, error) if error.family == "failed" else error)
        return exit_codes.of(error)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # nobody reads the output any more
        return ExitCode.OK
    except OSError as error:
        folder = paths.places(machine.environ)[0] if error.errno in _HINTS else ""
        where = f"{name}: " if (name := error.filename or folder) else ""
        machine.terminal.error(
            Failed("machine", f"{where}{error.strerror or error}", hint=_HINTS.get(error.errno or 0, ""))
        )
        return ExitCode.REACH
    except KeyboardInterrupt:
        machine.terminal.say("interrupted")
        return ExitCode.INTERRUPTED


def _still_works(machine: Machine, error: SshJitError) -> SshJitError:
    """The error, with what still works where the server or the CA is away and this machine has a certificate."""
    from sshjit_client.api.basic import Away  # noqa: PLC0415  # whoever raised it has loaded it

    if not isinstance(error, Away) or not any(
        map(certificate_index.any_live, paths.all_login_folders(machine.environ))
    ):
        return error
    works = "existing certificates still work: ssh-jit status"
    return Failed(error.code, f"{error.message}; {works}", hint=error.hint).at(error.page)


def _refuse(problem: str, first: str) -> NoReturn:
    raise Invalid("usage", problem, hint=_meant(first) or _meant_option(problem) or USAGE)


def _meant_option(problem: str) -> str:
    """The option that may have been meant, as a question, where ``problem`` is about one."""
    from sshjit_client.console.near_words import nearest  # noqa: PLC0415

    option = nearest(problem.partition(" ")[0], (*connection_args.OURS, *connection_args.FLAGS))
    return f"did you mean {option}?" if option and not problem.startswith(f"{option} ") else ""


def _meant(word: str) -> str:
    """The command that ``word`` may have been meant for, as a question; empty if it is like none."""
    from sshjit_client.console.command_files import COMMANDS  # noqa: PLC0415  # only somebody who mistyped needs it
    from sshjit_client.console.near_words import nearest  # noqa: PLC0415

    command = nearest(word, COMMANDS) if word.islower() else None
    return f"did you mean ssh-jit {command}?" if command else ""

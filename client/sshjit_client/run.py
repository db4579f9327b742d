"""One run of the command: a connection, or a subcommand, and how errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from sshjit import names
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_client import exits, files, sshconfig, typed
from sshjit_client.exits import Exit
from sshjit_client.helptext import USAGE
from sshjit_client.machine import Machine


def connection(line: typed.Typed) -> int:
    """``ssh-jit host``, when no certificate was alive."""
    if not line.host:
        return usage("which host?")
    if line.local:
        os.execvp("ssh", ["ssh", *(["-F", line.config] if line.config else []), *line.ssh])  # noqa: S606
    return guarded(lambda machine: _connect(machine, line))


def _connect(machine: Machine, line: typed.Typed) -> NoReturn:
    """While ssh says what it would do without us, the rest of us is loaded."""
    machine.settings()
    names.host_name(line.host.lower())
    asked = sshconfig.ask(line, files.private_folder(machine.state))
    from sshjit_client import connect  # noqa: PLC0415

    connect.connect(machine, line, asked)


def usage(problem: str) -> int:
    """A command line that cannot be understood."""
    return guarded(lambda _: _refuse(problem))


def guarded(run: Callable[[Machine], int | None]) -> int:
    """Runs it; an error becomes its two lines and its exit code."""
    machine = Machine.here(os.environ)
    try:
        return int(run(machine) or 0)
    except SshJitError as error:
        machine.terminal.error(error)
        return exits.of(error)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # nobody reads on
        return Exit.OK
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        machine.terminal.error(Failed("machine", f"this machine says: {error.strerror or error}{where}"))
        return Exit.REACH
    except KeyboardInterrupt:
        machine.terminal.say("interrupted")
        return Exit.INTERRUPTED


def _refuse(problem: str) -> NoReturn:
    raise Invalid("usage", problem, hint=USAGE)

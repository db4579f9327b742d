"""The command line of ``ssh-jit-host``: arguments, signals, lines on standard error, exit codes.

Exit codes: 0 done, 1 a problem of this host, 2 usage or configuration, 3 not joined (``status``), 4 the bundle, or this
host, was refused, 5 sshd does not accept the drop-in, 8 the front end cannot be reached.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path
from types import FrameType

from sshjit_host import doctor, status
from sshjit_host.config import DEFAULT_PATH, load
from sshjit_host.errors import HostError
from sshjit_host.joining import arguments, join, leave, session_setup, units
from sshjit_host.sessions import daemon
from sshjit_host.version import version
from sshjit_host.watch import once, watch


def say(line: str) -> None:
    """Write one line to standard error; text of other programs cannot break the line or move the cursor."""
    shown = _printable(line.replace("\n", " "))
    shown = shown if shown.startswith("hint: ") else f"ssh-jit-host: {shown}"
    sys.stderr.write(f"{_wrapped(shown) if sys.stderr.isatty() else shown}\n")
    sys.stderr.flush()


def _wrapped(line: str) -> str:
    """A line as a terminal shows it: what is too long goes on below what is said."""
    head, _, rest = line.partition(": ")
    indent = len(head) + 2 + len(rest) - len(rest.lstrip())
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="ssh-jit-host",
        description="Sets this server up for ssh-jit, and keeps its sshd in step with the signed bundle.",
        epilog="exit codes: 0 done, 1 this host, 2 usage or configuration, 3 not joined (status), "
        "4 bundle or host refused, 5 sshd, 8 out of reach",
    )
    where = f"default: $SSH_JIT_HOST_CONFIG, else {DEFAULT_PATH}"
    top.add_argument("--config", metavar="PATH", help=where)
    top.add_argument("--version", action="version", version=f"ssh-jit-host {version()}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("refresh", help="take the newest bundle once, and write sshd's files from it")
    commands.add_parser("watch", help="refresh every few seconds until SIGTERM")
    examine = commands.add_parser("doctor", help="find what is wrong with access to this host, and say what to do")
    examine.add_argument("--json", action="store_true", help="print the findings for a program")
    sessions = commands.add_parser("sessions", help="end each session with its grant, until SIGTERM")
    change = sessions.add_mutually_exclusive_group()
    change.add_argument("--install", action="store_true", help="start it, and have PAM ask it before a session opens")
    change.add_argument("--remove", action="store_true", help="take that out of PAM again, and stop it")
    arguments.add_join(commands.add_parser("join", help="set this server up, or change how; all of it or nothing"))
    commands.add_parser("leave", help="put this server back as it was, and tell the CA")
    state = commands.add_parser("status", help="what is set up, how fresh it is, until when it lasts")
    state.add_argument("--json", action="store_true", help="print it for a program")
    for command in commands.choices.values():  # no default, which would take back what stands before the command
        command.add_argument("--config", metavar="PATH", default=argparse.SUPPRESS, help=where)
    return top


def main() -> int:
    """Run the program; the return value is its exit code."""
    given = parser().parse_args()
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        return _run(given, Path(given.config or os.environ.get("SSH_JIT_HOST_CONFIG") or DEFAULT_PATH))
    except HostError as error:
        say(error.message)
        if error.hint:
            say(f"hint: {error.hint}")
        return error.exit_code
    except OSError as error:
        say(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 1


def _run(given: argparse.Namespace, path: Path) -> int:
    if given.command == "join":
        join.join(arguments.wish(given, path.absolute()), say, time.time())
        return 0
    if given.command == "leave":
        leave.leave(path.absolute(), say)
        return 0
    if given.command == "status":
        state = status.read(path.absolute(), load(path) if path.exists() else None, time.time())
        print(status.as_json(state) if given.json else _printable(status.text(state)))
        return state.code
    config = load(path)
    if given.command == "watch":
        watch(config, say, random.SystemRandom())
    if given.command == "doctor":
        findings = [*doctor.Examination(config, time.time()).findings(), *units.findings()]
        print(doctor.as_json(findings) if given.json else _printable(doctor.text(findings)))
        return 1 if any(finding.level == "bad" for finding in findings) else 0
    if given.command == "sessions":
        if given.install:
            session_setup.install(config, say)
        elif given.remove:
            session_setup.remove(config, say)
        else:
            daemon.run(config, say)
        return 0
    once(config, say)
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    """End at once, but run every ``finally``: a drop-in on trial is put back. A second signal changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(0 if number == signal.SIGTERM else 128 + number)


if __name__ == "__main__":
    sys.exit(main())

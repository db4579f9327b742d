"""Whether an alarm of the CA's own would be heard: by the syslog daemon, and by ``alert_command``.

The command is looked at and never run: a trial would page somebody. What execve(2) would look for is looked for as the
user who asks, down to the interpreter of a script and what ``env`` would find for it. Nothing is sent to syslog either;
that somebody listens shows when one connects.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.config import Config
from sshjit_ca.operations.finding import Finding, Level
from sshjit_ca.service import alerts

_SCRIPT, _ELF = b"#!", b"\x7fELF"
_FIRST_LINE = 256
"""Bytes that Linux reads for the interpreter (BINPRM_BUF_SIZE)."""
_NESTED = 4
"""Interpreters of interpreters; Linux follows as many."""


def examine(config: Config) -> Iterator[Finding]:
    """Both ways that an alarm leaves by. Without a command, syslog alone must do."""
    yield _syslog(config.syslog, "warning" if config.alert_command else "bad")
    if not config.alert_command:
        yield Finding("alarm", "ok", "no alert_command is set: alarms go to syslog only")
        return
    program = Path(config.alert_command[0])
    try:
        _ours(program)
        _runnable(program)
    except Failed as error:
        yield Finding("alarm", "bad", f"alert_command: {error.message}", error.hint)
    else:
        yield Finding("alarm", "ok", f"the alert command can be run: {program}")


def _syslog(path: Path, missing: Level) -> Finding:
    """Whether a line would arrive. The socket is connected as for one, and closed."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.settimeout(0)
            to.connect(str(path))
    except OSError as error:
        text = f"syslog does not take alarms at {path}: {error.strerror or error}"
        return Finding("alarm", missing, text, "start a syslog daemon, or name its socket: syslog in ca.toml")
    return Finding("alarm", "ok", f"syslog listens at {path}")


def _ours(program: Path) -> None:
    """The command is there, and nobody but root or this user chooses what it does."""
    try:
        status = program.stat()
    except OSError as error:
        raise _failed(f"{program}: {error.strerror}", "install it, or change alert_command in ca.toml") from None
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        text = f"{program} is writable by other users, and the CA runs it"
        raise _failed(text, f"chown root {program}; chmod go-w {program}")


def _runnable(program: Path, depth: int = _NESTED) -> None:
    """What execve(2) asks of a program, and, if it is a script, of what its first line names."""
    if not program.is_file():
        raise _failed(f"{program} does not exist, or is not a file", "install it, or name another program")
    if not os.access(program, os.X_OK, effective_ids=True):
        if os.statvfs(program).f_flag & os.ST_NOEXEC:
            raise _failed(f"{program} is on a file system mounted noexec", "move it to another file system")
        raise _failed(f"{program} cannot be run by this user", f"chmod a+x {program}")
    if not os.access(program, os.R_OK, effective_ids=True):
        return  # a program may be run unread; whether it is one cannot be seen then
    with program.open("rb") as file:
        line = file.read(_FIRST_LINE).partition(b"\n")[0]
    if line.startswith(_ELF):
        return
    words = os.fsdecode(line.removeprefix(_SCRIPT)).split(maxsplit=1)
    if not line.startswith(_SCRIPT) or not words or not depth:
        raise _failed(f"{program} is neither a program nor a script", "begin it with a line such as #!/bin/sh")
    try:
        _runnable(Path("/", words[0]), depth - 1)
    except Failed as error:
        raise _failed(f"{program} needs a program that cannot be run: {error.message}", error.hint) from None
    _found_by_env(program, words)


def _found_by_env(program: Path, words: list[str]) -> None:
    """``#!/usr/bin/env NAME`` looks in the PATH that the CA gives, which is not the operator's."""
    if Path(words[0]).name != "env" or len(words) == 1:
        return
    name = words[1].strip()
    if name.startswith("-") or set(name) & set("= ") or shutil.which(name, path=alerts.PATH):
        return  # options and assignments are for env to read
    raise _failed(f"{program} needs {name}, which env cannot find", f"the PATH is {alerts.PATH}; write its full path")


def _failed(message: str, hint: str) -> Failed:
    return Failed("not_runnable", message, hint=hint)

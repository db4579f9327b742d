"""Other programs, run to their end."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sshjit_host.errors import HostError
from sshjit_host.machine import files

PATIENCE = 30
"""Seconds that a program may run."""


@dataclass(frozen=True)
class Outcome:
    """The exit status of a program, and its output."""

    code: int
    output: str


def run(*command: str | Path, given: bytes = b"") -> Outcome:
    """Run a program to its end; its standard output and errors come back together.

    A program that cannot be started or does not end raises ``HostError``.
    """
    outcome = _once(command, given)
    return _once(command, given) if outcome.code and _separated(outcome.output) else outcome


def _once(command: Sequence[str | Path], given: bytes) -> Outcome:
    try:
        done = subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"{command[0]} did not end within {PATIENCE} seconds") from None
    except OSError as error:
        raise HostError(f"cannot run {command[0]}: {error.strerror}") from None
    return Outcome(code=done.returncode, output=done.stdout.decode("utf-8", "replace").strip())


def _separated(output: str) -> bool:
    """Whether sshd only missed the folder that its service makes when it starts, which is there now.

    Where a socket starts sshd for each connection, that is the case until the first one after the machine's start.
    """
    missing = re.search(
        r"^Missing privilege separation directory: (/(?:var/)?run/[A-Za-z0-9._-]+)$", output, re.MULTILINE
    )
    if missing is None:
        return False
    try:
        files.folder(Path(missing[1]))
    except HostError:
        return False
    return True

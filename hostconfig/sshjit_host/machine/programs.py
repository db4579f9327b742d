"""Other programs, run to their end."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sshjit_host.errors import HostError

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

"""Starts the programs that a release is made with, and says what failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.release.errors import ReleaseError


def run(
    *command: str | Path,
    cwd: Path,
    stdin: Path | None = None,
    quiet: bool = False,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program that must succeed; return what it printed, without the last line feed.

    Its errors stay on the terminal, for it may ask there for a passphrase or a touch; with ``quiet``, only if it fails.
    """
    with (stdin or Path(os.devnull)).open("rb") as given:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            check=False,
            env={**clean_environment(), **(env or {})},
        )
    if done.returncode:
        sys.stderr.write((done.stderr or b"").decode())
        raise ReleaseError(f"`{' '.join(map(str, command)).splitlines()[0]}` ended with {done.returncode}")
    return done.stdout.decode().removesuffix("\n")


def quietly(*command: str | Path, cwd: Path) -> tuple[int, str]:
    """Run a program whose failure is an answer; return its exit code and what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False, env=clean_environment())
    return done.returncode, done.stdout.decode().removesuffix("\n")


def clean_environment() -> dict[str, str]:
    """Return the environment without what would point git elsewhere, as inside of a git hook."""
    pointing = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
    return {name: value for name, value in os.environ.items() if name not in pointing}

"""Machines on which something cannot be written: the command runs in a mount namespace of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shlex import quote

from tests.unit.client.conftest import Laptop


def read_only(folder: Path) -> str:
    """The step that makes a folder read-only."""
    where = quote(str(folder))
    return f"mount --bind {where} {where} && mount -o remount,bind,ro {where}"


def full(folder: Path) -> str:
    """The step that puts a folder on a small disk in memory without room for anything else."""
    where, copy = quote(str(folder)), quote(f"{folder}.copy")
    return (
        f"cp -a {where} {copy} && mount -t tmpfs -o size=1m,mode=0700 small {where} && cp -a {copy}/. {where}"
        f" && rm -r {copy} && {{ cat /dev/zero > {where}/ballast 2>&- || :; }}"
    )


def run_on(laptop: Laptop, step: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the command where the step was done."""
    command = [sys.executable, "-m", "sshjit_client", *words]
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{step} && exec "$@"', "sh", *command],
        env={**laptop.env, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

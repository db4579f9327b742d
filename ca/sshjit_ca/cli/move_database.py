"""The subcommand that takes an installation from SQLite to PostgreSQL: the CA's database, and the front end's."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sshjit.errors import Failed
from sshjit_ca.cli.maintenance import AS_OWNER
from sshjit_ca.config import Config
from sshjit_ca.machine import owner
from sshjit_ca.service import standby


def add_commands(commands: Any) -> None:
    """Adds the subcommand."""
    text = "move the log from SQLite to a new PostgreSQL database, and verify it there"
    parser = commands.add_parser("move-database", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("address", metavar="ADDRESS", help="postgresql://…, as ca.toml says it; with nothing in it")
    parser.add_argument(
        "--front-end", nargs=2, metavar=("WEB.TOML", "ADDRESS"), help="move the front end's database too, as its user"
    )
    parser.set_defaults(run=_move, works=AS_OWNER)


def _move(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.operations import move_database  # noqa: PLC0415 - the other commands start faster without it

    moved = move_database.move(conf, options.address, standby.Time(time.monotonic, time.sleep))
    print(f"{moved.size} entries of the log were moved and verified; the old database is now {moved.aside}")
    print(f'say in {options.config}: database = "{options.address}"')
    if options.front_end is not None:
        _move_front_end(*options.front_end)
    return 0


def _move_front_end(settings: str, address: str) -> None:
    """The front end's own command, with the rights of whoever typed this one: it becomes the right user by itself."""
    program = Path(sys.executable).with_name("ssh-jit-web")
    command = [str(program), "--config", str(Path(settings).absolute()), "move-database", address]
    with owner.as_operator():
        user = os.geteuid()
        done = subprocess.run(command, check=False, user=user if user == 0 else None)
    if done.returncode:
        hint = f"once that is put right: ssh-jit-web --config {settings} move-database {address}"
        raise Failed("not_moved", "the CA's database was moved, and the front end's was not", hint=hint)

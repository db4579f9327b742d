"""``ssh-jit-web serve``, ``notify`` and ``check``: the front end's command line.

The environment is read here and in ``serve.py``.

Each command loads what it needs: the pages' process never has Apprise, the notifier's never Flask.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sshjit.errors import FAMILIES, SshJitError

_COMMANDS = {
    "serve": "serve the pages and the API",
    "notify": "send notifications",
    "init": "write commented settings, make what the machine lacks (as root), and say what comes next",
    "migrate": "update the database's schema, or take it back (--to) before an older release is installed",
    "move-database": "move the database from SQLite to a new PostgreSQL database",
    "check": "try each identity provider: metadata, keys, clients, redirect addresses, scopes",
}

EXIT = {"invalid": 2, "refused": 4, "failed": 1}
"""Exit codes by the family of the error, as of ``ssh-jit-ca``; systemd starts again what ended with 1."""
assert EXIT.keys() == FAMILIES.keys()  # noqa: S101 - one code for each family


def main() -> int:
    """Runs the command and returns its exit code: those of ``EXIT``, 0, 1 too if a fault was found, 130 for Ctrl-C."""
    try:
        return _command()
    except KeyboardInterrupt:
        return 130


def _command() -> int:
    # Here and not above, so that Ctrl-C while they are loaded ends as quietly as later.
    from sshjit_web import init_command  # noqa: PLC0415
    from sshjit_web.config import CONFIG_VARIABLE  # noqa: PLC0415
    from sshjit_web.notify import command  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="ssh-jit-web", description="The front end of ssh-jit: pages and API.")
    parser.add_argument("--version", action="version", version=f"ssh-jit-web {importlib.metadata.version('ssh-jit')}")
    where = f"web.toml; else ${CONFIG_VARIABLE}"
    parser.add_argument("--config", type=Path, help=where)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_ in _COMMANDS.items():
        made = commands.add_parser(name, help=help_)
        made.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=where)
    command.add(commands.choices["notify"])
    commands.choices["move-database"].add_argument("address", metavar="ADDRESS", help="postgresql://…")
    older = "the revision that an older release needs"
    commands.choices["migrate"].add_argument("--to", default="head", metavar="REVISION", help=older)
    init_command.add_options(commands.choices["init"])
    arguments = parser.parse_args()
    path = arguments.config or os.environ.get(CONFIG_VARIABLE)
    if arguments.command == "init":
        folder = arguments.example or init_command.FOLDER
        named = folder / init_command.NAME if arguments.example or not path else Path(path)
        return _ended(lambda: init_command.run(named.absolute(), arguments))
    if not path:
        parser.error(f"no configuration: give --config or set {CONFIG_VARIABLE}")
    return _ended(lambda: _run(arguments, Path(path)))


def _ended(act: Callable[[], int | None]) -> int:
    """Does it; an error is two lines, and its family's exit code."""
    from sshjit_web.config import explain  # noqa: PLC0415 -- as above

    try:
        return act() or 0
    except SshJitError as error:
        print(explain(error), file=sys.stderr)
        return EXIT[error.family]


def _run(arguments: argparse.Namespace, path: Path) -> int:
    if arguments.command == "notify":
        from sshjit_web.notify import command  # noqa: PLC0415 -- as above

        command.run(arguments, path)
    elif arguments.command == "migrate":
        from sshjit_web import config, migrate, store  # noqa: PLC0415 -- as above

        engine = store.open_engine(config.load(path).database, seconds=store.MIGRATION)
        migrate.change(engine, arguments.to)
        engine.dispose()
    elif arguments.command == "move-database":
        from sshjit_web import move_command  # noqa: PLC0415 -- as above

        return move_command.run(path, arguments.address)
    elif arguments.command == "check":
        from sshjit_web import check_command  # noqa: PLC0415 -- as above

        return check_command.run(path)
    else:
        from sshjit_web import serve  # noqa: PLC0415 -- Flask and the server, which the notifier does not need

        serve.run(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The subcommands of ``ssh-jit-ca``. Each function does one of them and returns the exit code."""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from sshjit import messages as m
from sshjit import wire
from sshjit.errors import Invalid
from sshjit_ca import admin, cli_care, cli_hosts, cli_keys, cli_locks, cli_show, config, keys
from sshjit_ca.config import Config
from sshjit_ca.keys import files
from sshjit_ca.keys.lineage import Lineage
from sshjit_ca.keys.places import Places
from sshjit_ca.store import Store


def run(arguments: list[str], default_config: Path, notify: str = "", places: Places | None = None) -> int:
    """Runs one command. ``notify`` is where a supervisor wants to be told how far the CA is.

    Raises:
        SshJitError: for ``__main__`` to show.

    """
    options = _parser(default_config).parse_args(arguments)
    options.notify, options.places = notify, places or Places()
    return int(options.run(config.load(options.config), options))


def _parser(default_config: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssh-jit-ca", description="The SSH certificate authority: signs what policy allows, and logs it."
    )
    parser.add_argument("--config", type=Path, default=default_config, metavar="FILE", help=f"[{default_config}]")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "init", "make the keys, the database and the log", _init)
    _add(commands, "serve", "run the CA in the foreground", _serve)
    cli_locks.add_commands(commands)
    cli_hosts.add_commands(commands)
    cli_keys.add_commands(commands)
    cli_care.add_commands(commands)
    _add_log(commands.add_parser("log", help="the log").add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add_log(commands: Any) -> None:
    show = _json(_add(commands, "show", "show the newest entries", _log_show))
    show.add_argument("--limit", type=int, default=50, metavar="N", help="how many [50]")
    verify = _json(_add(commands, "verify", "check that the log is whole", _log_verify))
    verify.add_argument("--database", type=Path, metavar="FILE", help="a copy of the database [the CA's own]")


def _add(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    return parser


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _init(conf: Config, _: argparse.Namespace) -> int:
    os.umask(0o077)
    folder = conf.home / "keys"
    if any((folder / purpose).exists() for purpose in keys.PURPOSES):
        raise Invalid("already_made", f"there are keys in {folder} already", hint="nothing was changed")
    folder.mkdir(parents=True, exist_ok=True)
    for purpose in keys.PURPOSES:
        files.make(conf.key_file(purpose))
    cli_care.migrate(conf, _)
    made = {purpose: files.load_public(conf.key_file(purpose)).fingerprint for purpose in keys.PURPOSES}
    print(cli_show.fields([("installation", conf.installation), *made.items()]))
    print(f"\nLaptops and hosts pin the bundle's key: {made['bundle']}")
    return 0


def _serve(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca import daemon, supervisor  # noqa: PLC0415 - the other commands start faster without it

    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="ssh-jit-ca: %(message)s")
    daemon.serve(conf, options.places, supervisor.Supervisor(options.notify))
    return 0


def _log_show(conf: Config, options: argparse.Namespace) -> int:
    _print(options, admin.call(conf.admin_socket, m.ReadLog(None, None, options.limit), m.LogReply), cli_show.log)
    return 0


def _log_verify(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca import verify  # noqa: PLC0415

    first = files.load_public(conf.key_file("log"))
    own = options.database is None
    if not own and not options.database.is_file():
        raise Invalid("no_database", f"there is no file {options.database}")
    store = Store(conf.database if own else f"sqlite:///{options.database.resolve()}", read_only=True)
    newest = None
    if own and (conf.home / "checkpoint").exists():
        newest = Lineage.of(first, store).verified((conf.home / "checkpoint").read_text(encoding="utf-8"))
    began = time.monotonic()
    verdict = verify.verify(store, first, newest=newest)
    store.close()
    if options.json:
        print(json.dumps({"size": verdict.size, "head": verdict.head.hex(), "problems": verdict.problems}))
    else:
        print(cli_show.verdict(verdict, time.monotonic() - began))
    return 1 if verdict.problems else 0


def _print(options: argparse.Namespace, reply: Any, show: Any) -> None:
    print(json.dumps(wire.encode(reply)) if options.json else show(reply))

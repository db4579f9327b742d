"""The subcommands of ``ssh-jit-ca``. Each function does one of them and returns the exit code."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
from pathlib import Path
from typing import Any

from sshjit.errors import Failed, Refused
from sshjit_ca import config
from sshjit_ca.cli import calendars as cli_calendars
from sshjit_ca.cli import explain as cli_explain
from sshjit_ca.cli import hosts as cli_hosts
from sshjit_ca.cli import init as cli_init
from sshjit_ca.cli import keys as cli_keys
from sshjit_ca.cli import locks as cli_locks
from sshjit_ca.cli import log as cli_log
from sshjit_ca.cli import maintenance as cli_care
from sshjit_ca.cli import move_database as cli_move
from sshjit_ca.cli import passkeys as cli_passkeys
from sshjit_ca.cli import policies as cli_policies
from sshjit_ca.cli import recovery as cli_recovery
from sshjit_ca.cli import report as cli_report
from sshjit_ca.cli import rotas as cli_rotas
from sshjit_ca.cli.maintenance import BY_ITSELF, FOR_GOOD
from sshjit_ca.config import Config
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.machine import owner


def run(arguments: list[str], default_config: Path, notify: str = "", places: KeyLocations | None = None) -> int:
    """Runs one command. ``notify`` is where a supervisor wants to be told how far the CA is.

    Raises:
        SshJitError: for ``__main__`` to show.

    """
    options = _parser(default_config).parse_args(arguments)
    options.notify, options.places = notify, places or KeyLocations()
    alone = getattr(options, "offline", False) or getattr(options, "alone", False)
    conf = None if alone else config.load(options.config)
    if conf is not None:
        conf = _as_owner(conf, options)
    return int(options.run(conf, options))


def _as_owner(conf: Config, options: argparse.Namespace) -> Config:
    """Becomes the owner of the home where the command needs that; the configuration as that user reads it.

    Whoever only asks at the admin socket may be somebody else, whom ``admin_users`` names; root, whom it need not name,
    asks as the owner. ``init`` looks after itself: it may have to make the home.
    """
    how = getattr(options, "works", None)
    if how == BY_ITSELF or (how is None and os.geteuid() != 0):
        return conf
    try:
        owner.settle(conf.home, for_good=how == FOR_GOOD)
    except (Refused, Failed):
        if how is not None:
            raise
        return conf  # root without its rights may be one of ``admin_users``
    owner.require_reach(options.config)
    return config.load(options.config)


class _Parser(argparse.ArgumentParser):
    """A command, and each of its subcommands: ``--config`` may stand before and after any of them."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help=_CONFIG)


_CONFIG = "the CA's settings [$SSH_JIT_CA_CONFIG, else /etc/ssh-jit/ca.toml]"


def _parser(default_config: Path) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ssh-jit-ca", description="The SSH certificate authority: signs what policy allows, and logs it."
    )
    parser.set_defaults(config=default_config)
    parser.add_argument("--version", action="version", version=f"ssh-jit-ca {importlib.metadata.version('ssh-jit')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_init.add_command(commands)
    _add(commands, "serve", "run the CA in the foreground", _serve).set_defaults(works=FOR_GOOD)
    cli_locks.add_commands(commands)
    cli_hosts.add_commands(commands)
    cli_passkeys.add_commands(commands)
    cli_keys.add_commands(commands)
    cli_care.add_commands(commands)
    cli_move.add_commands(commands)
    cli_log.add_commands(commands)
    cli_policies.add_commands(commands)
    cli_calendars.add_commands(commands)
    cli_rotas.add_commands(commands)
    cli_explain.add_commands(commands)
    cli_report.add_commands(commands)
    cli_recovery.add_command(commands)
    return parser


def _add(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    return parser


def _serve(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.service import daemon  # noqa: PLC0415 - the other commands start faster without it

    logging.basicConfig(level=logging.INFO, format="ssh-jit-ca: %(message)s")
    daemon.serve(conf, options.places, daemon.supervisor(options.notify))
    return 0

"""The parser of subcommands' options: argparse, with our errors."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from sshjit.errors import Invalid
from sshjit_client.storage.machine import Machine

Options = argparse.Namespace
Act = Callable[[Machine, Options], int]
"""Runs a subcommand with its options; returns the exit code."""


class Parser(argparse.ArgumentParser):
    """argparse with our errors and a short help."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog=prog, add_help=False, **more)
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        self.add_argument("--installation", metavar="NAME", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        self.add_argument("--non-interactive", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        self._positionals.title = self._optionals.title = None

    def error(self, message: str) -> NoReturn:
        """Refuses the command line.

        Raises:
            Invalid: ``usage``.

        """
        raise Invalid("usage", message, hint=f"{self.prog} --help")


def about(machine: Machine, options: Options) -> Machine:
    """The machine as the options that every subcommand has say: for which installation, and whether one may ask."""
    machine = machine.at(getattr(options, "installation", machine.installation))
    return machine.silent() if hasattr(options, "non_interactive") else machine


Build = Callable[[Parser], Act]
"""Adds a subcommand's options to a parser, and returns the function that runs it."""


def exactly_one(parser: argparse.ArgumentParser, **flags: str) -> None:
    """Flags of which exactly one must be given: name and help."""
    group = parser.add_mutually_exclusive_group(required=True)
    for name, text in flags.items():
        group.add_argument(f"--{name}", action="store_true", help=text)

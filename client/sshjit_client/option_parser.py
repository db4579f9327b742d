"""How subcommands read their words."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from sshjit.errors import Invalid
from sshjit_client.machine import Machine

Options = argparse.Namespace
Act = Callable[[Machine, Options], int]
"""What a subcommand does with its options; it returns the exit code."""


class Parser(argparse.ArgumentParser):
    """argparse, whose errors are ours, and whose help has no more than it takes."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog=prog, add_help=False, **more)
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        self._positionals.title = self._optionals.title = None

    def error(self, message: str) -> NoReturn:
        """Refuses the words.

        Raises:
            Invalid: ``usage``.

        """
        raise Invalid("usage", message, hint=f"{self.prog} --help")


Build = Callable[[Parser], Act]
"""Tells a parser what a subcommand takes, and returns what it does."""


def either(parser: argparse.ArgumentParser, **flags: str) -> None:
    """Flags of which exactly one is given: names, and what they mean."""
    group = parser.add_mutually_exclusive_group(required=True)
    for name, text in flags.items():
        group.add_argument(f"--{name}", action="store_true", help=text)

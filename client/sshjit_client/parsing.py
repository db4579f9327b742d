"""How subcommands read their words."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from sshjit.errors import Invalid


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

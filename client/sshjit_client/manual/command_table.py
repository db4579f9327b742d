"""Every subcommand with its options, as its own parser or help text knows them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit_client.console import helptext
from sshjit_client.console.command_files import COMMANDS, FILE_OF
from sshjit_client.option_parser import Parser
from sshjit_client.ssh import connection_args

WITH_TEXT = {"request": helptext.REQUEST, "explain": helptext.EXPLAIN, "break-glass": helptext.BREAK_GLASS}
"""Subcommands that read their words themselves, with their help."""
OTHERS = ("policy", "completion")
"""Subcommands whose words are no options."""
HOSTS = frozenset(
    (
        *("request", "explain", "break-glass", "status", "doctor", "done", "extend"),
        *("config", "ensure", "path", "export"),
    )
)
"""Subcommands whose words are hosts."""
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand, its long options in order, and its whole help."""

    name: str
    options: tuple[str, ...]
    text: str


def parser_of(name: str) -> Parser:
    """The parser of a subcommand that argparse reads, with its options."""
    parser = Parser(f"ssh-jit {name}")
    importlib.import_module(f"sshjit_client.commands.{FILE_OF[name]}").BUILD[name](parser)
    return parser


def commands() -> Iterator[Command]:
    """Every subcommand, by name."""
    for name in sorted(COMMANDS):
        if name in OTHERS:
            yield Command(name, (), "")
            continue
        text = WITH_TEXT.get(name) or parser_of(name).format_help()
        options = dict.fromkeys(_OPTION.findall(text))
        yield Command(name, (*sorted({*options} - {"--help"}), "--help"), text.strip())


def own_options() -> list[str]:
    """The options of a connection that are ours."""
    return sorted({*connection_args.OURS, *connection_args.FLAGS})

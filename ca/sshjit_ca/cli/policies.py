"""``ssh-jit-ca policy``: putting one in force, and what every policy said that ever decided here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from sshjit import ca_protocol as m
from sshjit.terminal_text import inert
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.effects import effects
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client


def add_commands(commands: Any) -> None:
    """Adds ``policy`` with its subcommands."""
    inner = commands.add_parser("policy", help="the policies that were in force").add_subparsers(
        required=True, metavar="COMMAND"
    )
    show = _command(inner, "show", "print a policy's exact text", _show)
    show.add_argument("digest", nargs="?", metavar="DIGEST", help="or its beginning [the policy in force]")
    load = _command(inner, "load", "read the policy file again, and say which open grants that closes", _load)
    load.description = (
        "Read the policy file again and put it in force, as SIGHUP does. A file with an error changes nothing."
    )
    load.add_argument("--accept", action="store_true", help="also if it gives what must never be ([[never]])")
    load.add_argument("--dry-run", action="store_true", help="only say what it would close")
    load.add_argument(
        "--end-what-it-forbids", action="store_true", help="revoke the open grants that it would not give"
    )
    _command(inner, "list", "list the policies, and when each was in force", _list)


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _show(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.ReadPolicy(options.digest), m.PolicyReply)
    if options.json:
        print(cli_show.as_json(reply))
    else:
        sys.stdout.write(reply.text)  # as it is, so that its SHA-256 is the digest
    return 0


def _load(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(
        conf.admin_socket, m.LoadPolicy(options.dry_run, options.end_what_it_forbids, options.accept), m.PolicyLoadReply
    )
    cli_show.say(options, reply, loaded)
    return 0


def loaded(reply: m.PolicyLoadReply) -> str:
    """The policy that was loaded, or could be, and what it closes."""
    return "\n".join([_loaded(reply), *reply.notes, *map(cli_show.changed_file, reply.changed_files)])


def _loaded(reply: m.PolicyLoadReply) -> str:
    policy = f"policy {reply.digest[:16]} ({cli_show.count(reply.rules, 'rule')})"
    if not reply.changed and not reply.ended:
        return f"{policy} is in force already"
    already = "" if reply.changed else " already"
    head = f"{policy} is in force{already}" if reply.loaded else f"{policy} can be loaded; nothing was changed"
    return f"{head}\n{effects(reply.closes, reply.ask_again, reply.ended, reply.sooner, would=not reply.loaded)}"


def _list(conf: Config, options: argparse.Namespace) -> int:
    cli_show.say(options, admin_client.call(conf.admin_socket, m.ReadPolicies(), m.PoliciesReply), listing)
    return 0


def listing(reply: m.PoliciesReply) -> str:
    """The policies as a table, the newest first."""
    rows = [
        (
            view.digest[:16],
            str(view.rules),
            cli_show.instant(view.loaded),
            "in force" if view.replaced is None else cli_show.instant(view.replaced),
            (view.replaced_by or "")[:16],
            str(view.entry),
        )
        for view in reply.policies
    ]
    heads = ("DIGEST", "RULES", "FROM (UTC)", "UNTIL (UTC)", "REPLACED BY", "ENTRY")
    heads = ("DIGEST", "RULES", "FROM (UTC)", "UNTIL (UTC)", "REPLACED BY", "ENTRY")
    head, *lines = cli_show.table(heads, rows).split("\n")
    text = [head]
    for line, view in zip(lines, reply.policies, strict=True):
        text += [line, *(f"    {sentence}" for sentence in _sentences(view))]
    return "\n".join(text)


def _sentences(view: m.PolicyView) -> Iterator[str]:
    """What was found of the policy's own sentences when it came into force, a line each."""
    for sentence in view.decided or ():
        answer = {"proved": "proved", "broken": "BROKEN", "undecided": "UNDECIDED", "over": "OVER"}[sentence.answer]
        accepted = ", and accepted" if sentence.name in view.accepted else ""
        until = f"until {cli_show.instant(sentence.until)}"
        yield f"{answer} at {cli_show.instant(view.loaded)}, {until}: {inert(sentence.name)}{accepted}"

"""``ssh-jit-ca explain``: what the CA would answer to a person's request now, and what every rule says."""

from __future__ import annotations

import argparse
import shutil
from typing import Any

from sshjit import ca_protocol as m
from sshjit import durations
from sshjit.errors import Invalid
from sshjit.explanation_text import reply_lines
from sshjit.styles import Styles
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client


def add_commands(commands: Any) -> None:
    """Adds the command."""
    text = "show what a person would get, and why; nothing is recorded"
    parser = commands.add_parser("explain", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=_explain)
    parser.add_argument("--person", required=True, help="a name, an e-mail address, provider/address or sub-…")
    parser.add_argument("--host", action="append", default=[], metavar="NAME", help="a host; may be repeated")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="every host with this label")
    parser.add_argument("--login", metavar="NAME", help="the account on the host [the rule's choice]")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--action", default="shell", metavar="NAME", help="a named action [shell (the default)]")
    what.add_argument("--command", metavar="TEXT", help="an exact command")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="how long, for example 30m [as the rule allows]")
    parser.add_argument(
        "--in", dest="start", metavar="TIME", help="how long from now the access begins, for example 2h"
    )
    parser.add_argument("--reason", default="", metavar="TEXT")
    parser.add_argument("--address", default="", metavar="IP", help="the IP address that the request comes from")
    parser.add_argument("--break-glass", action="store_true", help="use the rules for emergency access (break-glass)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _explain(conf: Config, options: argparse.Namespace) -> int:
    start = None
    if options.start is not None:  # by the CA's clock, which is the one that counts
        start = admin_client.call(conf.admin_socket, m.Status(), m.StatusReply).time + durations.parse(options.start)
    message = m.Explain(
        login_id=None,
        person=options.person,
        hosts=tuple(options.host),
        labels=tuple(_label(text) for text in options.label),
        login=options.login,
        action="command" if options.command is not None else options.action,
        command=options.command,
        duration=None if options.duration is None else durations.parse(options.duration),
        reason=options.reason,
        start=start,
        break_glass=options.break_glass,
        address=options.address,
    )
    reply = admin_client.call(conf.admin_socket, message, m.ExplainReply)
    styles = Styles(colour=False, columns=shutil.get_terminal_size((100, 24)).columns)
    cli_show.say(options, reply, lambda explained: "\n".join(reply_lines(message, explained, styles)))
    return 0


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise Invalid("bad_label", f"{text!r} is not KEY=VALUE")
    return key, value

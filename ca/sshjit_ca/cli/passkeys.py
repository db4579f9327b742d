"""``ssh-jit-ca passkeys``: what people registered to approve by, accepted and removed by the operator."""

from __future__ import annotations

import argparse
from typing import Any

from sshjit import ca_protocol as m
from sshjit import passkeys as known_passkeys
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client


def add_commands(commands: Any) -> None:
    """Adds the command and its own."""
    text = "passkeys by which people approve on pages"
    passkeys = commands.add_parser("passkeys", help=text, description=text[0].upper() + text[1:] + ".")
    actions = passkeys.add_subparsers(required=True, metavar="ACTION")
    _command(actions, "list", "list all of them", _list)
    accept = _command(
        actions, "accept", "let a new one count at once, instead of a day after it was registered", _accept
    )
    accept.add_argument("passkey", metavar="ID", help="its id, or the beginning of it")
    remove = _command(actions, "remove", "remove one: what it approved counts no more", _remove)
    remove.add_argument("passkey", metavar="ID", help="its id, or the beginning of it")
    remove.add_argument("--reason", metavar="TEXT", required=True, help="why; it goes into the log")


def _command(actions: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _list(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.ReadPasskeys(None, everybody=True), m.PasskeysReply)
    cli_show.say(options, reply, _table)
    return 0


def _accept(conf: Config, options: argparse.Namespace) -> int:
    message = m.AcceptPasskey(None, options.passkey, None, None)
    reply = admin_client.call(conf.admin_socket, message, m.PasskeysReply)
    cli_show.say(options, reply, lambda _: f"the passkey counts now: {_one(reply)}")
    return 0


def _remove(conf: Config, options: argparse.Namespace) -> int:
    message = m.RemovePasskey(None, options.passkey, options.reason)
    reply = admin_client.call(conf.admin_socket, message, m.PasskeysReply)
    cli_show.say(options, reply, lambda _: f"removed: {_one(reply)}; what it approved counts no more")
    return 0


def _one(reply: m.PasskeysReply) -> str:
    (passkey,) = reply.passkeys
    return f'{passkey.id} "{passkey.name}" of {passkey.person.name} ({passkey.person.provider})'


def _table(reply: m.PasskeysReply) -> str:
    rows = [
        (
            passkey.id,
            f"{passkey.person.name} ({passkey.person.provider})",
            passkey.name,
            known_passkeys.kind(device_bound=passkey.device_bound),
            cli_show.instant(passkey.counts_from),
            "never" if passkey.used is None else cli_show.instant(passkey.used),
        )
        for passkey in reply.passkeys
    ]
    heads = ("PASSKEY", "PERSON", "NAME", "KIND", "COUNTS FROM (UTC)", "LAST USED (UTC)")
    return cli_show.table(heads, rows) if rows else "no passkey is registered"

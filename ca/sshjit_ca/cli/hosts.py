"""``ssh-jit-ca host`` and ``ssh-jit-ca hardware-key``: machines that people reach, and devices that they hold."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.cli import host_keys, inventory, invitations, probe
from sshjit_ca.cli import maintenance as cli_care
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.effects import effects
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client


def add_commands(commands: Any) -> None:
    """Adds both, with their subcommands."""
    hosts = commands.add_parser("host", help="enrolled hosts").add_subparsers(required=True, metavar="COMMAND")
    invitations.add_parser_of(hosts, _command)
    inventory.add_options(_command(hosts, "apply", "make the enrolled hosts those of an inventory", inventory.apply))
    sign = _command(hosts, "sign", "renew the certificates of a host's registered keys", _sign)
    sign.add_argument("name", metavar="NAME")
    host_keys.add_option(sign)
    label = _command(hosts, "label", "replace all labels of a host", _label)
    label.add_argument("name", metavar="NAME")
    label.add_argument("label", nargs="+", metavar="KEY=VALUE", help="a label, as policy uses it")
    label.add_argument("--dry-run", action="store_true", help="only say which open grants it would close")
    label.add_argument("--end-what-it-forbids", action="store_true", help="revoke the open grants that it closes")
    change = _command(hosts, "change", "change the way to a host, or make it a bastion", _change)
    change.add_argument("name", metavar="NAME")
    way = change.add_mutually_exclusive_group()
    way.add_argument("--via", metavar="BASTION", help="people reach it through this host")
    way.add_argument("--direct", dest="via", action="store_const", const="", help="people reach it directly")
    bastion = change.add_mutually_exclusive_group()
    bastion.add_argument("--jump-login", metavar="ACCOUNT", help="it is a bastion: people pass through by this account")
    text = "it is no bastion any more"
    bastion.add_argument("--no-jump-login", dest="jump_login", action="store_const", const="", help=text)
    text = "it trusts the post-quantum CA key alone from now on, which it must have reported to take"
    change.add_argument("--post-quantum-only", action=argparse.BooleanOptionalAction, default=None, help=text)
    change.add_argument("--dry-run", action="store_true", help="only say which open grants it would close")
    remove = _command(hosts, "remove", "remove a host, and revoke access to it", _remove)
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")
    _command(hosts, "list", "list the hosts", _list)
    probe.add_options(_command(hosts, "probe", "look from outside whether hosts enforce", probe.probe))
    text = "registered hardware keys"
    keys = commands.add_parser("hardware-key", help=text).add_subparsers(required=True, metavar="COMMAND")
    add = _command(keys, "add", "register an sk key that you saw as a device in the person's hands", _key_add)
    add.add_argument("person", metavar="PERSON", help="sub-…, or provider/address")
    add.add_argument("key", type=Path, metavar="FILE.pub")
    _command(keys, "list", "list the registered keys", _key_list)
    gone = _command(keys, "remove", "remove a registered key", _key_remove)
    gone.add_argument("fingerprint", metavar="SHA256:…", help="or the beginning of it")
    gone.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _sign(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.CertifyHost(options.name), m.HostReply)
    host_keys.write(options.host_key, reply)
    cli_show.say(options, reply, lambda _: "\n".join(reply.certificates) or "this host has no keys yet")
    return 0


def _label(conf: Config, options: argparse.Namespace) -> int:
    labels = invitations.labels_of(options.label)
    ends = options.end_what_it_forbids
    message = m.LabelHost(options.name, labels, None, None, dry_run=options.dry_run, end_what_it_forbids=ends)
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.HostReply), _labelled(options))
    return 0


def _labelled(options: argparse.Namespace) -> Callable[[m.HostReply], str]:
    def text(reply: m.HostReply) -> str:
        head = "nothing was changed" if options.dry_run else cli_show.host_labelled(reply)
        return f"{head}\n{effects(reply.closes, reply.ask_again, reply.ended, reply.sooner, would=options.dry_run)}"

    return text


def _change(conf: Config, options: argparse.Namespace) -> int:
    if options.via is None and options.jump_login is None and options.post_quantum_only is None:
        text = "say what to change: --via BASTION or --direct, --jump-login ACCOUNT or --no-jump-login, or "
        raise Invalid("nothing_to_change", f"{text}--post-quantum-only or --no-post-quantum-only")
    only = options.post_quantum_only
    message = m.ChangeHost(options.name, options.via, options.jump_login, options.dry_run, post_quantum_only=only)
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.HostReply), _labelled(options))
    return 0


def _remove(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.RemoveHost(options.name, options.reason, None, None), m.Done)
    cli_show.say(options, reply, lambda _: f"{options.name} was removed, and access to it was revoked")
    return 0


def _list(conf: Config, options: argparse.Namespace) -> int:
    cli_show.say(options, admin_client.call(conf.admin_socket, m.ReadHosts(None), m.HostsReply), cli_show.hosts)
    return 0


def _key_add(conf: Config, options: argparse.Namespace) -> int:
    message = m.RegisterHardwareKey(options.person, cli_care.public_key(options.key))
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.HardwareKeysReply), cli_show.hardware_keys)
    return 0


def _key_list(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.ReadHardwareKeys(), m.HardwareKeysReply)
    cli_show.say(options, reply, cli_show.hardware_keys)
    return 0


def _key_remove(conf: Config, options: argparse.Namespace) -> int:
    message = m.RemoveHardwareKey(options.fingerprint, options.reason)
    reply = admin_client.call(conf.admin_socket, message, m.HardwareKeysReply)
    cli_show.say(options, reply, lambda _: f"{options.fingerprint} is no longer a registered hardware key")
    return 0

"""``ssh-jit-ca host`` and ``ssh-jit-ca hardware-key``: machines that people reach, and devices that they hold."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import names, sshcert, sshkey, wire
from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import maintenance as cli_care
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.effects import effects
from sshjit_ca.cli.join_line import Joining
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client


def add_commands(commands: Any) -> None:
    """Adds both, with their subcommands."""
    hosts = commands.add_parser("host", help="enrolled hosts").add_subparsers(required=True, metavar="COMMAND")
    _add_commands_that_enrol(hosts)
    label = _command(hosts, "label", "replace all labels of a host", _label)
    label.add_argument("name", metavar="NAME")
    label.add_argument("label", nargs="+", metavar="KEY=VALUE", help="a label, as policy uses it")
    label.add_argument("--dry-run", action="store_true", help="only say which open grants it would close")
    remove = _command(hosts, "remove", "remove a host, and revoke access to it", _remove)
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")
    _command(hosts, "list", "list the hosts", _list)
    text = "registered hardware keys"
    keys = commands.add_parser("hardware-key", help=text).add_subparsers(required=True, metavar="COMMAND")
    add = _command(keys, "add", "register an sk key that you saw as a device in the person's hands", _key_add)
    add.add_argument("person", metavar="PERSON", help="sub-…, or provider/address")
    add.add_argument("key", type=Path, metavar="FILE.pub")
    _command(keys, "list", "list the registered keys", _key_list)
    gone = _command(keys, "remove", "remove a registered key", _key_remove)
    gone.add_argument("fingerprint", metavar="SHA256:…")
    gone.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")


def _add_commands_that_enrol(hosts: Any) -> None:
    add = _command(hosts, "add", "enrol a host: sign its host keys, or create a one-time token to join", _add)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--address", required=True, help="the address that clients connect to")
    add.add_argument("--port", type=int, default=22, help="[22]")
    add.add_argument("--alias", action="append", default=[], metavar="NAME", help="an alias of the host")
    add.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="a label, as policy uses it")
    _host_key(add)
    _joining(add)
    invite = _command(hosts, "invite", "create a new token for a host that has not joined", _invite)
    invite.add_argument("name", metavar="NAME")
    _joining(invite)
    sign = _command(hosts, "sign", "renew the certificates of a host's registered keys", _sign)
    sign.add_argument("name", metavar="NAME")
    _host_key(sign)


def _joining(parser: argparse.ArgumentParser) -> None:
    """What the line to paste says."""
    text = "a Unix account that people reach on the host, for the line that joins it"
    parser.add_argument("--login", action="append", default=[], metavar="ACCOUNT", help=text)
    text = "the front end's address, for the same line [front_end in ca.toml]"
    parser.add_argument("--url", metavar="https://…", help=text)
    text = "the host shows no host certificates: clients trust the keys that it proves by joining"
    parser.add_argument("--no-host-certificates", action="store_true", help=text)


def _host_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host-key",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.pub",
        help="the public key; the certificate is written to FILE-cert.pub",
    )


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add(conf: Config, options: argparse.Namespace) -> int:
    labels = tuple(_pair(text) for text in options.label)
    lines = tuple(cli_care.public_key(path) for path in options.host_key)
    url = _front_end(conf, options)
    message = m.AddHost(
        options.name,
        tuple(options.alias),
        options.address,
        options.port,
        labels,
        lines,
        logins=tuple(options.login),
    )
    reply = admin_client.call(conf.admin_socket, message, m.HostReply)
    _write(options.host_key, reply)
    return _print_joining(options, reply, url)


def _invite(conf: Config, options: argparse.Namespace) -> int:
    url = _front_end(conf, options)
    reply = admin_client.call(conf.admin_socket, m.InviteHost(options.name), m.HostReply)
    return _print_joining(options, reply, url)


def _front_end(conf: Config, options: argparse.Namespace) -> str | None:
    """The address that hosts join at, by the command or by ``ca.toml``."""
    return conf.front_end if options.url is None else names.origin(options.url, plain_http=True)


def _print_joining(options: argparse.Namespace, reply: m.HostReply, url: str | None) -> int:
    """Prints the host and, where it was invited, the line to paste."""
    if reply.invitation is None:
        cli_show.say(options, reply, cli_show.host_added)
        return 0
    logins = tuple(options.login) or reply.logins
    lacking = [
        *([] if logins else ["name the accounts that people reach there: --login deploy"]),
        *([] if url else ["say where the front end is: front_end in ca.toml, or --url https://…"]),
    ]
    if lacking or url is None:
        line, text = None, "\n".join(("There is no line to paste yet:", *(f"  {what}" for what in lacking)))
        text += f"\nThen: ssh-jit-ca host invite {reply.host.name}"
    else:
        line = Joining(
            reply.invitation.token,
            url,
            reply.bundle_root,
            logins,
            name=reply.host.name,
            host_certificates=not options.no_host_certificates,
        ).line
        text = f"Paste this line into a root shell on {reply.host.name}, within the hour and once:\n\n{line}"
    if options.json:
        print(json.dumps({**wire.encode(reply), "line": line, "line_lacks": lacking}))
    else:
        print(f"{cli_show.host_added(reply)}\n\n{text}")
    return 0


def _sign(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.CertifyHost(options.name), m.HostReply)
    _write(options.host_key, reply)
    cli_show.say(options, reply, lambda _: "\n".join(reply.certificates) or "this host has no keys yet")
    return 0


def _label(conf: Config, options: argparse.Namespace) -> int:
    labels = tuple(_pair(text) for text in options.label)
    message = m.LabelHost(options.name, labels, None, None, dry_run=options.dry_run)
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.HostReply), _labelled(options))
    return 0


def _labelled(options: argparse.Namespace) -> Callable[[m.HostReply], str]:
    def text(reply: m.HostReply) -> str:
        head = "nothing was changed" if options.dry_run else cli_show.host_labelled(reply)
        return f"{head}\n{effects(reply.closes, reply.ask_again, would=options.dry_run)}"

    return text


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


def _write(files: list[Path], reply: m.HostReply) -> None:
    """Writes each file's certificate beside it, found by the key inside. Keys of types that were left out have none."""
    by_key = {sshcert.parse_line(line)[0].key.line: line for line in reply.certificates}
    for path in files:
        if cli_care.public_key(path).partition(" ")[0] in reply.left_out:
            continue
        certificate = by_key.get(sshkey.parse_line(cli_care.public_key(path)).line)
        if certificate is None:
            raise Invalid("unknown_host_key", f"{path} is not one of the keys of {reply.host.name}")
        target = path.with_name(f"{path.name.removesuffix('.pub')}-cert.pub")
        try:
            cli_care.write_certificate(target, certificate)
        except OSError as error:
            text = f"{reply.host.name} is enrolled, but {target} cannot be written: {error.strerror}"
            raise Failed("not_written", text, hint=f"ssh-jit-ca host sign {reply.host.name}") from None


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise Invalid("bad_labels", f"a label has the form KEY=VALUE, not {text!r}")
    return key, value

"""``ssh-jit hosts``: listing the hosts; adding, labelling and removing them with a signature."""

from __future__ import annotations

import argparse
from pathlib import Path

from sshjit import names, sshkey
from sshjit.api.bodies import HostBody, LabelsBody, RemoveBody
from sshjit.api.hosts import HostView
from sshjit.api.signed import AddHost, LabelHost, RemoveHost
from sshjit.errors import Invalid
from sshjit.terminal_text import table
from sshjit_client.commands import resolve_request
from sshjit_client.commands.signatures import Signer
from sshjit_client.exit_codes import ExitCode
from sshjit_client.machine import Machine
from sshjit_client.option_parser import Act, Build, Options, Parser


def _hosts(parser: Parser) -> Act:
    parser.description = "Lists the hosts, or changes them; a change needs the permission, and your key signs it."
    parser.usage = "ssh-jit hosts [add | label | remove] …"
    commands = parser.add_subparsers(metavar="add | label | remove", parser_class=Parser, prog="ssh-jit hosts")
    new = commands.add_parser("add", help="enrol a host with its keys")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--address", metavar="A", required=True, help="the address that ssh connects to")
    new.add_argument("--port", metavar="P", type=int, default=22)
    new.add_argument("--alias", metavar="NAME", action="append", default=[], help="another name; may be repeated")
    _labelled(new)
    new.add_argument(
        "--host-key", metavar="FILE", action="append", required=True, type=Path, help="a .pub file; may be repeated"
    )
    new.set_defaults(run=add)
    other = commands.add_parser("label", help="replace all labels of a host")
    other.add_argument("name", metavar="NAME")
    _labelled(other)
    other.set_defaults(run=label)
    gone = commands.add_parser("remove", help="remove a host, and revoke its certificates")
    gone.add_argument("name", metavar="NAME")
    gone.add_argument("--reason", metavar="TEXT", required=True, help="why; it goes into the log")
    gone.set_defaults(run=remove)
    parser.set_defaults(run=listing)
    return lambda machine, options: int(options.run(machine, options))


def listing(machine: Machine, _: Options) -> int:
    """Lists the hosts."""
    _session, api = resolve_request.signed_in(machine)
    rows = [["HOST", "ADDRESS", "LABELS", "ALIASES"]]
    rows += [[each.name, f"{each.address}:{each.port}", _pairs(each), " ".join(each.aliases)] for each in api.hosts()]
    machine.terminal.out(table(rows))
    return ExitCode.OK


def add(machine: Machine, options: Options) -> int:
    """Enrols a host with its keys, with a signature."""
    session, api = resolve_request.signed_in(machine)
    keys = tuple(_key(path) for path in options.host_key)
    aliases, labels = tuple(options.alias), _labels(options)
    message = AddHost(options.name, aliases, options.address, options.port, labels, keys, session.login.id, None)
    signature = Signer(machine, session, api).act(message)
    added = api.add_host(HostBody(options.name, aliases, options.address, options.port, labels, keys, signature))
    machine.terminal.say(f"added: {added.name} ({added.id}) at {added.address}:{added.port}, {_pairs(added)}")
    return ExitCode.OK


def label(machine: Machine, options: Options) -> int:
    """Replaces all labels of a host, with a signature."""
    session, api = resolve_request.signed_in(machine)
    labels = _labels(options)
    if not labels:
        raise Invalid("usage", "no label given", hint="ssh-jit hosts label NAME --label env=prod")
    signature = Signer(machine, session, api).act(LabelHost(options.name, labels, session.login.id, None))
    changed = api.label_host(names.host_name(options.name), LabelsBody(labels, signature))
    machine.terminal.say(f"labelled: {changed.name} has {_pairs(changed)}")
    return ExitCode.OK


def remove(machine: Machine, options: Options) -> int:
    """Removes a host, with a signature."""
    session, api = resolve_request.signed_in(machine)
    reason = names.free_text(options.reason, "the reason")
    signature = Signer(machine, session, api).act(RemoveHost(options.name, reason, session.login.id, None))
    api.remove_host(names.host_name(options.name), RemoveBody(reason, signature))
    machine.terminal.say(f"removed: {options.name}; its certificates are revoked")
    return ExitCode.OK


def _labelled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", metavar="K=V", action="append", default=[], help="a label; may be repeated")


def _labels(options: Options) -> tuple[tuple[str, str], ...]:
    pairs = (text.partition("=") for text in options.label)
    return tuple(sorted({names.label(key, value) for key, _, value in pairs}))


def _pairs(host: HostView) -> str:
    return " ".join(f"{key}={value}" for key, value in host.labels)


def _key(path: Path) -> str:
    """A host's public key as one line, without its comment."""
    try:
        return sshkey.parse_line(path.read_text("utf-8")).line
    except (OSError, UnicodeDecodeError):
        raise Invalid("no_key", f"can't read {path}") from None


BUILD: dict[str, Build] = {"hosts": _hosts}
"""Command -> what adds its options."""

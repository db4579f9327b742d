"""``ssh-jit hosts``: what can be reached and what it takes; adding, labelling, removing hosts with a signature."""

from __future__ import annotations

import argparse
from pathlib import Path

from sshjit import names, sshkey, wire
from sshjit.api.bodies import HostBody, LabelsBody, RemoveBody, ShownHost
from sshjit.api.hosts import HostReply, HostsReply, HostView
from sshjit.api.signed import AddHost, LabelHost, RemoveHost
from sshjit.errors import Invalid, Refused
from sshjit.terminal_text import fitted
from sshjit_client import host_certificates, trusted_bundle
from sshjit_client.api.full import FullApi
from sshjit_client.commands import permissions, reachable, resolve_request
from sshjit_client.commands.signatures import Signer
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.plain_ssh import ensure
from sshjit_client.storage import host_names
from sshjit_client.storage.machine import Machine

_SHOWN = 50
"""Hosts in a list, without ``--limit``."""
_CHANGING = "changing the hosts"


def _hosts(parser: Parser) -> Act:
    parser.description = "Lists the hosts, or changes them; a change needs the permission, and your key signs it."
    parser.usage = "ssh-jit hosts [add | label | remove] …"
    commands = parser.add_subparsers(metavar="add | label | remove", parser_class=Parser, prog="ssh-jit hosts")
    new = commands.add_parser("add", help="enrol a host with its keys")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--address", metavar="A", required=True, help="the address that ssh connects to")
    new.add_argument("--port", metavar="P", type=int, default=22)
    new.add_argument("--alias", metavar="NAME", action="append", default=[], help="another name; may be repeated")
    new.add_argument("--via", metavar="BASTION", default="", help="the enrolled host through which people reach it")
    text = "it is a bastion: the account by which people pass through"
    new.add_argument("--jump-login", metavar="ACCOUNT", default="", help=text)
    _labelled(new)
    new.add_argument(
        "--host-key", metavar="FILE", action="append", required=True, type=Path, help="a .pub file; may be repeated"
    )
    _confirmed(new)
    new.set_defaults(run=add)
    other = commands.add_parser("label", help="replace all labels of a host")
    other.add_argument("name", metavar="NAME")
    _labelled(other)
    other.add_argument("--dry-run", action="store_true", help="only say which open grants it would close")
    _confirmed(other)
    other.set_defaults(run=label)
    gone = commands.add_parser("remove", help="remove a host, and revoke its certificates")
    gone.add_argument("name", metavar="NAME")
    gone.add_argument("--reason", metavar="TEXT", required=True, help="why; it goes into the log")
    _confirmed(gone)
    gone.set_defaults(run=remove)
    parser.set_defaults(run=listing, only=[])
    parser.add_argument("--details", action="store_true", help="addresses, labels, host certificates, other names")
    parser.add_argument("--host", metavar="PART", dest="only", action="append", help="only hosts whose name has PART")
    parser.add_argument("--label", metavar="K=V", action="append", default=[], help="only hosts with this label")
    parser.add_argument("--limit", metavar="N", type=int, default=_SHOWN, help=f"at most so many [{_SHOWN}]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    text = "no host any more: ssh may show your own keys to it; may be repeated"
    parser.add_argument("--forget", metavar="NAME", action="append", default=[], help=text)
    return lambda machine, options: int(options.run(machine, options))


def listing(machine: Machine, options: Options) -> int:
    """Lists the hosts: what each takes, or with ``--details`` how each is reached and known."""
    if options.forget:
        return _forget(machine, options)
    session, api = resolve_request.signed_in(machine)
    reply = api.hosts()
    host_names.keep_addresses(machine, ((host.address, host.port) for host in reply.hosts))
    host_names.keep(machine, [name for host in reply.hosts for name in (host.name, *host.aliases)])
    chosen = [host for host in reply.hosts if _is_meant(host, options)]
    shown = chosen[: options.limit] if options.details else chosen
    if options.details:
        _print_details(machine, options, reply, shown)
    else:
        views = reachable.look(session, api, chosen, options.limit)
        _print_reachable(machine, options, views)
        shown = [view.host for view in views]
    if len(shown) < len(chosen):
        more = len(chosen) - len(shown)
        machine.terminal.hint(f"{more} more: --host PART, --label env=prod, or --limit {len(chosen)}")
    return ExitCode.OK


def _forget(machine: Machine, options: Options) -> int:
    """Takes names out of the list that is kept here. Asks no server: it is the person who agrees."""
    installation = machine.settings().name
    for name in options.forget:
        if not host_names.forget(machine, name) | ensure.forget(machine, name):
            text = f"{names.show(name)} is not in this machine's list of hosts of {installation}"
            raise Invalid("unknown_host", text, hint="ssh-jit completion hosts")
        machine.terminal.say(f"forgotten: {names.show(name)} was a host of {installation}")
    return ExitCode.OK


def _print_reachable(machine: Machine, options: Options, views: list[reachable.Reachable]) -> None:
    if options.json:
        listed = [
            wire.encode(view.host) | {"access": view.verdict, "account": view.account, "what": view.what}
            for view in views
        ]
        json_output.print_json(machine.terminal, {"hosts": listed})
        return
    rows = [["HOST", "ACCOUNT", "ACCESS", "LABELS"]]
    rows += [[view.host.name, view.account, view.what, _pairs(view.host)] for view in views]
    machine.terminal.out(fitted(rows, table_width()) if views else "no hosts")
    if views and machine.terminal.live:
        machine.terminal.hint("ssh-jit explain HOST says more; ssh-jit hosts --details, addresses and host keys")


def _print_details(machine: Machine, options: Options, reply: HostsReply, shown: list[HostView]) -> None:
    if options.json:
        json_output.print_json(machine.terminal, {"hosts": [wire.encode(host) for host in shown]})
        return
    bundle = trusted_bundle.current(machine, machine.settings()).bundle
    apart = any(host.post_quantum != "no" for host in shown)  # nobody is shown a column of nothing
    rows = [["HOST", "ADDRESS", "LABELS", "HOST CERTIFICATES", *(["POST-QUANTUM"] if apart else []), "ALIASES"]]
    for host in shown:
        shows = host_certificates.column(host.name, reply, bundle)
        takes = [host.post_quantum] if apart else []
        rows.append([host.name, _way(host), _pairs(host), shows, *takes, " ".join(host.aliases)])
    machine.terminal.out(fitted(rows, table_width()))


def _is_meant(host: HostView, options: Options) -> bool:
    """Whether ``--host`` and ``--label`` choose it."""
    names_of = (host.name, *host.aliases)
    named = not options.only or any(part in name for part in options.only for name in names_of)
    return named and set(_labels(options)) <= set(host.labels)


def _way(host: HostView) -> str:
    via = f" via {host.via}" if host.via else ""
    return f"{host.address}:{host.port}{via}"


def add(machine: Machine, options: Options) -> int:
    """Enrols a host with its keys, with a signature."""
    session, api = resolve_request.signed_in(machine)
    permissions.require(api, "hosts", _CHANGING)
    keys = tuple(_key(path) for path in options.host_key)
    aliases, labels = tuple(options.alias), _labels(options)
    machine.terminal.say(f"host {options.name} at {options.address}:{options.port}")
    lines = [f"via {options.via}"] if options.via else []
    lines += [f"a bastion by the account {options.jump_login}"] if options.jump_login else []
    lines += [f"alias {alias}" for alias in aliases] + [f"label {key}={value}" for key, value in labels]
    for line in lines + [f"key {sshkey.parse_line(key).fingerprint}" for key in keys]:
        machine.terminal.say(f"  {line}")
    _confirm(machine, options, "add this host?")
    message = AddHost(
        options.name,
        aliases,
        options.address,
        options.port,
        labels,
        keys,
        session.login.id,
        via=options.via,
        jump_login=options.jump_login,
    )
    body = wire.fill(HostBody, message, consent=Signer(machine, session, api).act(message))
    added = api.add_host(body)
    machine.terminal.say(f"added: {added.name} ({added.id}) at {added.address}:{added.port}, {_pairs(added)}")
    return ExitCode.OK


def label(machine: Machine, options: Options) -> int:
    """Shows a host and replaces all its labels, with a signature over what was shown."""
    session, api = resolve_request.signed_in(machine)
    permissions.require(api, "hosts", _CHANGING)
    labels = _labels(options)
    if not labels:
        raise Invalid("usage", "no label given", hint="ssh-jit hosts label NAME --label env=prod")
    name, shown = _shown(machine, api, options.name)
    if options.dry_run:
        _say_affected(machine, api.label_host(name, LabelsBody(labels, None, shown, dry_run=True)))
        return ExitCode.OK
    machine.terminal.say(f"its labels from now on: {' '.join(f'{key}={value}' for key, value in labels)}")
    _confirm(machine, options, "replace its labels?")
    signature = Signer(machine, session, api).act(LabelHost(name, labels, session.login.id, None, shown))
    reply = api.label_host(name, LabelsBody(labels, signature, shown))
    machine.terminal.say(f"labelled: {reply.host.name} has {_pairs(reply.host)}")
    _say_affected(machine, reply)
    return ExitCode.OK


def _say_affected(machine: Machine, reply: HostReply) -> None:
    """A line for each open grant that ends, and for each waiting request that has to be made again."""
    affected_so = (
        (reply.closes, "gives no more certificates"),
        (reply.ask_again, "must be requested again"),
        (reply.sooner, "ends sooner"),
    )
    for affected, what in affected_so:
        for each in affected:
            access = f"{each.login}@{','.join(each.hosts)} by rule {each.rule}, until {at(each.until)}"
            machine.terminal.say(f"{each.requester.name}: {access}: {what}: {each.why}")
    if not reply.closes and not reply.ask_again and not reply.sooner:
        machine.terminal.say("no open grant and no waiting request is affected")


def remove(machine: Machine, options: Options) -> int:
    """Shows a host and removes it, with a signature over what was shown."""
    session, api = resolve_request.signed_in(machine)
    permissions.require(api, "hosts", _CHANGING)
    reason = names.free_text(options.reason, "the reason")
    name, shown = _shown(machine, api, options.name)
    _confirm(machine, options, "remove this host?")
    signature = Signer(machine, session, api).act(RemoveHost(name, reason, session.login.id, None, shown))
    api.remove_host(name, RemoveBody(reason, signature, shown))
    for gone in (name, *shown.aliases):  # the person's own word that it is no host any more
        host_names.forget(machine, gone)
        ensure.forget(machine, gone)
    machine.terminal.say(f"removed: {options.name}; its certificates are revoked")
    return ExitCode.OK


def _shown(machine: Machine, api: FullApi, text: str) -> tuple[str, ShownHost]:
    """The host's name, and what was printed of it: that is signed, and the CA compares it with what it holds.

    Raises:
        Invalid: ``unknown_host``.

    """
    name = names.host_alias(names.lowered(text))  # a host that is named by an address was added by release 0.1
    host = next((host for host in api.hosts().hosts if host.name == name), None)
    if host is None:
        raise Invalid("unknown_host", f"there is no host {names.show(name)}", hint="ssh-jit hosts")
    aliases = f", also {' '.join(host.aliases)}" if host.aliases else ""
    machine.terminal.say(f"host {host.name} ({host.id}) at {_way(host)}{aliases}, {_pairs(host)}")
    return name, wire.fill(ShownHost, host)


def _confirm(machine: Machine, options: Options, question: str) -> None:
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm(question):
        raise Refused("not_changed", "nothing was changed")


def _confirmed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _labelled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", metavar="K=V", action="append", default=[], help="a label; may be repeated")


def _labels(options: Options) -> tuple[tuple[str, str], ...]:
    pairs = (text.partition("=") for text in options.label)
    return tuple(sorted({names.label(key, value) for key, _, value in pairs}))


def _pairs(host: HostView) -> str:
    return " ".join(f"{key}={value}" for key, value in host.labels)


def _key(path: Path) -> str:
    """A host's public key as one line, without its comment; also of a type that only the CA may know."""
    try:
        line = " ".join(path.read_text("utf-8", errors="replace").split(None, 2)[:2])
    except OSError:
        raise Invalid("no_key", f"can't read {path}") from None
    sshkey.known_lines((line,))
    return line


BUILD: dict[str, Build] = {"hosts": _hosts}
"""Command -> what adds its options."""

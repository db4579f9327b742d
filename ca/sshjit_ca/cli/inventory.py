"""``ssh-jit-ca host apply``: an inventory of hosts, TOML or JSON, which the CA takes as a whole or not at all.

The file says which hosts there are to be::

    [[host]]
    name = "web1"
    address = "192.0.2.10"
    labels = { env = "staging" }
    aliases = ["web1.example.com"]
    logins = ["deploy"]
    via = "bastion1"

In JSON it is a list of such tables, or ``{"host": [...]}``. ``port`` is 22 and ``aliases`` none where nothing is said.
A bastion has ``jump_login``, the account by which people pass through. ``via = ""`` makes a host one without a bastion.
The hosts come in one message and count together. Certificates are drawn after that, host by host: to sign thousands in
one transaction would hold everybody up.
"""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import names, strict_json, wire
from sshjit.errors import Failed, Invalid
from sshjit_ca.access import inventory
from sshjit_ca.cli import join_line
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.effects import effects
from sshjit_ca.cli.join_line import Joining
from sshjit_ca.config import Config
from sshjit_ca.machine import owner
from sshjit_ca.machine.durable import PRIVATE, PUBLIC, make_durably
from sshjit_ca.operations import admin_client

_FIELDS = ("name", "address", "port", "aliases", "labels", "logins", "host_keys", "via", "jump_login")
_MAY_LACK = ("logins", "via", "jump_login")
"""Of a host that is enrolled they stay as they are where nothing is said."""
_KINDS = {str: "text", int: "a whole number", list: "a list of texts", dict: "a table of texts"}
_SHOWN = 8
"""Names of people or hosts that one line shows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``apply``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the inventory: FILE.toml or FILE.json")
    parser.add_argument("--dry-run", action="store_true", help="only say what it would change, and who gains and loses")
    parser.add_argument("--prune", action="store_true", help="remove the hosts that the file does not name")
    parser.add_argument("--reason", default="", metavar="TEXT", help="the reason, where hosts are removed")
    text = "write the lines by which new hosts join to a new file, which only you can read; they count for an hour"
    parser.add_argument("--lines", type=Path, metavar="FILE", help=text)
    text = "write a certificate for each key of new hosts that the inventory names to a new file, after the host's name"
    parser.add_argument("--certificates", type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--url", metavar="https://…", help="the front end's address, for --lines [front_end in ca.toml]"
    )


def apply(conf: Config, options: argparse.Namespace) -> int:
    """Sends the whole inventory, and says what became of it."""
    specs = read(options.file)
    url = join_line.front_end(conf, options, line=options.lines is not None)
    _check_files(options, url)
    packed = inventory.pack(specs)
    if len(packed) > m.MAX_PARTS:
        size, most = sum(map(len, packed)), m.MAX_PARTS * m.PART
        text = f"the inventory is too large for one message ({size} bytes, packed; {most} at most)"
        raise Invalid("too_large", text, hint="leave host_keys out where hosts join by a token, or apply it in parts")
    message = m.ApplyHosts(
        packed,
        prune=options.prune,
        invite=options.lines is not None,
        dry_run=options.dry_run,
        reason=options.reason,
    )
    reply = admin_client.call(conf.admin_socket, message, m.ApplyHostsReply)
    if options.lines is not None and url is not None:
        hint = "ssh-jit-ca host invite NAME prints the line of one host"
        _write(options.lines, "".join(_line(reply, token, url) for token in reply.tokens), PRIVATE, hint)
    if options.certificates is not None:
        _write(options.certificates, _certificates(conf, specs, reply), PUBLIC, "ssh-jit-ca host sign NAME prints them")
    if options.json:
        print(json.dumps(wire.encode(reply) | {"tokens": []}))
    else:
        print(_text(reply, options))
    return 0


def _check_files(options: argparse.Namespace, url: str | None) -> None:
    """What is to be written can be, before anything is changed.

    Raises:
        Invalid: ``bad_lines``, ``no_front_end``, ``not_written``.

    """
    files = [path for path in (options.lines, options.certificates) if path is not None]
    if files and options.dry_run:
        raise Invalid("bad_lines", "--dry-run makes no tokens and signs nothing, so there is nothing to write")
    if options.lines is not None and url is None:
        text = "the lines need the front end's address: front_end in ca.toml, or --url https://…"
        raise Invalid("no_front_end", text)
    for path in files:
        if os.path.lexists(path) or files.count(path) > 1:
            text = f"{path} exists, so nothing was changed"
            raise Invalid("not_written", text, hint="name a file that does not exist yet")


def _certificates(conf: Config, specs: Sequence[m.HostSpec], reply: m.ApplyHostsReply) -> str:
    """A line for each key of the new hosts: the host's name, and the certificate."""
    added = {change.host for change in reply.changes if change.kind == "added"}
    new = [name for spec in specs if spec.host_keys and (name := names.lowered(spec.name)) in added]
    lines = []
    for name in new:
        signed = admin_client.call(conf.admin_socket, m.CertifyHost(name), m.HostReply)
        lines += [f"{name} {line}\n" for line in signed.certificates]
    return "".join(lines)


def _write(path: Path, text: str, mode: int, hint: str) -> None:
    try:
        with owner.as_operator():
            make_durably(path, text.encode("ascii"), mode)
    except OSError as error:
        problem = f"the inventory was applied, but {path} cannot be written: {error.strerror}"
        raise Failed("not_written", problem, hint=hint) from None


def _line(reply: m.ApplyHostsReply, token: m.HostToken, url: str) -> str:
    if not token.logins:
        return f"# {token.host}: no line, since the inventory names no logins\n"
    joining = Joining(token.token, url, reply.bundle_root, token.logins, name=token.host, jump_login=token.jump_login)
    return f"# {token.host}\n{joining.line}\n"


def read(path: Path) -> tuple[m.HostSpec, ...]:
    """The hosts of an inventory file.

    Raises:
        Invalid: ``no_inventory``, ``bad_inventory``, naming the host and the field that is wrong.

    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise Invalid("no_inventory", f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid("bad_inventory", f"{path} is not UTF-8") from None
    values = _parsed(path, text)
    items = values.get("host") if isinstance(values, dict) and values.keys() == {"host"} else values
    if not isinstance(items, list) or not items:
        hint = '[[host]] name = "web1" …, in JSON a list of such tables; remove the last hosts one by one'
        raise Invalid("bad_inventory", f"{path} holds no list of hosts, or something else beside it", hint=hint)
    return tuple(_spec(path, number, item) for number, item in enumerate(items, 1))


def _parsed(path: Path, text: str) -> Any:
    """JSON where the file looks like it, else TOML."""
    try:
        if text.lstrip()[:1] in ("{", "[") and not text.lstrip().startswith("[["):
            return strict_json.loads(text.encode(), limit=inventory.MAX_BYTES)
        return tomllib.loads(text)
    except (Invalid, ValueError, RecursionError) as error:
        why = error.message if isinstance(error, Invalid) else str(error)
        raise Invalid("bad_inventory", f"{path} is neither TOML nor JSON: {why}") from None


def _spec(path: Path, number: int, item: Any) -> m.HostSpec:
    name = item.get("name") if isinstance(item, dict) else None
    where = f"{path}: host {number}" + (f" ({names.show(name)})" if isinstance(name, str) else "")
    if not isinstance(item, dict):
        raise Invalid("bad_inventory", f"{where} is not a table")
    unknown = sorted(item.keys() - set(_FIELDS))
    if unknown:
        hint = f"a host has {', '.join(_FIELDS)}"
        raise Invalid("bad_inventory", f"{where} has an unknown field {names.show(unknown[0])}", hint=hint)

    def field(key: str, kind: Callable[..., Any], default: Any) -> Any:
        value = item.get(key, default)
        if value is None and key in _MAY_LACK:
            return None
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if key not in item and default is None:
            raise Invalid("bad_inventory", f"{where} has no {key}")
        if key in item and (type(value) is not kind or any(type(each) is not str for each in texts)):
            raise Invalid("bad_inventory", f"{where}: {key} must be {_KINDS[kind]}")  # type: ignore[index]
        return value

    logins = field("logins", list, None)
    return m.HostSpec(
        name=field("name", str, None),
        address=field("address", str, None),
        port=field("port", int, 22),
        aliases=tuple(field("aliases", list, [])),
        labels=tuple(sorted(field("labels", dict, {}).items())),
        logins=None if logins is None else tuple(logins),
        host_keys=tuple(field("host_keys", list, [])),
        via=field("via", str, None),
        jump_login=field("jump_login", str, None),
    )


def _text(reply: m.ApplyHostsReply, options: argparse.Namespace) -> str:
    """What changed, who gains and loses, and what that closes."""
    parts = ["nothing was changed: this is what it would do" if options.dry_run else "", *_changes(reply)]
    for gains, word in ((True, "gain"), (False, "lose")):
        rows = [_right(each) for each in reply.rights if each.gains is gains]
        if rows:
            parts.append(f"people who {word} access:\n{cli_show.table(('PEOPLE', 'MAY ASK FOR', 'RULES'), rows)}")
    if not reply.rights:
        parts.append("nobody gains or loses access")
    if reply.closes or reply.ask_again or reply.sooner:
        parts.append(effects(reply.closes, reply.ask_again, (), reply.sooner, would=options.dry_run))
    if reply.tokens:
        parts.append(f"{cli_show.count(len(reply.tokens), 'line')} to paste within the hour: {options.lines}")
    return "\n".join(part for part in parts if part)


def _changes(reply: m.ApplyHostsReply) -> list[str]:
    counts = {kind: sum(each.kind == kind for each in reply.changes) for kind in ("added", "changed", "removed")}
    lines = [
        f"{', '.join(f'{count} {kind}' for kind, count in counts.items())}, {reply.unchanged} unchanged",
    ]
    marks = {"added": "+", "changed": "~", "removed": "-"}
    for change in reply.changes:
        what = "; ".join(_field(item, changed=change.kind == "changed") for item in change.fields)
        lines.append(f"{marks[change.kind]} {change.host}  {what}")
    return lines


def _field(item: m.FieldChange, *, changed: bool) -> str:
    if changed:
        return f"{item.field}: {item.before or '(none)'} -> {item.after or '(none)'}"
    return f"{item.field}: {item.after or item.before}"


def _right(right: m.HostRight) -> tuple[str, str, str]:
    action = "" if right.action == "shell" else f" {right.action}"
    emergency = " (emergency access)" if right.break_glass else ""
    return _some(right.people), f"{right.login}@{_some(right.hosts)}{action}{emergency}", ", ".join(right.rules)


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"

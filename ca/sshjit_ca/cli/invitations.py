"""``ssh-jit-ca host add``, ``invite`` and ``invitations``: how hosts come in, one by its name or a fleet by a pattern.

What is printed holds a token. So it goes to the terminal of whoever may use the admin socket, and to nothing else.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sshjit import ca_protocol as m
from sshjit import durations, wire
from sshjit.errors import Invalid
from sshjit_ca.cli import host_keys, join_line
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.join_line import Joining
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client

FORGET_AFTER = "30d"
_SUDO = "as root, leave out `sudo` where there is none"
_NOT_FOR_FLEETS = ("name", "address", "port", "alias", "host_key", "jump_login")


def add_options(add: argparse.ArgumentParser, invite: argparse.ArgumentParser) -> None:
    """The options of ``add`` and ``invite``."""
    add.add_argument("name", nargs="?", metavar="NAME")
    add.add_argument("--address", help="the address that clients connect to")
    add.add_argument("--port", type=int, help="[22]")
    add.add_argument("--alias", action="append", default=[], metavar="NAME", help="an alias of the host")
    text = "this host is a bastion: the Unix account by which people pass through to hosts behind it"
    add.add_argument("--jump-login", metavar="ACCOUNT", default="", help=text)
    host_keys.add_option(add)
    invite.add_argument("name", nargs="?", metavar="NAME")
    for parser in (add, invite):
        parser.add_argument(
            "--label", action="append", default=[], metavar="KEY=VALUE", help="a label, as policy uses it"
        )
        text = "a Unix account that people reach on the host, for the line that joins it"
        parser.add_argument("--login", action="append", default=[], metavar="ACCOUNT", help=text)
        if parser is add:
            text = "the bastion through which people reach it (or each host of the fleet)"
            parser.add_argument("--via", metavar="BASTION", default="", help=text)
        text = "the front end's address, for the same line [front_end in ca.toml]"
        parser.add_argument("--url", metavar="https://…", help=text)
        text = "the host shows no host certificates: clients trust the keys that it proves by joining"
        parser.add_argument("--no-host-certificates", action="store_true", help=text)
        fleet = parser.add_argument_group("for several hosts that join by themselves")
        fleet.add_argument("--pattern", metavar="'web-*'", help="the names that they may have, instead of NAME")
        fleet.add_argument("--uses", type=int, metavar="NUMBER", help="how many may join")
        fleet.add_argument("--until", type=_date, metavar="YYYY-MM-DD", help="the last day on which they may (UTC)")
        text = "a network that the addresses must be in which they say when they join; may be repeated"
        fleet.add_argument("--network", action="append", default=[], metavar="CIDR", help=text)
        text = f"remove a host that did not renew or report for so long [{FORGET_AFTER}]"
        fleet.add_argument("--forget-after", metavar="TIME", help=text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-12-31") from None


def add(conf: Config, options: argparse.Namespace) -> int:
    """Enrols a host by its keys or with a token, or invites a fleet."""
    if options.pattern is not None:
        return _invite_fleet(conf, options)
    _refuse_for_one_host(options)
    if options.name is None or options.address is None:
        text = "give the host's name and its --address, or a --pattern for hosts that join by themselves"
        raise Invalid("no_name", text, hint="ssh-jit-ca host add web1 --address 192.0.2.10 --label … --login deploy")
    url = join_line.front_end(conf, options, line=not options.host_key)
    message = m.AddHost(
        options.name,
        tuple(options.alias),
        options.address,
        22 if options.port is None else options.port,
        labels_of(options.label),
        host_keys.read(options.host_key),
        logins=tuple(options.login),
        via=options.via,
        jump_login=options.jump_login,
    )
    reply = admin_client.call(conf.admin_socket, message, m.HostReply)
    host_keys.write(options.host_key, reply)
    return _print_host(options, reply, url)


def invite(conf: Config, options: argparse.Namespace) -> int:
    """A new token for a host that has not joined, or one for a fleet."""
    if options.pattern is not None:
        return _invite_fleet(conf, options)
    _refuse_for_one_host(options)
    if options.name is None or options.label:
        text = "give the name of the host, which has its labels already; or a --pattern with --label"
        raise Invalid("no_name", text, hint="ssh-jit-ca host invite web1")
    url = join_line.front_end(conf, options)
    reply = admin_client.call(conf.admin_socket, m.InviteHost(options.name), m.HostReply)
    return _print_host(options, reply, url)


def invitations(conf: Config, options: argparse.Namespace) -> int:
    """Lists what is out, or ends one of them."""
    message: m.Message = m.ReadInvitations()
    if options.revoke is not None:
        message = m.EndInvitation(options.revoke, options.reason)
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.InvitationsReply), _table)
    return 0


def labels_of(words: list[str]) -> tuple[tuple[str, str], ...]:
    """Labels as they are typed, ``KEY=VALUE``.

    Raises:
        Invalid: ``bad_labels``.

    """
    pairs = []
    for text in words:
        key, separator, value = text.partition("=")
        if not separator:
            raise Invalid("bad_labels", f"a label has the form KEY=VALUE, not {text!r}")
        pairs.append((key, value))
    return tuple(pairs)


def _refuse_for_one_host(options: argparse.Namespace) -> None:
    given = [
        f"--{name.replace('_', '-')}" for name in ("uses", "until", "forget_after", "network") if getattr(options, name)
    ]
    if given:
        raise Invalid("no_pattern", f"{', '.join(given)}: only for several hosts, which have a --pattern")


def _invite_fleet(conf: Config, options: argparse.Namespace) -> int:
    given = [name for name in _NOT_FOR_FLEETS if getattr(options, name, None)]
    if given:
        text = f"not with --pattern: {', '.join(given)}; each host has its own"
        raise Invalid("not_for_fleets", text, hint="its address and port are said on the host, when it joins")
    if options.uses is None or options.until is None:
        raise Invalid("no_limit", "say how many hosts may join, and until when", hint="--uses 50 --until 2026-12-31")
    url = join_line.front_end(conf, options)
    over = datetime.combine(options.until, time(), UTC) + timedelta(days=1)
    message = m.InviteFleet(
        pattern=options.pattern,
        labels=labels_of(options.label),
        logins=tuple(options.login),
        uses=options.uses,
        expires=int(over.timestamp()),
        forget_after=durations.parse(options.forget_after or FORGET_AFTER),
        via=getattr(options, "via", ""),
        networks=tuple(options.network),
    )
    reply = admin_client.call(conf.admin_socket, message, m.FleetReply)
    made = reply.invitation
    lacking = _lacking(made.logins, url)
    line = None
    if url is not None and not lacking:
        line = Joining(
            reply.token,
            url,
            reply.bundle_root,
            made.logins,
            invitation=made.id,
            host_certificates=not options.no_host_certificates,
        ).line
    again = f"Then revoke this one and make another: ssh-jit-ca host invitations --revoke {made.id}"
    how = f"Run this line as root on each host: {made.uses} times, until {cli_show.instant(made.expires)} UTC ({_SUDO})"
    _print(options, reply, _table(m.InvitationsReply((made,))), line, lacking, how=how, again=again)
    return 0


def _lacking(logins: tuple[str, ...], url: str | None) -> list[str]:
    """What there is no line without."""
    return [
        *([] if logins else ["name the accounts that people reach there: --login deploy"]),
        *([] if url else ["say where the front end is: front_end in ca.toml, or --url https://…"]),
    ]


def _print_host(options: argparse.Namespace, reply: m.HostReply, url: str | None) -> int:
    """Prints the host, what is worth a warning and, where it was invited, the line to paste."""
    if reply.invitation is None:
        cli_show.say(options, reply, cli_show.host_added)
        return 0
    line = line_for(reply, url, tuple(options.login), host_certificates=not options.no_host_certificates)
    lacking = _lacking(tuple(options.login) or reply.logins, url)
    again = f"Then: ssh-jit-ca host invite {reply.host.name}"
    how = f"Paste this line into a shell on {reply.host.name}, within the hour and once ({_SUDO})"
    _print(options, reply, cli_show.host_added(reply), line, lacking, how=how, again=again)
    return 0


def line_for(
    reply: m.HostReply, url: str | None, logins: tuple[str, ...] = (), *, host_certificates: bool = True
) -> str | None:
    """The line by which an invited host joins; ``None`` if something is lacking."""
    logins = logins or reply.logins
    if reply.invitation is None or url is None or not logins:
        return None
    token, root, host = reply.invitation.token, reply.bundle_root, reply.host
    joining = Joining(token, url, root, logins, name=host.name, jump_login=host.jump_login)
    return replace(joining, host_certificates=host_certificates).line


def _print(
    options: argparse.Namespace,
    reply: m.HostReply | m.FleetReply,
    about: str,
    line: str | None,
    lacking: list[str],
    *,
    how: str,
    again: str,
) -> None:
    if options.json:
        print(json.dumps({**wire.encode(reply), "line": line, "line_lacks": lacking}))
    elif line is None:
        what = "\n".join(f"  {each}" for each in lacking)
        print(f"{about}\n\nThere is no line to paste yet:\n{what}\n{again}")
    else:
        print(f"{about}\n\n{how}:\n\n{line}")


_OVER = {"": "open", "used": "used", "revoked": "REVOKED"}


def _table(reply: m.InvitationsReply) -> str:
    rows: list[tuple[str, ...]] = []
    for made in reply.invitations:
        labels = ",".join(f"{key}={value}" for key, value in made.labels)
        forget = durations.show(made.forget_after) if made.forget_after else "-"
        used = f"{made.used} of {made.uses}"
        row = (made.id, made.pattern or "-", used, cli_show.instant(made.expires), labels, ",".join(made.logins))
        rows.append((*row, forget, _OVER[made.over]))
    head = ("INVITATION", "HOSTS", "USED", "UNTIL (UTC)", "LABELS", "ACCOUNTS", "FORGET AFTER", "STATE")
    return cli_show.table(head, rows) if rows else "no invitation is open"


def add_listing(parser: argparse.ArgumentParser) -> None:
    """The options of ``invitations``."""
    text = "end one: the id of a fleet's or how it begins, or the name of a single host"
    parser.add_argument("--revoke", metavar="ID", help=text)
    parser.add_argument("--reason", default="", metavar="TEXT", help="the reason, for the log")


def add_parser_of(hosts: Any, command: Any) -> None:
    """Adds the three commands; ``command`` makes one of ``hosts``."""
    text = "enrol a host: sign its host keys, or print the line by which it joins; or invite a fleet"
    add_options(
        command(hosts, "add", text, add),
        command(hosts, "invite", "print a new line for a host that has not joined, or one for a fleet", invite),
    )
    add_listing(command(hosts, "invitations", "list the open invitations, or end one", invitations))

"""``ssh-jit-ca revoke``, ``lock``, ``unlock`` and ``locks``: taking access away, and giving it back."""

from __future__ import annotations

import argparse
from typing import Any

from sshjit import ca_protocol as m
from sshjit import short_ids
from sshjit.api.bodies import LockKind
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client

_TARGETS: tuple[tuple[LockKind, str, str], ...] = (
    ("person", "PERSON", "sub-… or provider/address, with all accounts that share an address"),
    ("login", "ID", "one sign-in"),
    ("host", "NAME", "one host"),
    ("key", "SHA256:…", "one key"),
)


def add_commands(commands: Any) -> None:
    """Adds the four."""
    revoke = _command(commands, "revoke", "revoke access, a certificate or a sign-in", _revoke)
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("--request", metavar="ID", help="the whole access; ID or how it begins")
    which.add_argument("--certificate", metavar="SERIAL", type=int, help="one certificate")
    which.add_argument("--login", metavar="ID", help="one sign-in and its certificates; ID or how it begins")
    _reason(revoke)
    lock = _command(commands, "lock", "revoke all current access, and allow none until it is unlocked", _lock)
    what = lock.add_mutually_exclusive_group(required=True)
    for kind, metavar, text in _TARGETS:
        what.add_argument(f"--{kind}", metavar=metavar, help=text)
    what.add_argument("--everything", action="store_true", help="all people and all hosts")
    _reason(lock)
    unlock = _command(commands, "unlock", "remove a lock; what it revoked stays revoked", _unlock)
    unlock.add_argument("lock", metavar="LOCK", help="its id, or the beginning of it")
    _reason(unlock)
    _command(commands, "locks", "list the locks in force", _locks)


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")


def _revoke(conf: Config, options: argparse.Namespace) -> int:
    message = m.Revoke(None, options.request, options.certificate, options.login, options.reason)
    cli_show.say(options, admin_client.call(conf.admin_socket, message, m.RevokeReply), cli_show.revoked)
    return 0


def _lock(conf: Config, options: argparse.Namespace) -> int:
    named: list[tuple[LockKind, str | None]] = [(kind, getattr(options, kind)) for kind, _, _ in _TARGETS]
    everything: tuple[LockKind, str | None] = ("everything", None)
    kind, target = next((pair for pair in named if pair[1] is not None), everything)
    reply = admin_client.call(conf.admin_socket, m.Lock(None, kind, target, options.reason), m.LockReply)
    cli_show.say(options, reply, cli_show.locked)
    return 0


def _unlock(conf: Config, options: argparse.Namespace) -> int:
    known = admin_client.call(conf.admin_socket, m.ReadLocks(None), m.LocksReply).locks
    named = short_ids.meant(options.lock, [each.id for each in known], "lock-")
    lock = named[0] if len(named) == 1 else options.lock
    reply = admin_client.call(conf.admin_socket, m.Unlock(None, lock, options.reason, None), m.Done)
    cli_show.say(options, reply, lambda _: f"{lock} was removed; people who were signed out must sign in again")
    return 0


def _locks(conf: Config, options: argparse.Namespace) -> int:
    cli_show.say(options, admin_client.call(conf.admin_socket, m.ReadLocks(None), m.LocksReply), cli_show.locks)
    return 0

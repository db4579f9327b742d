"""``ssh-jit-ca keys``: the CA's own keys, and the change from one to the next."""

from __future__ import annotations

import argparse
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit.ca_protocol.keys import KeyKind, KeyView, Purpose
from sshjit.sshkey import MLDSA44_ED25519
from sshjit_ca.cli import passphrases, recovery
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.keys import PURPOSES, references
from sshjit_ca.machine import owner
from sshjit_ca.operations import admin_client

_PURPOSES = {
    "user_ca": "signs user certificates",
    "host_ca": "signs host certificates",
    "bundle": "signs the bundle for hosts and laptops",
    "log": "signs the log's checkpoints",
}
_TABLE = "\n".join(f"  {name:<8} {text}" for name, text in _PURPOSES.items())
ABOUT = f"""\
{_TABLE}

A key has one of four states: pending (hosts and laptops learn of it), active (it signs), retiring (trusted, but
no longer signing), retired. To change a key:

  ssh-jit-ca keys add user_ca --new ed25519
  ssh-jit-ca keys activate user_ca SHA256:…     an hour later, when all of them know it
  ssh-jit-ca keys retire user_ca SHA256:…       the old one, when its certificates have expired

A key of the type mldsa44-ed25519 is post-quantum (OpenSSH 10.6 and newer). It is for user_ca and host_ca, and signs
beside the other key, never instead of it: docs/post-quantum.md. To go back:

  ssh-jit-ca keys deactivate user_ca SHA256:…   it signs no more; then retire it

With --passphrase-file or --passphrase-credential the new file is encrypted. The CA must be able to read the
passphrase now and at every start; it creates the file and opens it again to be sure.

A REFERENCE says where a private key is:
  file:/path                     an OpenSSH private key, mode 0600
  file:/path?passphrase=/path    the same, encrypted; or the name of a systemd credential
  agent:SHA256:…                 a key of the ssh-agent; for another agent, agent:SHA256:…?socket=/path
  pkcs11:token=…;object=…?module-path=/…&pin-source=/…     a key on a token, in the form of RFC 7512;
                                 before the ? also what p11tool prints: serial, manufacturer, model, id
"""


def add_commands(commands: Any) -> None:
    """Adds ``keys`` with its subcommands."""
    text = "the CA's own keys"
    parser = commands.add_parser(
        "keys", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=ABOUT, formatter_class=_AsWritten
    )
    inner = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(inner, "list", "list all keys, and when the next step of each is safe", _list)
    add = _command(inner, "add", "add a key for a purpose; the next bundle names it", _add)
    add.add_argument("purpose", choices=PURPOSES, metavar="PURPOSE")
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("reference", nargs="?", metavar="REFERENCE", help="an existing key: file:, agent: or pkcs11:")
    kinds = typing.get_args(KeyKind)
    which.add_argument(
        "--new", choices=kinds, metavar="TYPE", help=f"generate a key file of this type: {', '.join(kinds)}"
    )
    text = "make the recovery key: the private half into this file, for a safe; for user_ca"
    which.add_argument("--recovery-key", type=Path, metavar="FILE", help=text)
    passphrases.add_options(add, "the new file")
    activate = _named(inner, "activate", "make a pending key the one that signs", _activate)
    activate.add_argument("--now", action="store_true", help="do not wait until hosts and laptops know the key")
    _named(inner, "deactivate", "stop signing by a post-quantum key; the other key signs on", _deactivate)
    retire = _named(inner, "retire", "stop trusting a pending or retiring key", _retire)
    retire.add_argument(
        "--now", action="store_true", help="even though certificates by it are still valid: hosts will refuse them"
    )


def listing(reply: m.KeysReply) -> str:
    """The keys as a table."""
    rows = [(key.purpose, key.state, key.fingerprint, _kind(key), _where(key), _note(key)) for key in reply.keys]
    return cli_show.table(("PURPOSE", "STATE", "FINGERPRINT", "TYPE", "WHERE", ""), rows)


def added(reply: m.KeyReply) -> str:
    """What a new key still needs."""
    key = reply.key
    if references.is_recovery(key.reference):
        return f"{_one(key)}\n\n{recovery.IN_THE_SAFE}"
    return f"{_one(key)}\n\nNext: {_next(key)}"


def activated(reply: m.KeyReply) -> str:
    """What follows from another key's turn."""
    key = reply.key
    sentences = {
        "bundle": "Hosts and laptops accept it by themselves, because the old key signed it.\n"
        f"New hosts and laptops pin {key.fingerprint}.",
        "log": "The old key endorsed it in the log; ssh-jit-ca log verify checks that.",
    }.get(key.purpose, _BESIDE if _kind(key) == MLDSA44_ED25519 else "The previous key is trusted until it is retired.")
    return f"{_one(key)}\n\n{sentences}"


def deactivated(reply: m.KeyReply) -> str:
    """What is left to do with a key that signs no more."""
    key = reply.key
    return (
        f"{_one(key)}\n\nNext, when what it signed has expired: ssh-jit-ca keys retire {key.purpose} {key.fingerprint}"
    )


_BESIDE = """\
It signs beside the other key, for hosts that take what it signs; ssh-jit-ca host list says which do.
To go back: ssh-jit-ca keys deactivate"""


def retired(reply: m.KeyReply) -> str:
    """What is left to do with a key that is over."""
    key = reply.key
    refused = "Hosts refuse it after their next refresh.\n" if key.revoked else ""
    kept = "\nKeep log.pub of the first log key: ssh-jit-ca log verify needs it." if key.purpose == "log" else ""
    return f"{_one(key)}\n\n{refused}Its private key is no longer needed: {key.reference}{kept}"


def _list(conf: Config, options: argparse.Namespace) -> int:
    _say(options, admin_client.call(conf.admin_socket, m.ReadKeys(), m.KeysReply), listing)
    return 0


def _add(conf: Config, options: argparse.Namespace) -> int:
    source = passphrases.source(options)
    reference = options.reference
    if options.recovery_key is not None:
        with owner.as_operator():
            reference = references.of_recovery(recovery.make(options.recovery_key).line)
    message = m.AddKey(_purpose(options), reference, options.new, source)
    _say(options, admin_client.call(conf.admin_socket, message, m.KeyReply), added)
    return 0


def _activate(conf: Config, options: argparse.Namespace) -> int:
    message = m.ActivateKey(_purpose(options), options.fingerprint, options.now)
    _say(options, admin_client.call(conf.admin_socket, message, m.KeyReply), activated)
    return 0


def _deactivate(conf: Config, options: argparse.Namespace) -> int:
    message = m.DeactivateKey(_purpose(options), options.fingerprint)
    _say(options, admin_client.call(conf.admin_socket, message, m.KeyReply), deactivated)
    return 0


def _retire(conf: Config, options: argparse.Namespace) -> int:
    message = m.RetireKey(_purpose(options), options.fingerprint, options.now)
    _say(options, admin_client.call(conf.admin_socket, message, m.KeyReply), retired)
    return 0


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the text at the end."""


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _named(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser = _command(commands, name, text, function)
    parser.add_argument("purpose", choices=PURPOSES, metavar="PURPOSE")
    parser.add_argument("fingerprint", metavar="FINGERPRINT", help="or the beginning of a fingerprint")
    return parser


def _purpose(options: argparse.Namespace) -> Purpose:
    return typing.cast("Purpose", options.purpose)


def _say(options: argparse.Namespace, reply: Any, show: Any) -> None:
    print(cli_show.as_json(reply) if options.json else show(reply))


def _one(key: KeyView) -> str:
    return cli_show.fields(
        [
            ("purpose", key.purpose),
            ("key", f"{key.fingerprint} ({_kind(key)})"),
            ("where", _where(key)),
            ("state", key.state),
        ]
    )


def _kind(key: KeyView) -> str:
    return key.line.partition(" ")[0]


def _where(key: KeyView) -> str:
    return "in a safe" if references.is_recovery(key.reference) else key.reference


def _note(key: KeyView) -> str:
    if references.is_recovery(key.reference):
        return "the recovery key, which hosts trust"
    if key.problem:
        return f"CANNOT SIGN: {key.problem}"
    if key.state == "pending":
        return "no bundle names it yet" if key.ready is None else f"can be activated from {_clock(key.ready)} on"
    if key.state == "retiring":
        if key.ready is None or key.ready <= key.added:  # nothing that it signed is alive
            return "may be retired"
        return f"needed until {_clock(key.ready)}"
    return "hosts refuse it" if key.revoked else ""


def _next(key: KeyView) -> str:
    command = f"ssh-jit-ca keys activate {key.purpose} {key.fingerprint}"
    if key.ready is None:
        return f"{command}\nwhen a bundle has named it for long enough; ssh-jit-ca keys list says when"
    return command


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

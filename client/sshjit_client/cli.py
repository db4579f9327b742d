"""The subcommands: from words to functions. What each does is in the file of ``commands`` that it names."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sshjit.errors import Invalid
from sshjit_client import run, signin, typed
from sshjit_client.commands import account, requests, setup, status
from sshjit_client.helptext import PAGE, VERSION
from sshjit_client.machine import Machine
from sshjit_client.parsing import Parser

Options = argparse.Namespace


def subcommand(words: list[str]) -> int:
    """``ssh-jit login`` and its siblings; ``words`` may be empty."""
    first, rest = (words[0] if words else "--help"), words[1:]
    if first == "--version":
        return run.guarded(lambda machine: machine.terminal.out(VERSION))
    if first in ("-h", "--help", "help") or (first == "request" and rest and rest[0] in ("-h", "--help")):
        return run.guarded(lambda machine: machine.terminal.out(PAGE if first != "request" else REQUEST))
    if first == "request":
        return run.guarded(lambda machine: requests.ask(machine, _typed(rest)))
    if first == "policy":
        from sshjit_client.policy import command  # noqa: PLC0415  # the others start faster without it

        return run.guarded(lambda machine: command.run(machine, rest))
    return run.guarded(lambda machine: _run(machine, first, rest))


REQUEST = """usage: ssh-jit request [--action A] [--reason R] [--for 30m] [user@]host [command…]

Asks for access without connecting. `ssh-jit [user@]host` picks it up later."""


def _typed(words: list[str]) -> typed.Typed:
    try:
        line = typed.read(words)
    except typed.Usage as error:
        raise Invalid("usage", str(error), hint="ssh-jit request --help") from None
    if not line.host:
        raise Invalid("usage", "which host?", hint="ssh-jit request --help")
    return line


def _run(machine: Machine, name: str, words: list[str]) -> int:
    parser = Parser(f"ssh-jit {name}")
    act: Callable[[Machine, Options], int] = _BUILD[name](parser)
    return act(machine, parser.parse_args(words))


_Build = Callable[[Parser], Callable[[Machine, Options], int]]


def _login(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Signs in at the provider, with a new key that the login is bound to."
    parser.add_argument("--provider", metavar="P", help="where to sign in, if there are several")
    parser.add_argument("--key", metavar="FILE", type=Path, help="use this key, for example of a security key")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.add_argument("--fresh", action="store_true", help="prove who you are now, where a rule wants it")
    return lambda machine, o: account.login(machine, signin.How(o.provider, o.key, not o.no_browser, o.fresh))


def _logout(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Ends the login and forgets its key and its certificates."
    return lambda machine, _: account.logout(machine)


def _whoami(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Says who is signed in, with which roles, and until when."
    return lambda machine, _: account.whoami(machine)


def _requests(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Lists your requests, and those that you could approve."
    return lambda machine, _: requests.listing(machine)


def _approve(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Shows a request and approves exactly what it shows."
    parser.add_argument("id", metavar="ID", help="the request, or the beginning of its id")
    parser.add_argument("--comment", metavar="TEXT", default="", help="what the requester is told")
    parser.add_argument("--yes", action="store_true", help="do not ask back")
    return lambda machine, o: requests.approve(machine, o.id, o.comment, yes=o.yes)


def _deny(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Denies a request."
    parser.add_argument("id", metavar="ID", help="the request, or the beginning of its id")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="what the requester is told")
    return lambda machine, o: requests.deny(machine, o.id, o.reason)


def _cancel(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Takes a pending request of yours back."
    parser.add_argument("id", metavar="ID", help="the request, or the beginning of its id")
    return lambda machine, o: requests.cancel(machine, o.id)


def _done(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Ends access before its time is over."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="needed when more than one is open")
    return lambda machine, o: requests.done(machine, o.what)


def _status(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Says how things stand: login, certificates, requests, clock."
    parser.add_argument("host", nargs="?", help="only what is about this host")
    return lambda machine, o: status.status(machine, o.host)


def _setup(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Sets this machine up for an installation."
    parser.add_argument("url", metavar="URL", help="the server's address")
    parser.add_argument("--root", metavar="SHA256:…", help="the fingerprint of its bundle key, from its administrator")
    parser.add_argument("--provider", metavar="P", help="where you sign in, if there are several")
    return lambda machine, o: setup.setup(machine, o.url, root=o.root, provider=o.provider)


def _hosts(parser: Parser) -> Callable[[Machine, Options], int]:
    parser.description = "Lists the hosts."
    return lambda machine, _: status.hosts(machine)


_BUILD: dict[str, _Build] = {
    "login": _login,
    "logout": _logout,
    "whoami": _whoami,
    "requests": _requests,
    "approve": _approve,
    "deny": _deny,
    "cancel": _cancel,
    "done": _done,
    "status": _status,
    "setup": _setup,
    "hosts": _hosts,
}

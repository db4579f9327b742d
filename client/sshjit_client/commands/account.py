"""``ssh-jit login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import time
from pathlib import Path

from sshjit import durations
from sshjit.api.session import LoginView
from sshjit.terminal_text import table
from sshjit_client import sessions, sign_in
from sshjit_client.api.basic import BasicApi
from sshjit_client.exit_codes import ExitCode
from sshjit_client.machine import Machine
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.request_text import person
from sshjit_client.times import at


def _login(parser: Parser) -> Act:
    parser.description = "Signs in at the provider, with a new key that the login is bound to."
    parser.add_argument("--provider", metavar="P", help="where to sign in, if there are several")
    parser.add_argument("--key", metavar="FILE", type=Path, help="use this key, for example of a security key")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.add_argument("--fresh", action="store_true", help="prove who you are now, where a rule wants it")
    return login


def login(machine: Machine, options: Options) -> int:
    """Signs in, also when somebody is signed in already."""
    how = sign_in.How(options.provider, options.key, not options.no_browser, options.fresh)
    session = sign_in.sign_in(machine, how)
    machine.terminal.say(f"signed in as {person(session.login.person)} until {at(session.login.expires)}")
    return ExitCode.OK


def _logout(parser: Parser) -> Act:
    parser.description = "Ends the login and forgets its key and its certificates."
    return logout


def logout(machine: Machine, _: Options) -> int:
    """Signs out here in any case, and at the server if it can be reached."""
    session = machine.session(time.time())
    machine.forget()
    if session is None:
        machine.terminal.say("nobody is signed in")
        return ExitCode.OK
    BasicApi(session.url, session.token).logout()
    machine.terminal.say(f"signed out {session.login.person.name}")
    return ExitCode.OK


def _whoami(parser: Parser) -> Act:
    parser.description = "Says who is signed in, with which roles, and until when."
    return whoami


def whoami(machine: Machine, _: Options) -> int:
    """Shows the login as the server knows it."""
    session = sessions.kept(machine)
    machine.terminal.out(card(BasicApi(session.url, session.token).whoami()))
    return ExitCode.OK


def card(found: LoginView) -> str:
    """A login as a small table."""
    left = durations.show(max(found.expires - int(time.time()), 0) // 60 * 60)
    rows = [
        ["who", person(found.person)],
        ["groups", ", ".join(found.groups) or "none"],
        ["roles", ", ".join(found.roles) or "none"],
        *([["may", ", ".join(found.permissions)]] if found.permissions else []),
        ["signed in", f"{at(found.signed_in)}, until {at(found.expires)} ({left} left)"],
        ["key", found.fingerprint or "none"],
    ]
    return table(rows)


BUILD: dict[str, Build] = {"login": _login, "logout": _logout, "whoami": _whoami}
"""How each command reads its words."""

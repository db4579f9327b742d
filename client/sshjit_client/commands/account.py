"""``ssh-jit login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import time

from sshjit import durations
from sshjit.messages import LoginView
from sshjit_client import sessions, signin
from sshjit_client.api import Api
from sshjit_client.exits import Exit
from sshjit_client.machine import Machine
from sshjit_client.show import at, person
from sshjit_client.terminal import table


def login(machine: Machine, how: signin.How) -> int:
    """Signs in, also when somebody is signed in already."""
    session = signin.sign_in(machine, how)
    machine.terminal.say(f"signed in as {person(session.login.person)} until {at(session.login.expires)}")
    return Exit.OK


def logout(machine: Machine) -> int:
    """Signs out here in any case, and at the server if it can be reached."""
    session = machine.session(time.time())
    machine.forget()
    if session is None:
        machine.terminal.say("nobody is signed in")
        return Exit.OK
    Api(session.url, session.token).logout()
    machine.terminal.say(f"signed out {session.login.person.name}")
    return Exit.OK


def whoami(machine: Machine) -> int:
    """Shows the login as the server knows it."""
    session = sessions.kept(machine)
    machine.terminal.out(card(Api(session.url, session.token).whoami()))
    return Exit.OK


def card(found: LoginView) -> str:
    """A login as a small table."""
    left = durations.show(max(found.expires - int(time.time()), 0) // 60 * 60)
    rows = [
        ["who", person(found.person)],
        ["roles", ", ".join(found.roles) or "none"],
        ["signed in", f"{at(found.signed_in)}, until {at(found.expires)} ({left} left)"],
        ["key", found.fingerprint or "none"],
    ]
    return table(rows)

"""The sign-in kept on this machine: finding it, or signing in again where we may start that."""

from __future__ import annotations

import time

from sshjit.errors import Refused
from sshjit_client.storage.machine import Machine, Session


def kept(machine: Machine) -> Session:
    """The kept sign-in.

    Raises:
        Invalid: ``not_set_up``.
        Refused: ``login_needed``.

    """
    session = machine.session(time.time())
    if session is None:
        machine.settings()  # where nothing is set up, signing in is not what to do
        raise Refused("login_needed", "you are not signed in", hint="ssh-jit login")
    return session


def needed(machine: Machine) -> Session:
    """The kept sign-in, or a new one: for commands that need one."""
    return machine.session(time.time()) or again(machine)


def again(machine: Machine) -> Session:
    """Signs in without being told to: only if a person sees it, or ``$BROWSER`` is set.

    Raises:
        Invalid: ``not_set_up``.
        Refused: ``login_needed``.

    """
    machine.settings()
    if not machine.may_sign_in:
        raise Refused("login_needed", "you are not signed in", hint="ssh-jit login")
    from sshjit_client.identity import sign_in  # noqa: PLC0415  # it loads a web server, for the browser's answer

    return sign_in.sign_in(machine, sign_in.SignInOptions())

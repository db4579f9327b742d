"""The login that is kept on this machine: finding it, or making it anew where that may be done unasked."""

from __future__ import annotations

import time

from sshjit.errors import Refused
from sshjit_client.machine import Machine, Session


def kept(machine: Machine) -> Session:
    """The login that is kept.

    Raises:
        Refused: ``login_needed``.

    """
    session = machine.session(time.time())
    if session is None:
        raise Refused("login_needed", "you are not signed in", hint="ssh-jit login")
    return session


def needed(machine: Machine) -> Session:
    """The login that is kept, or a new one: for commands that cannot go on without one."""
    return machine.session(time.time()) or again(machine)


def again(machine: Machine) -> Session:
    """Signs in unasked: only where somebody sees it, or a browser is named."""
    if not machine.may_sign_in:
        raise Refused("login_needed", "you are not signed in", hint="ssh-jit login")
    from sshjit_client import sign_in  # noqa: PLC0415  # a server for the browser's answer, and what else it takes

    return sign_in.sign_in(machine, sign_in.How())

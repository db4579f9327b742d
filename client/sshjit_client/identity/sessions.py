"""The sign-in kept on this machine: finding it, or signing in again where we may start that."""

from __future__ import annotations

import time
from pathlib import Path

from sshjit.errors import Refused, SshJitError
from sshjit_client.storage import logins, paths, settings
from sshjit_client.storage.machine import Machine, Session

_OVER = ("login_needed", "login_over")
MENDED = (*_OVER, "step_up")
"""Codes of errors that another sign-in may mend."""
_HELPS = "sign in again"
"""Begins the server's hints about what another sign-in may mend (``sshjit/policy/requirements.py``)."""


def kept(machine: Machine) -> Session:
    """The kept sign-in.

    Raises:
        Invalid: ``not_set_up``.
        Refused: ``login_needed``.

    """
    session = machine.session(time.time())
    if session is None:
        machine.settings()  # where nothing is set up, signing in is not what to do
        raise login_needed(machine)
    return session


def needed(machine: Machine) -> Session:
    """The kept sign-in, or a new one: for commands that need one."""
    session = machine.session(time.time()) or again(machine)
    while not logins.hold(session):
        session = machine.session(time.time()) or again(machine)
    return session


def again(machine: Machine, refused: Session | None = None) -> Session:
    """Signs in without being told to: only if a person sees it, or ``$BROWSER`` is set, or as a workload.

    A workload is what the setting calls so, and what signed in as one before.

    Where another ssh-jit of this person signs in, or just has, its sign-in is used, unless it is the ``refused`` one.

    Raises:
        Invalid: ``not_set_up``.
        Refused: ``login_needed``.

    """
    machine.settings()
    is_workload, issuer = _as_workload(machine, refused)
    if not machine.may_sign_in and not is_workload:
        raise login_needed(machine)
    from sshjit_client.identity import sign_in  # noqa: PLC0415  # it loads a web server, for the browser's answer

    session = sign_in.once(machine, sign_in.SignInOptions(issuer, workload=is_workload), refused)
    logins.hold(session)
    return session


def _as_workload(machine: Machine, before: Session | None) -> tuple[bool, str | None]:
    """Whether this signs in as a workload, by the setting or as it did before; and the issuer, if one is named."""
    from sshjit_client.identity import workload  # noqa: PLC0415  # most connections need no sign-in

    is_workload, issuer = workload.wanted(machine.environ)
    if not is_workload and before is not None and before.login.workload:
        return True, before.login.person.provider
    return is_workload, issuer


def renewed(machine: Machine, session: Session, error: SshJitError) -> Session | None:
    """Another sign-in where the server refused this one, so that the command goes on; ``None`` where none would help.

    A rule that needs a newer sign-in, or a second factor, sends the person to the provider to prove who they are now:
    at the same provider and, where it is the person's own, with the same key.
    """
    if error.code in _OVER and (machine.may_sign_in or _as_workload(machine, session)[0]):
        return again(machine, session)
    if not machine.may_sign_in:
        return None
    if error.code != "step_up" or not all(part.startswith(_HELPS) for part in error.hint.split("; ")):
        return None
    from sshjit_client.identity import sign_in  # noqa: PLC0415  # it loads a web server, for the browser's answer

    machine.terminal.say(f"{error.message}; signing in again to go on")
    own = None if Path(session.key).parent == Path(session.folder) else Path(session.key)
    options = sign_in.SignInOptions(provider=session.login.person.provider, key=own, fresh=True)
    made = sign_in.once(machine, options, session)
    logins.hold(made)
    return made


def login_needed(machine: Machine) -> Refused:
    """That nobody is signed in, why if that is known, and the line to type."""
    several = len(settings.listed(machine.environ)) > 1
    command = f"ssh-jit login --installation {machine.settings().name}" if several else "ssh-jit login"
    if machine.environ.get("CI"):
        command += " --workload"
    lost = paths.lost_runtime(machine.environ)
    why = f": {lost}, in which sign-ins are kept, is gone or open to others" if lost else ""
    return Refused("login_needed", f"you are not signed in{why}", hint=command)

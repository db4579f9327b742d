"""A connection for which no certificate is alive: sign in if need be, ask, wait if need be, keep what came, become ssh.

All of it comes before ssh starts, so that nothing of ours can mix with its banner or its streams.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NoReturn

from sshjit import durations, names
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.views import CertificateView, RequestState, RequestView
from sshjit.errors import SshJitError
from sshjit_client import exits, files, grant, sessions, show, sshconfig, trust, waiting
from sshjit_client.api import Api
from sshjit_client.machine import Machine
from sshjit_client.openssh import Asked
from sshjit_client.records import Session
from sshjit_client.typed import Typed


def connect(machine: Machine, typed: Typed, asked: Asked) -> NoReturn:
    """Ends in ``exec``, or in an error.

    Raises:
        SshJitError: whatever stands in the way.

    """
    path = access(machine, typed, asked)
    os.execvp("ssh", ["ssh", "-F", str(path), *typed.ssh])  # noqa: S606  # no shell is wanted


def access(machine: Machine, typed: Typed, asked: Asked | None = None) -> Path:
    """Gets a certificate for the command line and returns the configuration to run ssh with.

    ``asked``: ssh was asked already what it would do without us.
    """
    settings = machine.settings()
    host = names.host_name(typed.host.lower())
    state = files.private_folder(machine.state)
    own = sshconfig.heard(asked or sshconfig.ask(typed, state))
    login = account(typed, own)
    wanted = wish(typed, host, login, certificate=True)
    session, api, reply = ask(machine, wanted)
    view = reply.certificate or _wait(machine, api, reply)
    typed.glass = reply.request.break_glass
    if typed.glass:
        machine.terminal.mark = f"{show.GLASS}: "
        machine.terminal.say(_glass(reply.request))
    believed = trust.current(settings, machine.config, machine.terminal)
    found = grant.check(view, session.public, host, login, believed)
    revoked = machine.config / trust.REVOKED
    if own.revoked:
        machine.terminal.say(f"ssh reads your RevokedHostKeys {own.revoked}, and so not the installation's {revoked}")
    kept = sshconfig.Files(Path(session.key), revoked, state)
    return grant.keep(found, typed, believed, own=own, kept=kept, skew=_skew(api.skew))


def account(typed: Typed, own: sshconfig.Own) -> str | None:
    """The account that was typed, or that the person's configuration names; ``None``: the server chooses."""
    login = typed.login or own.login
    return names.login_name(login) if login else None


def wish(typed: Typed, host: str, login: str | None, *, certificate: bool) -> AskBody:
    """The ask that a command line stands for."""
    return AskBody(
        hosts=(host,),
        login=login,
        action=typed.action,
        command=typed.exact or None,
        duration=durations.parse(typed.duration) if typed.duration else None,
        reason=names.free_text(typed.reason, "the reason"),
        certificate=certificate,
        break_glass=typed.glass,
    )


def ask(machine: Machine, wanted: AskBody) -> tuple[Session, Api, AskReply]:
    """Asks, signed in. A login that the server no longer knows is made anew, once."""
    fresh = machine.session(time.time()) is None
    session = sessions.needed(machine)
    api = Api(session.url, session.token)
    try:
        reply = api.ask(wanted)
    except SshJitError as error:
        if fresh or exits.of(error) is not exits.Exit.LOGIN:
            raise
        session = sessions.again(machine)
        api = Api(session.url, session.token)
        reply = api.ask(wanted)
    for note in reply.notes:
        machine.terminal.say(note)
    return session, api, reply


def _glass(request: RequestView) -> str:
    """What is said before every new certificate by break-glass."""
    ends = f" is open until {show.at(request.ends)}" if request.ends is not None else ""
    by = f"; somebody else must review it by {show.at(request.review_by)}" if request.review_by is not None else ""
    return f"{request.login}@{show.hosts(request.hosts)}{ends}{by} ({request.id})"


def _wait(machine: Machine, api: Api, reply: AskReply) -> CertificateView:
    request = reply.request
    if request.state is RequestState.PENDING:
        request = waiting.until_decided(api, request, machine.terminal)
    elif request.state is not RequestState.APPROVED:
        raise waiting.over(request)
    return api.certificate(request.id)


def _skew(seconds: int) -> int:
    """A ``Date`` header has whole seconds: a difference of two or less is none."""
    return seconds if abs(seconds) > 2 else 0

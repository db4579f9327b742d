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
from sshjit_client import certificate, exit_codes, files, request_text, sessions, sshconfig, trusted_bundle, waiting
from sshjit_client.api.basic import BasicApi
from sshjit_client.connection_args import ConnectionArgs
from sshjit_client.machine import Machine, Session
from sshjit_client.openssh import RunningQuery
from sshjit_client.times import at


def connect(machine: Machine, args: ConnectionArgs, query: RunningQuery) -> NoReturn:
    """Ends in ``exec``, or in an error.

    Raises:
        SshJitError: whatever stands in the way.

    """
    path = access(machine, args, query)
    os.execvp("ssh", ["ssh", "-F", str(path), *args.ssh])  # noqa: S606  # no shell is wanted


def access(machine: Machine, args: ConnectionArgs, query: RunningQuery | None = None) -> Path:
    """Gets a certificate for the command line and returns the configuration to run ssh with.

    ``query``: ssh was asked already what it would do without us.
    """
    settings = machine.settings()
    host = names.host_name(args.host.lower())
    state = files.private_folder(machine.state)
    own = sshconfig.answer(query or sshconfig.ask(args, state))
    login = account(args, own)
    body = access_request(args, host, login, draw=True)
    session, api, reply = request_access(machine, body)
    view = reply.certificate or _wait(machine, api, reply)
    args.glass = reply.request.break_glass
    if args.glass:
        machine.terminal.mark = f"{request_text.GLASS}: "
        machine.terminal.say(_glass(reply.request))
    believed = trusted_bundle.current(settings, machine.config, machine.terminal)
    checked = certificate.check(view, session.public, host, login, believed)
    revoked = machine.config / trusted_bundle.REVOKED
    if own.revoked:
        machine.terminal.say(f"ssh reads your RevokedHostKeys {own.revoked}, and so not the installation's {revoked}")
    kept = sshconfig.Files(Path(session.key), revoked, state)
    return certificate.keep(checked, args, believed, own=own, kept=kept, skew=_skew(api.skew))


def account(args: ConnectionArgs, own: sshconfig.Own) -> str | None:
    """The account that was args, or that the person's configuration names; ``None``: the server chooses."""
    login = args.login or own.login
    return names.login_name(login) if login else None


def access_request(args: ConnectionArgs, host: str, login: str | None, *, draw: bool) -> AskBody:
    """The ask that a command line stands for."""
    return AskBody(
        hosts=(host,),
        login=login,
        action=args.action,
        command=args.exact or None,
        duration=durations.parse(args.duration) if args.duration else None,
        reason=names.free_text(args.reason, "the reason"),
        certificate=draw,
        break_glass=args.glass,
    )


def request_access(machine: Machine, body: AskBody) -> tuple[Session, BasicApi, AskReply]:
    """Asks, signed in. A login that the server no longer knows is made anew, once."""
    fresh = machine.session(time.time()) is None
    session = sessions.needed(machine)
    api = BasicApi(session.url, session.token)
    try:
        reply = api.ask(body)
    except SshJitError as error:
        if fresh or exit_codes.of(error) is not exit_codes.ExitCode.LOGIN:
            raise
        session = sessions.again(machine)
        api = BasicApi(session.url, session.token)
        reply = api.ask(body)
    for note in reply.notes:
        machine.terminal.say(note)
    return session, api, reply


def _glass(request: RequestView) -> str:
    """What is said before every new certificate by break-glass."""
    ends = f" is open until {at(request.ends)}" if request.ends is not None else ""
    by = f"; somebody else must review it by {at(request.review_by)}" if request.review_by is not None else ""
    return f"{request.login}@{request_text.hosts(request.hosts)}{ends}{by} ({request.id})"


def _wait(machine: Machine, api: BasicApi, reply: AskReply) -> CertificateView:
    request = reply.request
    if request.state is RequestState.PENDING:
        request = waiting.until_decided(api, request, machine.terminal)
    elif request.state is not RequestState.APPROVED:
        raise waiting.over(request)
    return api.certificate(request.id)


def _skew(seconds: int) -> int:
    """A ``Date`` header has whole seconds: a difference of two or less is none."""
    return seconds if abs(seconds) > 2 else 0

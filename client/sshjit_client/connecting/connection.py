"""A connection without a live certificate: sign in if needed, request access, wait if needed, then become ssh.

All of this happens before ssh starts, so that nothing of ours can mix with its banner or its streams.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from sshjit import durations, names
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.views import CertificateView, RequestState, RequestView
from sshjit.errors import SshJitError
from sshjit_client.api.basic import Away, BasicApi
from sshjit_client.connecting import forwarding, kept, unknown_host
from sshjit_client.console import times
from sshjit_client.console.times import at
from sshjit_client.identity import sessions
from sshjit_client.requests import request_text
from sshjit_client.ssh import certificate_index, openssh, sshconfig
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.ssh.jumps import Way
from sshjit_client.ssh.openssh import RunningQuery
from sshjit_client.storage import host_names
from sshjit_client.storage.machine import Machine, Session
from sshjit_client.storage.settings import IN_AGENT

_REASONS = 3
"""How many reasons are tried that somebody types because the first one will not do."""


def connect(machine: Machine, args: ConnectionArgs, query: RunningQuery | None) -> NoReturn:
    """Becomes ssh, or raises.

    Raises:
        SshJitError: whatever prevents the connection.

    """
    through = typed_way(machine, args)
    path = kept.live_config(machine, args)
    try:
        drawn = "" if path else _access_or_plain_ssh(machine, args, query, through)
    except Away as error:  # what was typed can't be recorded; what is open works all the same
        path = kept.live_config(machine, args, as_typed=False)
        if not path:
            raise
        drawn = ""
        typed = args.reason or args.duration or args.start
        lost = (
            "what you typed anew was NOT recorded"
            if typed
            else "what you changed in your ssh configuration may not count"
        )
        machine.terminal.warn(f"{error.message}; {lost}; using the access that is open")
    more = []
    if path:
        kept.settle_agents(machine, path)
        more = by_live_certificate(machine, args, Path(path))
    become_ssh(args, drawn or path, [*way_options(machine, args, through), *more])


def typed_way(machine: Machine, args: ConnectionArgs) -> Way:
    """The way by what ``-J`` names. Raises ``SshJitError``: whatever prevents access to one of the hosts."""
    if not args.jump:
        return Way()
    from sshjit_client.connecting import way  # noqa: PLC0415  # most connections do not need it

    return way.typed(machine, args, access)


def way_options(machine: Machine, args: ConnectionArgs, way: Way) -> list[str]:
    """Options of ssh for the way; what has ended on it, while somebody decided, is renewed. Raises ``SshJitError``."""
    if not args.jump:
        return []
    from sshjit_client.connecting.way import options  # noqa: PLC0415  # most connections do not need it

    return options(args, way if way.lives else typed_way(machine, args))


def by_live_certificate(machine: Machine, args: ConnectionArgs, config: Path) -> list[str]:
    """Options of ssh for what was typed beside a certificate that lives: forwarding, and a shared connection.

    Raises:
        Refused: ``no_forwarding``.

    """
    from sshjit_client.ssh import sharing  # noqa: PLC0415  # most connections do not need it

    lines = config.read_text("utf-8", "surrogateescape").split("\n")
    head = list(takewhile(lambda line: line.startswith(certificate_index.COMMENT), lines))
    allows, rule = certificate_index.allowed(head)
    forwarding.tell(machine.terminal, args.forwards, allows, rule, args.host)
    until = certificate_index.until(head[0].encode("ascii", "replace"))
    return sharing.typed(args, config, max(until - int(time.time()), 1))


def _access_or_plain_ssh(machine: Machine, args: ConnectionArgs, query: RunningQuery | None, through: Way) -> Path:
    """What ``access`` returns; or becomes plain ssh, where the name is no host and the person wants that."""
    try:
        return access(machine, args, query)
    except SshJitError as error:
        if error.code not in unknown_host.CODES:
            raise
        unknown_host.leave_or_raise(machine, args, error, way_options(machine, args, through))


def become_ssh(args: ConnectionArgs, path: str | Path, through: list[str]) -> NoReturn:
    """Becomes ssh with this configuration. Raises ``Failed``: ``no_ssh``."""
    openssh.become([*certificate_index.STRICT, "-F", str(path), *through, *args.ssh], silent=args.silent)


def access(machine: Machine, args: ConnectionArgs, query: RunningQuery | None = None) -> Path:
    """Gets a certificate for the command line and returns the configuration to run ssh with.

    ``query``: ssh is being asked already what the person's own configuration says.
    """
    settings = machine.settings()
    own = sshconfig.answer(query or sshconfig.ask(args))
    login = account(own)
    host, (session, api, reply) = _request_host(machine, args, own, login)
    from sshjit_client import trusted_bundle  # noqa: PLC0415  # loaded by _load_rest by now
    from sshjit_client.connecting import certificate  # noqa: PLC0415
    from sshjit_client.ssh import hardening, known_hosts  # noqa: PLC0415

    hardening.require_key(args, own.values, session.public)
    try:
        view = reply.certificate or _wait(machine, api, reply, wait="--no-wait" not in args.flags)
    except SshJitError as error:  # the sign-in grew old while somebody decided
        newer = sessions.renewed(machine, session, error)
        if newer is None:
            raise
        session, api = newer, BasicApi(newer.url, newer.token)
        hardening.require_key(args, own.values, session.public)
        view = api.certificate(reply.request.id)
    args.break_glass = reply.request.break_glass
    way = _configured_way(machine, args, own, reply.request.login)
    if view.valid_before - api.certain_skew <= time.time() + certificate_index.SPARE:  # somebody decided about the way
        view = api.certificate(reply.request.id)
    if args.break_glass:
        machine.terminal.mark = f"{request_text.BREAK_GLASS_MARK}: "
        machine.terminal.say(_break_glass(reply.request))
    trusted = trusted_bundle.current(machine, settings)
    checked = certificate.check(view, session.public, host, login, trusted.bundle)
    if (known_hosts.plain(trusted.bundle, host) is None) != checked.route.host_certificates:
        # That is the server's word. It says no more than that the bundle here may be too old to know the host.
        trusted = trusted_bundle.current(machine, settings, fresh=0)
    hardening.require_host(args, own.values, trusted.bundle, host, checked.route)
    forwarding.tell(machine.terminal, forwarding.asked(args, own.values), checked.allows, reply.request.rule, host)
    _tell_what_differs(machine, own, trusted.revoked)
    host_names.add(machine, host)
    host_names.add_address(machine, checked.route.address, checked.route.port)
    skew, rule, reason = api.certain_skew, reply.request.rule, reply.request.reason

    def write(folder: Path) -> Path:
        agent = ""
        if settings.certificates == IN_AGENT:
            from sshjit_client.connecting import agent_mode  # noqa: PLC0415  # most people have them in files

            agent = agent_mode.put(
                machine, session, checked, bundle=trusted.bundle, values=own.values, folder=folder, skew=skew
            )
        needed = sshconfig.Files(Path(session.key), trusted.revoked, folder, agent)
        until = min(checked.valid_before - skew, way.end or checked.valid_before - skew)
        return certificate.keep(
            checked, args, trusted.bundle, own=own, kept=needed, until=until, rule=rule, reason=reason, way=way
        )

    return machine.in_login(session, write)


def _configured_way(machine: Machine, args: ConnectionArgs, own: sshconfig.Own, login: str) -> Way:
    """The way by the person's own ``ProxyJump``. Raises ``SshJitError``."""
    if own.values.get("proxyjump", "none") == "none":
        return Way()
    from sshjit_client.connecting import way  # noqa: PLC0415  # most connections do not need it

    return way.configured(machine, args, own, names.login_name(login), access)


def _tell_what_differs(machine: Machine, own: sshconfig.Own, revoked: Path) -> None:
    """Says where ssh goes by the person's configuration, or by ours, and not by the other one."""
    if own.revoked:
        machine.terminal.say(f"ssh uses your RevokedHostKeys {own.revoked} instead of the installation's {revoked}")
    if own.lax:
        machine.terminal.say(f"this connection ignores your {own.lax}: ssh-jit accepts no host key that it can't check")


def _request_host(
    machine: Machine, args: ConnectionArgs, own: sshconfig.Own, login: str | None
) -> tuple[str, tuple[Session, BasicApi, AskReply]]:
    """Requests access to what was typed or, where that is no host, to the one that ssh would connect to for it.

    Returns the name by which the host is enrolled, and the answer.
    """
    try:
        host = names.host_alias(names.lowered(args.host))
        return host, _request(machine, args, access_request(args, host, login))
    except SshJitError as error:
        if error.code not in unknown_host.CODES:
            raise
        from sshjit_client.connecting import host_lookup  # noqa: PLC0415  # most people type the name

        meant = host_lookup.meant(machine, args, own.values)
        if not meant:
            raise
    machine.terminal.say(f"{args.host} is {meant}")
    return meant, _request(machine, args, access_request(args, meant, login))


def _request(machine: Machine, args: ConnectionArgs, body: AskBody) -> tuple[Session, BasicApi, AskReply]:
    """Requests access; what differs from an earlier request for the same is told first."""
    # By an earlier reason nothing is drawn before the person has agreed to it.
    asks = bool(body.reason) and machine.terminal.asks and "--yes" not in args.flags
    session, api, reply = request_access(machine, replace(body, certificate=not asks))
    if reply.existing:
        from sshjit_client.requests import earlier_request  # noqa: PLC0415  # most connections do not need it

        earlier_request.report(machine, api, reply.request, body, connecting=True, confirm=asks)
    return session, api, reply


def account(own: sshconfig.Own) -> str | None:
    """The account that ssh takes from its words and its configuration; ``None``: the server chooses."""
    return names.login_name(own.login) if own.login else None


def access_request(args: ConnectionArgs, host: str, login: str | None) -> AskBody:
    """The request that a command line stands for, with a certificate if it is granted at once."""
    return AskBody(
        hosts=(host,),
        login=login,
        action=args.action,
        command=args.exact_command or None,
        duration=durations.parse(args.duration) if args.duration else None,
        reason=names.free_text(args.reason, "the reason"),
        certificate=True,
        start=times.ahead(args.start, int(time.time())) if args.start else None,
        break_glass=args.break_glass,
    )


def request_access(machine: Machine, body: AskBody) -> tuple[Session, BasicApi, AskReply]:
    """Sends the request, signed in. Where the server refuses the sign-in, makes another, once, and goes on."""
    signs_in = machine.session(time.time()) is None
    session = sessions.needed(machine)
    api = BasicApi(session.url, session.token)
    typed = [body]
    try:
        reply = _ask_with_reason(machine, session, api, typed)
    except SshJitError as error:
        newer = None if signs_in and error.code != "step_up" else sessions.renewed(machine, session, error)
        if newer is None:
            raise
        session, api = newer, BasicApi(newer.url, newer.token)
        reply = _ask_with_reason(machine, session, api, typed)
    for note in reply.notes:
        machine.terminal.say(note)
    return session, api, reply


def _ask_with_reason(machine: Machine, session: Session, api: BasicApi, typed: list[AskBody]) -> AskReply:
    """The request; where the rule wants another reason, the person at the terminal is asked for one.

    What the request says then is left in ``typed``, so that nobody types a reason twice.
    """
    for _ in range(_REASONS):
        try:
            return _ask(machine, session, api, typed[0])
        except SshJitError as error:
            from sshjit_client.requests import reason_prompt  # noqa: PLC0415  # most connections do not need it

            typed[0] = replace(typed[0], reason=reason_prompt.ask(machine.terminal, error))
    return _ask(machine, session, api, typed[0])


def _load_rest() -> None:
    """Loads what is needed once there is an answer, while the server works on it."""
    from sshjit_client import trusted_bundle  # noqa: F401, PLC0415
    from sshjit_client.connecting import certificate  # noqa: F401, PLC0415


def _ask(machine: Machine, session: Session, api: BasicApi, body: AskBody) -> AskReply:
    """One request; what is granted at once is not signed, so that nothing for it is loaded."""
    reply = api.ask(body, _load_rest)
    if reply.challenge is None:
        request = reply.request
        if request.not_signed and request.state is RequestState.PENDING and api.version > 1:
            machine.terminal.say(
                f'{request.id} is marked "not signed": the server did not ask your key for a signature'
            )
            machine.terminal.hint(f"to sign it: ssh-jit cancel {request_text.short(request.id)}, then ask again")
        return reply
    from sshjit_client.identity import signed_request  # noqa: PLC0415  # most connections do not need it

    return signed_request.answer(machine, session, body, reply, api.ask)


def _break_glass(request: RequestView) -> str:
    """The line before every new certificate by break-glass."""
    ends = f" is open until {at(request.ends)}" if request.ends is not None else ""
    review = f"; somebody else must review it by {at(request.review_by)}" if request.review_by is not None else ""
    return f"{request.login}@{request_text.hosts(request.hosts)}{ends}{review} ({request.id})"


def _wait(machine: Machine, api: BasicApi, reply: AskReply, *, wait: bool) -> CertificateView:
    from sshjit_client.requests import waiting  # noqa: PLC0415  # most connections do not wait

    request = reply.request
    if request.state is RequestState.PENDING:
        if not wait:
            raise waiting.not_waiting(api, request)
        request = waiting.until_decided(api, request, machine)
    elif request.state is not RequestState.APPROVED:
        raise waiting.over(api, request)
    return api.certificate(request.id)

"""``ssh-jit status``: sign-in, certificates, requests and clock; and what a host checks before it lets one in."""

from __future__ import annotations

import time
from dataclasses import asdict

from sshjit import durations, names, wire
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import FAMILIES, SshJitError
from sshjit.terminal_text import fitted, inert, wrap
from sshjit_client import host_certificates, trusted_bundle
from sshjit_client.api.basic import SAME_CLOCK
from sshjit_client.api.full import FullApi
from sshjit_client.commands import kept_certificates, resolve_request
from sshjit_client.commands.kept_certificates import Kept
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at
from sshjit_client.diagnosis import quantum
from sshjit_client.identity import sessions
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.requests import request_text
from sshjit_client.requests.request_text import BREAK_GLASS_MARK, person
from sshjit_client.ssh import openssh, reachability
from sshjit_client.storage.machine import Machine, Session

_LIVE = (RequestState.PENDING, RequestState.APPROVED)


def _status(parser: Parser) -> Act:
    parser.description = "Shows your sign-in, certificates and requests, and this machine's clock."
    parser.add_argument("host", nargs="?", help="only what concerns this host; also what to check if it refuses you")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return status


def status(machine: Machine, options: Options) -> int:
    """Prints what is known here and, if it can be reached, what the server knows."""
    host: str | None = options.host
    settings = machine.settings()
    session = sessions.kept(machine)
    api = FullApi(session.url, session.token)
    problem: SshJitError | None = None
    requests: tuple[RequestView, ...] = ()
    try:
        requests = _own_requests(api)
    except SshJitError as error:
        problem = error
    name = names.host_alias(names.lowered(host)) if host else None
    _drop_dead(machine, requests)
    if options.json:
        _print_json(machine, session, api, requests, name)
        if problem:
            raise _alone(problem)
        return ExitCode.OK
    rows = [
        ["server", f"{settings.url} ({settings.installation})"],
        ["sign-in", f"{person(session.login.person)}, until {at(session.login.expires)}"],
        ["key", session.login.fingerprint or "none"],
        ["bundle", _bundle(machine)],
        ["post-quantum", _sides(machine, session, name, requests).text()],
        ["clock", _clock(api.skew) if not problem else "unknown"],
    ]
    machine.terminal.out(fitted(rows, table_width()))
    certificates = _kept(machine, name, requests)
    live = [r for r in requests if r.state in _LIVE]
    shown = tuple(r for r in (requests[:20] if name else live) if name is None or name in r.hosts)
    if certificates:
        machine.terminal.out(f"\ncertificates\n\n{_certificates(certificates)}")
    if shown:
        now = int(time.time()) + api.skew
        listed = request_text.requests(shown, now, theirs=False, columns=table_width(), page=api.page_of)
        machine.terminal.out(f"\nrequests\n\n{listed}")
    if problem:
        raise _alone(problem)  # what works is shown already
    if name is not None:
        _explain(machine, name, certificates, shown)
        bundle = trusted_bundle.current(machine, settings).bundle
        if known_by := host_certificates.sentence(name, api.hosts(), bundle, int(time.time()) + api.skew):
            _print(machine, known_by)
    return ExitCode.OK


def _own_requests(api: FullApi) -> tuple[RequestView, ...]:
    """The newest, and of older ones those that are open or wait: an access for a week may have a hundred after it."""
    reply = api.requests("mine")
    if reply.next is None:
        return reply.requests
    shown = {request.id for request in reply.requests}
    older = (request for request in resolve_request.mine(api, *_LIVE) if request.id not in shown)
    return (*reply.requests, *older)


def _alone(problem: SshJitError) -> SshJitError:
    """The error without what still works, which ``status`` itself says."""
    return FAMILIES[problem.family](problem.code, problem.message, hint=problem.hint).at(problem.page)


def _print_json(
    machine: Machine, session: Session, api: FullApi, requests: tuple[RequestView, ...], host: str | None
) -> None:
    """What is known here and at the server, for programs; ``host``: only what concerns it."""
    settings = machine.settings()
    certificates = [
        {
            "principals": list(kept.certificate.principals),
            "until": kept.until,
            "serial": kept.certificate.serial,
            "request": kept.certificate.key_id.partition(" ")[0],
            "path": str(kept.path),
        }
        for kept in _kept(machine, host, requests)
    ]
    live = [
        wire.encode(request) | {"page": api.page_of(request.id)}
        for request in requests
        if request.state in (RequestState.PENDING, RequestState.APPROVED) and (host is None or host in request.hosts)
    ]
    value = {
        "server": settings.url,
        "installation": settings.installation,
        "login": wire.encode(session.login),
        "clock_ahead": -api.skew,
        "post_quantum": asdict(_sides(machine, session, host, requests)),
        "certificates": certificates,
        "requests": live,
    }
    json_output.print_json(machine.terminal, value)


def _drop_dead(machine: Machine, requests: tuple[RequestView, ...]) -> None:
    """Removes certificates of requests that ended early: hosts refuse them, and the next connection asks again."""
    over = {
        r.id: f"{r.state.value}{f' ({r.closing})' if r.closing not in ('', r.state.value) else ''}"
        for r in requests
        if r.state not in _LIVE
    }
    for gone in kept_certificates.remove(machine, over):
        principals, request = " ".join(gone.principals), gone.key_id.partition(" ")[0]
        machine.terminal.say(f"removed the certificate for {principals}: its request is {over.get(request, 'over')}")


def _explain(machine: Machine, host: str, certificates: list[Kept], shown: tuple[RequestView, ...]) -> None:
    """What to check when the host says ``Permission denied (publickey)``, or hangs up."""
    live = [kept for kept in certificates if kept.until > time.time()]
    if live:
        principals = " ".join(dict.fromkeys(p for kept in live for p in kept.certificate.principals))
        machine.terminal.out("")
        _print(machine, f"{host} lets you in if its principals file for the account lists {principals}")
        ours = next((kept.path for kept in live if not kept.plain), None)
        if ours and (reached := reachability.explain(host, ours)):
            _print(machine, reached)
        _print(machine, f"ssh-jit doctor {host} tries it")
    elif any(request.state is RequestState.APPROVED and not request.blocked for request in shown):
        machine.terminal.out(f"\naccess to {host} is open; the next connection gets a certificate")
    elif any(request.state is RequestState.PENDING and not request.blocked for request in shown):
        machine.terminal.out(f"\nthe request for {host} is not decided yet")
    else:
        why = next((f" ({request.blocked})" for request in shown if request.blocked), "")
        machine.terminal.out(f"\nno access to {host} is open{why}; the next connection requests it")


def _print(machine: Machine, sentence: str) -> None:
    """A sentence, on a terminal in lines that fit."""
    columns = table_width()
    for line in wrap(inert(sentence), columns) if columns else [inert(sentence)]:
        machine.terminal.out(line)


def _kept(machine: Machine, host: str | None, requests: tuple[RequestView, ...]) -> list[Kept]:
    """The certificates on this machine, plain ssh's last; ``host``: only what concerns it."""
    both = kept_certificates.read(machine.login_folders()) + kept_certificates.read_plain(machine)
    return [kept for kept in both if host is None or _is_for(kept, host, requests)]


def _is_for(kept: Kept, host: str, requests: tuple[RequestView, ...]) -> bool:
    ids = {host, *(i for request in requests if host in request.hosts for i in request.host_ids)}
    return any(p.partition("@")[2] in ids for p in kept.certificate.principals)


def _certificates(certificates: list[Kept]) -> str:
    rows = [["PRINCIPAL", "UNTIL", "LEFT", "SERIAL", "COMMAND"]]
    for kept in certificates:
        left = kept.until - int(time.time())
        command = dict(kept.certificate.critical).get("force-command") or "any"
        before, after = f"{BREAK_GLASS_MARK} " if kept.break_glass else "", " (plain ssh)" if kept.plain else ""
        rows.append(
            [
                f"{before}{' '.join(kept.certificate.principals)}{after}",
                at(kept.until),
                durations.show(left) if left > 0 else "expired",
                str(kept.certificate.serial),
                command,
            ]
        )
    return fitted(rows, table_width())


def _bundle(machine: Machine) -> str:
    held = trusted_bundle.kept(machine, machine.settings())
    return f"number {held.bundle.sequence}, last checked {at(int(held.checked))}" if held else "none"


def _sides(machine: Machine, session: Session, host: str | None, requests: tuple[RequestView, ...]) -> quantum.Sides:
    """Which sides of a connection are classical: as far as it is known without one."""
    words = {quantum.ca_signature(kept.certificate) for kept in _kept(machine, host, requests)}
    ca = words.pop() if len(words) == 1 else f"{quantum.CLASSICAL} of some certificates" if words else ""
    try:
        exchange = quantum.offered(openssh.RunningQuery([host or "localhost"], None).answer())
    except SshJitError:
        exchange = ""
    return quantum.Sides(exchange=exchange, ca=ca, login_key=quantum.login_key(session.public))


def _clock(skew: int) -> str:
    if abs(skew) <= SAME_CLOCK:
        return "agrees with the server"
    way = "behind" if skew > 0 else "ahead of"
    return f"{durations.show(abs(skew))} {way} the server; hosts check certificates by their own clock"


BUILD: dict[str, Build] = {"status": _status}
"""How each command reads its words."""

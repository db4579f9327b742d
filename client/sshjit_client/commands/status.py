"""``ssh-jit status``: how things stand, and what a host will look at when it says no."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sshjit import durations, names, sshcert
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid, SshJitError
from sshjit.sshcert import Certificate
from sshjit.terminal_text import table
from sshjit_client import certificate, certificate_index, files, request_text, sessions
from sshjit_client.api.full import FullApi
from sshjit_client.exit_codes import ExitCode
from sshjit_client.machine import HeldBundle, Machine
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.request_text import GLASS, person
from sshjit_client.times import at


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate of ours on this machine. ``until`` is its end by this machine's clock."""

    path: Path
    certificate: Certificate
    until: int

    @property
    def glass(self) -> bool:
        """Whether it was had by break-glass."""
        return self.path.name.startswith(certificate_index.GLASS)


def _status(parser: Parser) -> Act:
    parser.description = "Says how things stand: login, certificates, requests, clock."
    parser.add_argument("host", nargs="?", help="only what is about this host")
    return status


def status(machine: Machine, options: Options) -> int:
    """What is known here and, if it can be reached, what the server says."""
    host: str | None = options.host
    settings = machine.settings()
    session = sessions.kept(machine)
    api = FullApi(session.url, session.token)
    problem: SshJitError | None = None
    found: tuple[RequestView, ...] = ()
    try:
        found = api.requests("mine").requests
    except SshJitError as error:
        problem = error
    name = names.host_name(host.lower()) if host else None
    _drop_dead(machine, found)
    rows = [
        ["server", f"{settings.url} ({settings.installation})"],
        ["login", f"{person(session.login.person)}, until {at(session.login.expires)}"],
        ["key", session.login.fingerprint or "none"],
        ["bundle", _bundle(machine)],
        ["clock", _clock(api.skew) if not problem else "not known"],
    ]
    machine.terminal.out(table(rows))
    certificates = [kept for kept in _kept(machine.state) if name is None or _is_for(kept, name, found)]
    live = [r for r in found if r.state in (RequestState.PENDING, RequestState.APPROVED)]
    shown = tuple(r for r in (found[:20] if name else live) if name is None or name in r.hosts)
    if certificates:
        machine.terminal.out(f"\ncertificates\n\n{_certificates(certificates)}")
    if shown:
        now = int(time.time()) + api.skew
        machine.terminal.out(f"\nrequests\n\n{request_text.requests(shown, now, theirs=False)}")
    if problem:
        raise problem
    if name is not None:
        _explain(machine, name, certificates, shown)
    return ExitCode.OK


def _drop_dead(machine: Machine, found: tuple[RequestView, ...]) -> None:
    """Forgets certificates of requests that ended early: hosts refuse them, and the next connection asks anew."""
    over = {r.id: r.state.value for r in found if r.state not in (RequestState.APPROVED, RequestState.PENDING)}
    for kept in _kept(machine.state):
        request = kept.certificate.key_id.partition(" ")[0]
        if request in over:
            certificate.remove(kept.path)
            principals = " ".join(kept.certificate.principals)
            machine.terminal.say(f"dropped the certificate for {principals}: the request is {over[request]}")


def _explain(machine: Machine, host: str, certificates: list[Kept], shown: tuple[RequestView, ...]) -> None:
    """What to look at when the host says ``Permission denied (publickey)``."""
    live = [kept for kept in certificates if kept.until > time.time()]
    if live:
        principals = " ".join(dict.fromkeys(p for kept in live for p in kept.certificate.principals))
        machine.terminal.out(f"\n{host} lets you in if the principals of the account there include {principals}")
    elif any(request.state is RequestState.APPROVED for request in shown):
        machine.terminal.out(f"\na grant for {host} is open; the next connection draws a certificate")
    elif any(request.state is RequestState.PENDING for request in shown):
        machine.terminal.out(f"\nthe request for {host} is not decided yet")
    else:
        machine.terminal.out(f"\nnothing is open for {host}; the next connection asks")


def _kept(state: Path) -> list[Kept]:
    found = []
    for path in sorted((state / "open").glob("*.conf")):
        try:
            with path.open("rb") as file:
                until = certificate_index.until(file.readline(80))
            written = path.with_name(f"{path.name.removesuffix('.conf')}-cert.pub").read_text("ascii")
            found.append(Kept(path, sshcert.parse_line(written)[0], until))
        except (OSError, ValueError, Invalid):
            continue  # an entry that was removed meanwhile; ssh would not take it either
    return found


def _is_for(kept: Kept, host: str, found: tuple[RequestView, ...]) -> bool:
    ids = {host, *(i for request in found if host in request.hosts for i in request.host_ids)}
    return any(p.partition("@")[2] in ids for p in kept.certificate.principals)


def _certificates(found: list[Kept]) -> str:
    rows = [["PRINCIPAL", "UNTIL", "LEFT", "SERIAL", "COMMAND"]]
    for kept in found:
        left = kept.until - int(time.time())
        command = dict(kept.certificate.critical).get("force-command") or "any"
        rows.append(
            [
                f"{f'{GLASS} ' if kept.glass else ''}{' '.join(kept.certificate.principals)}",
                at(kept.until),
                durations.show(left) if left > 0 else "over",
                str(kept.certificate.serial),
                command,
            ]
        )
    return table(rows)


def _bundle(machine: Machine) -> str:
    path = machine.config / "bundle.json"
    held = files.load(path, HeldBundle)
    return f"number {held.sequence}, looked for a newer one {at(int(path.stat().st_mtime))}" if held else "none"


def _clock(skew: int) -> str:
    if abs(skew) <= 2:
        return "agrees with the server's"
    way = "behind" if skew > 0 else "ahead of"
    return f"{durations.show(abs(skew))} {way} the server's: hosts judge certificates by their own clock"


BUILD: dict[str, Build] = {"status": _status}
"""How each command reads its words."""

"""``ssh-jit doctor``: what is wrong between this machine and a host, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

from sshjit import names
from sshjit.errors import SshJitError
from sshjit_client import trusted_bundle
from sshjit_client.api.full import Filter, FullApi
from sshjit_client.commands import kept_certificates
from sshjit_client.commands.kept_certificates import Kept
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import terminal_styles
from sshjit_client.diagnosis import finding, host_checks, machine_checks, quantum, trial
from sshjit_client.diagnosis.finding import Finding
from sshjit_client.diagnosis.quantum import Sides
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.plain_ssh import hosts, placement
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.plain_ssh.person_config import PersonConfig
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import IN_AGENT


def _doctor(parser: Parser) -> Act:
    parser.description = (
        "Looks for what is wrong: here, at the server and, with a host, between here and there."
        " The exit code is 1 where something is."
    )
    parser.add_argument("host", nargs="?", help="the host that refuses you; one sign-in is tried there")
    parser.add_argument("--no-trial", action="store_true", help="do not try to sign in at the host")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return doctor


def doctor(machine: Machine, options: Options) -> int:
    """Prints what was looked at. The exit code is 1 where something is wrong."""
    host = names.host_alias(names.lowered(options.host)) if options.host else None
    findings = list(_findings(machine, host, tries=not options.no_trial))
    bad = [one.subject for one in findings if one.level == "bad"]
    if options.json:
        json_output.print_json(machine.terminal, {"findings": [asdict(one) for one in findings]})
    else:
        for line in finding.lines(findings, terminal_styles(machine.environ)):
            machine.terminal.out(line)
        verdict = f"look at: {', '.join(dict.fromkeys(bad))}" if bad else "nothing is wrong that can be seen from here"
        machine.terminal.out(f"\n{verdict}")
    return ExitCode.PROBLEMS if bad else ExitCode.OK


def _findings(machine: Machine, typed: str | None, *, tries: bool) -> Iterator[Finding]:
    settings = machine.settings()
    yield Finding("ok", "set up", f"{settings.installation} at {settings.url}")
    yield from machine_checks.programs()
    yield from machine_checks.sign_in(machine)
    yield machine_checks.bundle(machine)
    session = machine.session(time.time())
    in_agent = settings.certificates == IN_AGENT
    yield (machine_checks.agent_mode if in_agent else machine_checks.agent)(machine.environ, session)
    yield from _plain_ssh(machine)
    if session is None:
        return
    yield machine_checks.post_quantum(machine.environ, session)
    for remark in session.login.remarks:
        yield Finding("note", "provider", remark, "tell your administrator")
    api = FullApi(session.url, session.token)
    try:
        api.requests("mine", Filter(limit=1))  # whoami, the front end would answer by itself
    except SshJitError as error:
        yield Finding("bad", "server", error.message, error.hint)
    else:
        yield machine_checks.clock(api.skew)
        yield Finding("ok", "server", f"it answers, and knows you as {session.login.person.name}")
    if typed is not None:
        yield from _about_host(machine, api, typed, tries=tries)


def _plain_ssh(machine: Machine) -> Iterator[Finding]:
    """Whether ssh applies what ``ssh-jit config --write`` wrote; nothing where that was never done."""
    there, person = Layout.of(machine), PersonConfig.of(machine.environ)
    written = hosts.load(there.hosts)
    if written is None and not person.misplaced(there.included):
        return
    problems = placement.findings(there, person)
    yield from (Finding("bad", "plain ssh", problem) for problem in problems)
    if written is not None and not problems:
        yield Finding(
            "ok",
            "plain ssh",
            f"it has your certificates for {len(written.hosts)} name{'' if len(written.hosts) == 1 else 's'}",
        )


def _about_host(machine: Machine, api: FullApi, typed: str, *, tries: bool) -> Iterator[Finding]:
    """What concerns one host: as the server knows it, and as it answers."""
    bundle = trusted_bundle.current(machine, machine.settings()).bundle
    kept = kept_certificates.newest(machine.login_folders(), typed)
    try:
        reply, requests = api.hosts(), api.requests("mine").requests
    except SshJitError as error:
        yield Finding("note", "host", f"the server can't be asked about it: {error.message}")
    else:
        now = int(time.time()) + api.skew
        host, answer = host_checks.known(typed, reply)
        yield answer
        if host is None:
            return
        yield host_checks.window(typed, host, requests, now)
        kept = kept or kept_certificates.newest(machine.login_folders(), host.name)
        if kept is not None:
            yield from host_checks.certificate(kept.certificate, kept.until, host, bundle, api.skew)
        yield host_checks.host_key(typed, reply, bundle, now)
    yield from _about_ssh(typed, kept, bundle_tries=tries, machine=machine)


def _about_ssh(typed: str, kept: Kept | None, *, bundle_tries: bool, machine: Machine) -> Iterator[Finding]:
    """The connection itself, by the certificate that is kept for this host."""
    if kept is None:
        yield Finding("note", "certificate", "none is here for this host", f"ssh-jit {typed} gets one, where it may")
        return
    bundle = trusted_bundle.current(machine, machine.settings()).bundle
    yield from host_checks.options(kept.typed, kept.path, kept.certificate, bundle)
    if kept.until <= time.time():
        yield Finding("note", "trial", "the kept certificate is over, so nothing was tried", f"ssh-jit {typed}")
    elif bundle_tries:
        session = machine.session(time.time())
        login_key = quantum.login_key(session.public) if session else ""
        yield from trial.look(
            kept.typed, kept.path, Sides(ca=quantum.ca_signature(kept.certificate), login_key=login_key)
        )


BUILD: dict[str, Build] = {"doctor": _doctor}
"""Command -> what adds its options."""

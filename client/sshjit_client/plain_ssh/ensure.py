"""``ssh-jit ensure``: a live certificate for a name, without asking anybody anything.

It runs in the middle of other programs' connections, whose terminal and streams are theirs. So it never signs in, never
waits for an approval and never requests what somebody would have to approve: it renews what is open, takes what policy
gives at once, and says otherwise in one line what to type.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sshjit import names, sshkey
from sshjit.api.ask import AskBody
from sshjit.api.explain import ExplainReply
from sshjit.api.views import CertificateView, RequestState
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_client import trusted_bundle
from sshjit_client.api.full import FullApi
from sshjit_client.connecting import agent_mode, certificate
from sshjit_client.identity import signed_request
from sshjit_client.plain_ssh import certificates, hosts, ssh_config
from sshjit_client.plain_ssh.certificates import Pair
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.requests import explained_hosts
from sshjit_client.ssh import agent_certificates
from sshjit_client.storage import files
from sshjit_client.storage.machine import Machine, Session

MOST = 8
"""Seconds after which we give up: whoever types ``ssh web1`` waits for us."""


def ensure(machine: Machine, typed: str, account: str = "") -> Pair:
    """A certificate that lives, for this name; with ``account``, for that one.

    Raises:
        SshJitError: why there is none. The hint is what to type.

    """
    name, there = names.host_alias(names.lowered(typed)), Layout.of(machine)
    wanted = None if account in ("", *certificates.no_account()) else names.login_name(account)
    kept = wanted or certificates.NO_ACCOUNT
    session = machine.session(time.time())
    if session is None:
        certificates.remove_dead(there, name, kept)
        raise Refused("login_needed", "you are not signed in", hint="ssh-jit login")
    files.private_folder(there.folder)
    with _deadline(name), files.alone(there.lock(name)):
        if not certificates.live(there, name, kept):
            certificates.remove_dead(there, name, kept)
            _draw(machine, session, there, name, wanted)
        elif agent := certificates.agent_of(there, name, kept):
            _settle(machine, there, name, agent)
    who = wanted or certificates.account_of(there, name)
    return certificates.pair(there, name, who, usual=wanted is None)


def _settle(machine: Machine, there: Layout, name: str, agent: str) -> None:
    """Lets ssh read the certificate from its file, where the agent that ssh asks has it no more, or is another one."""
    asked = agent_certificates.socket_for(machine.environ, _agent_setting(there, name))
    if asked != agent or not agent_certificates.holds(agent, there.certificate(name)):
        machine.terminal.say(f"{name}: {agent_mode.gone(asked or 'of this session')}")
        certificates.read_from_files(there, name)


def _agent_setting(there: Layout, name: str) -> str:
    """The person's own ``IdentityAgent`` for a name, as it was when the configuration was written; empty for none."""
    written = hosts.load(there.hosts)
    known = written.find(name) if written else None
    return known.agent if known else ""


def _draw(machine: Machine, session: Session, there: Layout, name: str, wanted: str | None) -> None:
    """Gets a certificate from the server and writes it."""
    written = hosts.load(there.hosts)
    known = written.find(name) if written else None
    account = wanted or (known.account if known else None)
    api = FullApi(session.url, session.token)
    view = _view(machine, session, api, name, account)
    bundle = trusted_bundle.current(machine, machine.settings()).bundle
    checked = certificate.check(view, session.public, name, account, bundle)
    usual = wanted is None or (known is not None and wanted == known.account)
    until = checked.valid_before - api.certain_skew
    agent = agent_mode.put(
        machine,
        session,
        replace(checked, host=name),
        bundle=bundle,
        values={"identityagent": known.agent} if known else {},
        folder=there.folder.resolve().parent,
        skew=api.certain_skew,
    )
    certificates.keep(there, name, checked, bundle, Path(session.key), until=until, usual=usual, agent=agent)
    if written and known:
        _follow(machine, there, written, known, checked)


def _view(machine: Machine, session: Session, api: FullApi, name: str, account: str | None) -> CertificateView:
    """The certificate of the open grant, or of one that policy gives at once.

    Raises:
        Refused: ``person_needed`` and others, with what to type.

    """
    shown = f"{account}@{name}" if account else name
    would = api.explain(explained_hosts.question((name,), account))
    if would.verdict != "allow":
        raise _needs(would, shown)
    ask = AskBody((name,), account, "shell", None, None, "", certificate=True)
    reply = api.ask(ask)
    if reply.challenge is not None:
        if sshkey.parse_line(session.public).hardware:
            raise Refused("person_needed", f"{shown} needs a touch of your security key", hint=f"ssh-jit {shown}")
        reply = signed_request.answer(machine, session, ask, reply, api.ask)
    if reply.certificate is not None and not reply.request.break_glass:
        return reply.certificate
    if reply.request.break_glass:
        text = f"{shown} is open by emergency access alone, which plain ssh does not use"
        raise Refused("person_needed", text, hint=f"ssh-jit break-glass {shown}")
    if reply.request.state is not RequestState.APPROVED:
        raise Refused("person_needed", f"{shown} waits for an approval", hint=f"ssh-jit {shown}")
    return api.certificate(reply.request.id)


def _needs(would: ExplainReply, shown: str) -> SshJitError:
    """Why a person is needed, and what that person types."""
    named = would.login is not None and names.is_login_name(would.login)  # the person pastes it into a shell
    there = f"{would.login}@{shown}" if named and "@" not in shown else shown
    match would.verdict, would.code:
        case "approval", _:
            code = "waiting" if would.message else "approval_needed"
            return Refused(code, would.message or f"{there} needs an approval", hint=f"ssh-jit request --wait {there}")
        case "step_up", code:
            return Refused(code, would.message, hint="ssh-jit login --fresh")
        case _, "bad_reason":
            return Refused("bad_reason", would.message, hint=f"ssh-jit request --reason '…' {there}")
    return Refused(would.code, would.message, hint=f"ssh-jit explain {there}")


def _follow(
    machine: Machine,
    there: Layout,
    written: hosts.PlainHosts,
    known: hosts.PlainHost,
    checked: certificate.CheckedCertificate,
) -> None:
    """Mends the written configuration where the host, or the bastion before it, has moved."""
    now = hosts.moved(known, checked)
    if now == known:
        return
    changed = hosts.PlainHosts(tuple(now if host == known else host for host in written.hosts), written.created)
    write(there, changed)
    machine.terminal.say(f"{known.name} has moved: connect again")


def write(there: Layout, written: hosts.PlainHosts) -> None:
    """Writes the included file and what it was made of."""
    text = ssh_config.included(written.hosts, there)
    files.private_folder(there.included.parent)
    files.write(there.included, text)
    files.save(there.hosts, written)


@contextmanager
def _deadline(name: str) -> Iterator[None]:
    """Ends whatever takes longer than ``MOST`` seconds."""

    def over(_: int, __: FrameType | None) -> NoReturn:
        raise Failed("too_slow", f"no certificate for {name} within {MOST} s", hint=f"ssh-jit {name}")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, MOST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""``ssh-jit ensure``: a live certificate for a name, without asking anybody anything.

It runs in the middle of other programs' connections, whose terminal and streams are theirs. So it never signs in, never
waits for an approval and never requests what somebody would have to approve: it renews what is open, takes what policy
gives at once, and says otherwise in one line what to type.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sshjit import names, sshkey
from sshjit.api.ask import AskBody
from sshjit.api.explain import ExplainReply
from sshjit.api.views import CertificateView, RequestState
from sshjit.errors import Refused, SshJitError
from sshjit_client import trusted_bundle
from sshjit_client.api.full import Filter, FullApi
from sshjit_client.connecting import agent_mode, certificate
from sshjit_client.identity import installation, sessions, sign_out, signed_request
from sshjit_client.plain_ssh import certificates, deadline, hosts, ssh_config
from sshjit_client.plain_ssh.certificates import Pair
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.requests import explained_hosts
from sshjit_client.ssh import agent_certificates
from sshjit_client.storage import files, logins
from sshjit_client.storage.machine import Machine, Session


def ensure(machine: Machine, typed: str, account: str = "") -> Pair:
    """A certificate that lives, for this name; with ``account``, for that one. It takes ``deadline.MOST`` s at most.

    Raises:
        SshJitError: why there is none. The hint is what to type.

    """
    name = names.host_alias(names.lowered(typed))
    wanted = None if account in ("", *certificates.no_account()) else names.login_name(account)
    with deadline.over(name):
        machine = installation.for_host(machine, typed)
        while True:
            session = _held(machine, name, wanted or certificates.NO_ACCOUNT)
            there = Layout.of(machine)
            if _by(machine, session, there.at(Path(session.folder)), name, wanted):
                who = wanted or certificates.account_of(there, name)
                return certificates.pair(there, name, who, usual=wanted is None)


def _held(machine: Machine, name: str, account: str) -> Session:
    """The current sign-in, whose folder nobody removes as long as this process runs.

    Raises:
        Refused: ``login_needed``.

    """
    while (session := machine.session(time.time())) is not None:
        if logins.hold(session):
            return session
    certificates.remove_dead(Layout.of(machine), name, account)
    raise sessions.login_needed(machine)


def _by(machine: Machine, session: Session, there: Layout, name: str, wanted: str | None) -> bool:
    """Sees to it that this sign-in has a live certificate; whether it is still the current one then.

    All is read and written in its own folder: ``current`` may lead to another one at any moment.
    """
    try:
        files.private_folder(there.folder)
        with files.alone(there.lock(name)):
            _draw_or_settle(machine, session, there, name, wanted)
    except FileNotFoundError:
        if logins.is_kept(session):
            raise
    if machine.login_folders()[:1] == [Path(session.folder)]:
        return True
    sign_out.withdraw(machine, [session])
    return False


def _draw_or_settle(machine: Machine, session: Session, there: Layout, name: str, wanted: str | None) -> None:
    kept = wanted or certificates.NO_ACCOUNT
    if not certificates.live(there, name, kept):
        certificates.remove_dead(there, name, kept)
        _draw(machine, session, there, name, wanted)
    elif agent := certificates.agent_of(there, name, kept):
        asked = agent_certificates.socket_for(machine.environ, _agent_setting(there, name))
        if asked != agent or not all(agent_certificates.holds(agent, path) for path in there.shown(name, wanted)):
            machine.terminal.say(f"{name}: {agent_mode.gone(asked or 'of this session')}")
            certificates.read_from_files(there, name, wanted)


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
    checked = certificate.check(view, session.public, name, account, bundle).alone()
    usual = wanted is None or (known is not None and wanted == known.account)
    until = checked.valid_before - api.certain_skew
    agent = agent_mode.put(
        machine,
        session,
        replace(checked, host=name),
        bundle=bundle,
        values=known.values if known else {},
        folder=there.folder.parent,
        skew=api.certain_skew,
    )
    certificates.keep(there, name, checked, bundle, Path(session.key), until=until, usual=usual, agent=agent)
    if written and known:
        _follow(machine, written, known, checked)


def _view(machine: Machine, session: Session, api: FullApi, name: str, account: str | None) -> CertificateView:
    """The certificate of the open grant, or of one that policy gives at once.

    Raises:
        Refused: ``person_needed`` and others, with what to type.

    """
    shown = f"{account}@{name}" if account else name
    would = api.explain(explained_hosts.question((name,), account))
    if would.verdict != "allow":
        raise _needs(would, shown).at(_page_of_pending(api, would))
    ask = AskBody((name,), account, "shell", None, None, "", certificate=True)
    reply = api.ask(ask)
    if reply.challenge is not None:
        if sshkey.parse_line(session.public, post_quantum=True).hardware:
            raise Refused("person_needed", f"{shown} needs a touch of your security key", hint=f"ssh-jit {shown}")
        reply = signed_request.answer(machine, session, ask, reply, api.ask)
    if reply.certificate is not None and not reply.request.break_glass:
        return reply.certificate
    page = api.page_of(reply.request.id)
    if reply.request.break_glass:
        text = f"{shown} is open by emergency access alone, which plain ssh does not use"
        raise Refused("person_needed", text, hint=f"ssh-jit break-glass {shown}").at(page)
    if reply.request.state is not RequestState.APPROVED:
        raise Refused("person_needed", f"{shown} waits for an approval", hint=f"ssh-jit {shown}").at(page)
    return api.certificate(reply.request.id)


def _page_of_pending(api: FullApi, would: ExplainReply) -> str:
    """The address of the request that waits for an approval already; empty if none does."""
    if would.verdict != "approval" or not would.message:
        return ""
    with suppress(SshJitError):
        waiting = [request.id for request in api.requests("mine", Filter(state=RequestState.PENDING)).requests]
        return next((api.page_of(request) for request in waiting if request in would.message.split()), "")
    return ""


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
    machine: Machine, written: hosts.PlainHosts, known: hosts.PlainHost, checked: certificate.CheckedCertificate
) -> None:
    """Mends the written configuration where the host, or the bastion before it, has moved."""
    now = hosts.moved(known, checked)
    if now == known:
        return
    changed = replace(written, hosts=tuple(now if host == known else host for host in written.hosts))
    there = Layout.of(machine)
    there.require_lasting(machine.environ)
    write(there, changed)
    machine.terminal.say(f"{known.name} has moved: connect again")


def forget(machine: Machine, name: str) -> bool:
    """Leaves a name out of the written configuration; whether it was in it. The person says that it is no host."""
    there = Layout.of(machine)
    written = hosts.load(there.hosts)
    if written is None or not (written.find(name) or name in written.gone):
        return False
    left = tuple(host for host in written.hosts if host.name != name)
    write(there, replace(written, hosts=left, gone=tuple(one for one in written.gone if one != name)))
    return True


def write(there: Layout, written: hosts.PlainHosts) -> None:
    """Writes the included file and what it was made of."""
    text = ssh_config.included(written.hosts, there, written.gone)
    files.private_folder(there.included.parent)
    files.write(there.included, text)
    files.save(there.hosts, written)

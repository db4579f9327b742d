"""Agent mode: a new certificate goes into the person's ssh-agent, alone, and ssh takes it from there.

``ssh-jit setup --certificates agent`` chooses it. The sign-in's key stays in its file: it signs requests and approvals,
which no host to which an agent is forwarded shall do. Where the agent does not take a certificate, ssh reads it from
its file, and one line says why.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_client.connecting.certificate import CheckedCertificate
from sshjit_client.ssh import (
    agent_certificates,
    certificate_index,
    known_hosts,
    own_known_hosts,
    private_key,
    sshconfig,
)
from sshjit_client.ssh.agent import Agent, Destination
from sshjit_client.storage import logins
from sshjit_client.storage.machine import Machine, Session
from sshjit_client.storage.settings import IN_AGENT

_INSTEAD = "ssh reads the certificate from its file"


def destination(login: str, name: str, bundle: Bundle, values: Mapping[str, str]) -> Destination | None:
    """Where alone a certificate may be used: at the host that shows who it is by a key that ssh believes for that.

    ``None`` where the person knows the host by a key of a kind that we do not know.

    That is what the bundle says, and each key that the person or the system knows: ssh takes that one where the host
    shows no certificate, and the agent, which compares as well, would not sign. ``name``: by which ssh knows the host.
    ``values``: what ``ssh -G`` printed.
    """
    shown = known_hosts.plain(bundle, name)
    lines = known_hosts.host_cas(bundle) if shown is None else shown.keys
    ours = [(line, shown is None) for line in lines]
    try:
        theirs = own_known_hosts.keys(name, values)
    except Invalid:
        return None
    return Destination(login, name, tuple(dict.fromkeys((*ours, *theirs))))


def put(
    machine: Machine,
    session: Session,
    checked: CheckedCertificate,
    *,
    bundle: Bundle,
    values: Mapping[str, str],
    folder: Path,
    skew: int,
) -> str:
    """Puts a certificate, and the one for the bastion before its host, into the agent, if the person wants them there.

    ``values``: what ``ssh -G`` printed. ``folder``: the sign-in's. ``skew``: the server's clock minus ours in seconds.

    Returns the socket of the agent that has them; empty: ssh reads them from files.
    """
    if machine.settings().certificates != IN_AGENT:
        return ""
    try:
        agent = _agent(machine, values.get("identityagent", ""))
        key, binds = private_key.read(Path(session.key)), agent_certificates.binds(machine.environ)
        agent_certificates.note(folder, agent.path)
        seconds = checked.valid_before - skew - int(time.time())
        name = values.get("hostkeyalias") or checked.host
        parts = [(line, checked.login, name) for line in filter(None, (checked.line, checked.second))]
        if (bastion := checked.bastion) is not None:
            parts += [(line, bastion.login, bastion.host) for line in filter(None, (bastion.line, bastion.second))]
        for line, login, host in parts:
            only, comment = destination(login, host, bundle, values) if binds else None, f"ssh-jit {login}@{host}"
            agent_certificates.put(agent, line, key, comment=comment, seconds=seconds, destination=only)
    except SshJitError as error:
        machine.terminal.say(f"{error.message}: {_INSTEAD}")
        return ""
    if not logins.is_kept(session):  # what signed out looked into the agent before
        ours = {agent_certificates.blob_of(line) for line, _, _ in parts}
        agent_certificates.take_out([agent], ours.__contains__)
        raise Refused("login_needed", "you signed out meanwhile", hint="ssh-jit login")
    return agent.path


def _agent(machine: Machine, setting: str) -> Agent:
    """The agent that ssh would ask. Raises ``Failed``: there is none, or it is no place for a certificate."""
    path = agent_certificates.socket_for(machine.environ, setting)
    if not path:
        why = "your IdentityAgent is none" if setting == "none" else f"{agent_certificates.VARIABLE} is not set"
        raise Failed("agent_failed", f"there is no agent ({why})")
    sshconfig.quoted(Path(path))
    agent = Agent(path)
    if agent.keeps_plain_keys:
        text = f"the agent {path} is like gpg-agent, which keeps plain keys and no certificates"
        raise Failed("agent_failed", text)
    return agent


def gone(socket: str) -> str:
    """That an agent has lost a certificate, or is not the one that got it, as a sentence."""
    return f"the agent {socket} has your certificate no more: {_INSTEAD}"


def settle(machine: Machine, config: Path) -> None:
    """Lets a written configuration read its certificates from files, where the agent has them no more."""
    with config.open("rb") as file:
        socket = certificate_index.agent(file.readline(certificate_index.LONGEST_LINE))
    stem = config.name.removesuffix(".conf")
    ways = [config.with_name(f"{name}-cert.pub") for name in (stem, f"{stem}~via")]
    written = [path for way in ways for path in (way, sshconfig.second(way))]
    if not socket or all(
        agent_certificates.holds(socket, path) for path in written if path == written[0] or path.exists()
    ):
        return
    machine.terminal.say(gone(socket))
    sshconfig.read_from_files(config, socket)

"""This machine: its programs, its sign-in, its clock, and what it believes of the installation."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping

from sshjit import durations
from sshjit.errors import Failed
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import SAME_CLOCK
from sshjit_client.console.times import at
from sshjit_client.diagnosis import quantum
from sshjit_client.diagnosis.finding import Finding
from sshjit_client.ssh import agent_certificates, openssh
from sshjit_client.ssh.agent import Agent
from sshjit_client.storage.machine import Machine, Session

_OLDEST = (8, 4)
"""The oldest OpenSSH that the client was tried with."""
SPARE = 60
"""Seconds by which the CA dates certificates back: by so much a host's clock may be behind."""
_QUESTION = 10
"""Seconds for a program's answer."""


def programs() -> Iterator[Finding]:
    """Which ``ssh`` there is, and of which age."""
    path = shutil.which("ssh")
    if path is None:
        yield Finding("bad", "ssh", "there is no ssh on this machine", "install OpenSSH's client")
        return
    asked = subprocess.run([path, "-V"], capture_output=True, text=True, check=False, timeout=_QUESTION)
    text = (asked.stderr or asked.stdout).strip().partition(",")[0]
    version = re.match(r"OpenSSH_(\d+)\.(\d+)", text)
    if version is None:
        yield Finding("note", "ssh", f"{path} is no OpenSSH ({text or 'it says no version'})")
    elif (int(version[1]), int(version[2])) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        yield Finding("note", "ssh", f"{text} at {path} is older than what was tried", f"upgrade to {wanted} or newer")
    else:
        yield Finding("ok", "ssh", f"{text} at {path}")


def sign_in(machine: Machine) -> Iterator[Finding]:
    """Whether somebody is signed in, and until when."""
    session = machine.session(time.time())
    if session is None:
        yield Finding("bad", "sign-in", "you are not signed in, or the sign-in is over", "ssh-jit login")
        return
    left = durations.show(max(int(session.login.expires - time.time()), 0) // 60 * 60)
    person = session.login.person
    yield Finding(
        "ok", "sign-in", f"{person.name} ({person.provider}), until {at(session.login.expires)} ({left} left)"
    )


def post_quantum(environ: Mapping[str, str], session: Session) -> Finding:
    """Whether this ssh reads post-quantum certificates, and whether the server knows: it was told at sign-in."""
    reads, announced = openssh.reads(environ), session.login.reads
    key = quantum.login_key(session.public)
    if announced and not reads:
        text = "the sign-in says that this ssh reads post-quantum certificates, and it does not any more"
        return Finding("bad", "post-quantum", text, "ssh-jit login")
    if reads and not announced:
        text = f"this ssh reads post-quantum certificates, and the sign-in does not say so; login key {key}"
        return Finding("ok", "post-quantum", text)
    text = "this ssh reads post-quantum certificates" if reads else "this ssh reads classical certificates alone"
    return Finding("ok", "post-quantum", f"{text}; login key {key}")


def clock(skew: int) -> Finding:
    """This clock against the server's: a certificate is dated by the CA's, and a host reads it by its own."""
    if abs(skew) <= SAME_CLOCK:
        return Finding("ok", "clock", "agrees with the server's; a host checks certificates by its own")
    way = "behind" if skew > 0 else "ahead of"
    text = f"this clock is {durations.show(abs(skew))} {way} the server's"
    if abs(skew) <= SPARE:
        return Finding("note", "clock", f"{text}; hosts check certificates by their own")
    return Finding(
        "bad",
        "clock",
        f"{text}: times shown here are wrong by as much",
        "set it by the network: timedatectl set-ntp true",
    )


def bundle(machine: Machine) -> Finding:
    """How new the trusted keys and revocations are that this machine goes by."""
    held = trusted_bundle.kept(machine, machine.settings())
    if held is None:
        return Finding("bad", "bundle", "there is no bundle yet: no host is trusted", "ssh-jit setup URL")
    checked = int(held.checked)
    age = time.time() - checked
    text = f"number {held.bundle.sequence}, last checked {at(checked)}"
    return Finding("note" if age > 24 * 3600 else "ok", "bundle", text)


def agent_mode(environ: Mapping[str, str], session: Session | None) -> Finding:
    """Whether the agent has, or could take, the certificates that are to be in it."""
    instead = "ssh reads your certificates from files"
    path = environ.get(agent_certificates.VARIABLE, "")
    if not path:
        return Finding(
            "note", "agent", f"none is running: {instead}", "start one; or ssh-jit setup --certificates files"
        )
    agent = Agent(path)
    try:
        if agent.keeps_plain_keys:
            return Finding(
                "note", "agent", f"it is like gpg-agent, which takes no certificates: {instead}", "ssh-agent"
            )
        ours = [agent_certificates.key_line(blob) == session.public for blob in agent.held()] if session else []
    except Failed as error:
        return Finding("note", "agent", f"{error.message}: {instead}")
    return Finding("ok", "agent", f"keys and certificates in it: {len(ours)}, of this sign-in: {sum(ours)}")


def agent(environ: Mapping[str, str], session: Session | None) -> Finding:
    """What the agent holds. Connections use the login's key alone, so a full agent does no harm."""
    if not environ.get("SSH_AUTH_SOCK"):
        return Finding("ok", "agent", "none is running, and none is needed")
    program = shutil.which("ssh-add")
    if program is None:
        return Finding("note", "agent", "there is one, and no ssh-add to ask it")
    try:
        asked = subprocess.run([program, "-l"], capture_output=True, text=True, check=False, timeout=_QUESTION)
    except subprocess.TimeoutExpired:
        return Finding("note", "agent", f"it does not answer within {_QUESTION} s", "end it, or unset SSH_AUTH_SOCK")
    if asked.returncode == 2:
        return Finding("note", "agent", "SSH_AUTH_SOCK names one that does not answer", "unset SSH_AUTH_SOCK")
    keys = [line for line in asked.stdout.splitlines() if "SHA256:" in line]
    ours = session is not None and any(session.login.fingerprint in line for line in keys if session.login.fingerprint)
    held = f"{len(keys)} key{'' if len(keys) == 1 else 's'}{', with the one of this sign-in' if ours else ''}"
    return Finding("ok", "agent", f"{held}; connections by ssh-jit use the sign-in's key alone")

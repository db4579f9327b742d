"""The end of a sign-in on this machine: its key, its certificates, and what else works by them."""

from __future__ import annotations

from pathlib import Path

from sshjit_client.ssh import agent_certificates, certificate_index, sharing
from sshjit_client.ssh.agent import Agent
from sshjit_client.storage import logins
from sshjit_client.storage.machine import Machine


def forget(machine: Machine) -> None:
    """Removes every sign-in to the installation, ends its shared connections, and takes its keys out of the agent."""
    name = machine.settings().name
    folders = logins.folders(machine.environ, name)
    agents = agent_certificates.agents(machine.environ, folders)
    _end_shared(folders, sessions=True)
    _take_out(agents, logins.forget(machine.environ, name))


def replaced(machine: Machine) -> None:
    """Tidies up after a new sign-in: sessions by the older ones go on, and nothing new begins by them.

    Only the one who signs in may call it (``logins.prune``).
    """
    name = machine.settings().name
    counts = set(machine.login_folders())
    older = [folder for folder in logins.folders(machine.environ, name) if folder not in counts]
    agents = agent_certificates.agents(machine.environ, older)
    _end_shared(older, sessions=False)
    _take_out(agents, logins.prune(machine.environ, name, certificate_index.any_live))


def _take_out(agents: list[Agent], public: list[str]) -> None:
    """Takes these keys, which ``AddKeysToAgent`` may have put there, and their certificates out of the agents."""
    gone = {" ".join(line.split()[:2]) for line in public}
    if gone:
        agent_certificates.take_out(agents, lambda blob: agent_certificates.key_line(blob) in gone)


def _end_shared(folders: list[Path], *, sessions: bool) -> None:
    for folder in folders:
        sharing.end_all(folder / "open", sessions=sessions)

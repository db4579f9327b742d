"""The end of a sign-in on this machine: its key, its certificates, and what else works by them."""

from __future__ import annotations

from pathlib import Path

from sshjit_client.identity import agent_keys
from sshjit_client.ssh import certificate_index, sharing
from sshjit_client.storage import logins
from sshjit_client.storage.machine import Machine


def forget(machine: Machine) -> None:
    """Removes every sign-in to the installation, ends its shared connections, and takes its keys out of the agent."""
    name = machine.settings().name
    _end_shared(logins.folders(machine.environ, name), sessions=True)
    agent_keys.remove(machine.environ, logins.forget(machine.environ, name))


def replaced(machine: Machine) -> None:
    """Tidies up after a new sign-in: sessions by the older ones go on, and nothing new begins by them.

    Only the one who signs in may call it (``logins.prune``).
    """
    name = machine.settings().name
    counts = set(machine.login_folders())
    _end_shared([folder for folder in logins.folders(machine.environ, name) if folder not in counts], sessions=False)
    agent_keys.remove(machine.environ, logins.prune(machine.environ, name, certificate_index.any_live))


def _end_shared(folders: list[Path], *, sessions: bool) -> None:
    for folder in folders:
        sharing.end_all(folder / "open", sessions=sessions)

"""Certificates that are kept on this machine: found, and made usable."""

from __future__ import annotations

from pathlib import Path

from sshjit_client.ssh import certificate_index
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage.machine import Machine


def live_config(machine: Machine, args: ConnectionArgs, *, as_typed: bool = True) -> str:
    """The configuration for this command line if its certificate is live, else an empty string."""
    return certificate_index.live_config(args, map(str, machine.login_folders()), as_typed=as_typed)


def settle_agents(machine: Machine, path: str) -> None:
    """Sees to it that ssh finds the certificates of this configuration and those on its way."""
    for config in certificate_index.held_by_agents(path):
        from sshjit_client.connecting import agent_mode  # noqa: PLC0415  # most people have them in files

        agent_mode.settle(machine, Path(config))

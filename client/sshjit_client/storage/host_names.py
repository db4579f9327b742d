"""Names of hosts, kept for completion on the command line. Nothing is decided by them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sshjit import names
from sshjit.errors import SshJitError
from sshjit_client.storage import files, paths
from sshjit_client.storage.machine import Machine

_FILE = "hosts"
_MOST = 10_000


def keep(machine: Machine, hosts: Sequence[str]) -> None:
    """Keeps them; where they can't be kept there is no completion, and nothing else is worse."""
    with suppress(OSError, SshJitError):
        folder = files.private_folder(machine.state)
        files.write(folder / _FILE, "".join(f"{name}\n" for name in hosts[:_MOST]), durable=False)


def kept(machine: Machine) -> list[str]:
    """The names that were kept, as far as they are names."""
    if not paths.private(str(machine.state)):
        return []
    try:
        lines = (machine.state / _FILE).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if _is_name(line)]


def _is_name(text: str) -> bool:
    try:
        return bool(names.host_alias(text))
    except SshJitError:
        return False

"""The names of an installation's hosts, as its server said last: a list by which a host's installation is found.

Nothing is trusted because of it, and completion may use it. The file ``hosts`` has a name or alias a line, and before
them ``# all`` if the server was asked for all of them: without, it has those alone that a connection was made to.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sshjit import names
from sshjit.errors import Failed, Invalid
from sshjit_client.storage import files, paths
from sshjit_client.storage.machine import Machine

FILE = "hosts"


def keep(machine: Machine, hosts: Iterable[str]) -> list[str]:
    """Replaces the list by these names and aliases. What cannot be written is asked again the next time.

    Returns the names that were in it and are not any more, sorted: ssh may show them the person's own keys now.
    """
    new = {checked for name in hosts if (checked := _checked(name))}
    gone = sorted(set(kept(machine)) - new)
    _write(machine, {paths.ALL_HOSTS, *new})
    return gone


def of_all(machine: Machine) -> list[str]:
    """The names of the hosts of all installations, sorted: for completion."""
    kept_names = {name for one in paths.installations(machine.environ) for name in kept(machine.at(one))}
    return sorted(filter(_checked, kept_names))  # a shell reads them


def add(machine: Machine, host: str) -> None:
    """Adds the name of a host that the server gave access to."""
    known = _lines(machine)
    if host not in known and _checked(host):
        _write(machine, {*known, host})


def kept(machine: Machine) -> list[str]:
    """The names, sorted; none if the server was never asked."""
    return [line for line in _lines(machine) if line != paths.ALL_HOSTS]


def _lines(machine: Machine) -> list[str]:
    for folder in machine.lasting_folders(machine.settings()):
        with suppress(OSError, UnicodeDecodeError):
            return (folder / FILE).read_text("ascii").splitlines()
    return []


def _write(machine: Machine, hosts: Iterable[str]) -> None:
    content = "".join(f"{name}\n" for name in sorted(hosts))

    def write(folder: Path) -> None:
        files.private_folder(files.private_folder(folder.parent) / folder.name)
        files.write(folder / FILE, content, durable=False)

    with suppress(Failed):
        files.in_first(machine.lasting_folders(machine.settings()), write, lambda _: None)


def _checked(name: str) -> str:
    try:
        return names.host_alias(names.lowered(name))
    except Invalid:
        return ""

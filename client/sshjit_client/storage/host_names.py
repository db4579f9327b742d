"""The names of an installation's hosts, as its server said last: a list by which a host's installation is found.

Nothing is trusted because of it, and completion may use it. The file ``hosts`` has a name or alias a line, and before
them ``# all`` if the server was asked for all of them: without, it has those alone that a connection was made to.
The file ``addresses`` has the address and port of each, a line.
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
_ADDRESSES = "addresses"


def keep(machine: Machine, hosts: Iterable[str]) -> list[str]:
    """Replaces the list by these names and aliases. What cannot be written is asked again the next time.

    Returns the names that were in it and are not any more, sorted: ssh may show them the person's own keys now.
    """
    new = {checked for name in hosts if (checked := _checked(name))}
    gone = sorted(set(kept(machine)) - new)
    _write(machine, {paths.ALL_HOSTS, *new})
    return gone


def keep_addresses(machine: Machine, addresses: Iterable[tuple[str, int]]) -> None:
    """Replaces the list of addresses and ports, as ``keep`` does the names."""
    _write(machine, (f"{address} {port}" for address, port in addresses if _is_address(address)), _ADDRESSES)


def add_address(machine: Machine, address: str, port: int) -> None:
    """Adds where the host is that the server gave access to."""
    known = _lines(machine, _ADDRESSES)
    if f"{address} {port}" not in known and _is_address(address):
        _write(machine, {*known, f"{address} {port}"}, _ADDRESSES)


def has_address(machine: Machine, address: str, port: str) -> bool:
    """Whether a host was at this address and port."""
    return f"{address} {port}" in _lines(machine, _ADDRESSES)


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


def _lines(machine: Machine, file: str = FILE) -> list[str]:
    for folder in machine.lasting_folders(machine.settings()):
        with suppress(OSError, UnicodeDecodeError):
            return (folder / file).read_text("ascii").splitlines()
    return []


def _write(machine: Machine, hosts: Iterable[str], file: str = FILE) -> None:
    content = "".join(f"{name}\n" for name in sorted(hosts))

    def write(folder: Path) -> None:
        files.private_folder(files.private_folder(folder.parent) / folder.name)
        files.write(folder / file, content, durable=False)

    with suppress(Failed):
        files.in_first(machine.lasting_folders(machine.settings()), write, lambda _: None)


def _is_address(address: str) -> bool:
    try:
        return bool(names.address(address))
    except Invalid:
        return False


def _checked(name: str) -> str:
    try:
        return names.host_alias(names.lowered(name))
    except Invalid:
        return ""

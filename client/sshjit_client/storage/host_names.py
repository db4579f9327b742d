"""The names of an installation's hosts, as its server said last: a list by which a host's installation is found.

Nothing is trusted because of it, and completion may use it. The file ``hosts`` has a name or alias a line, and before
them ``# all`` if the server was asked for all of them: without, it has those alone that a connection was made to.
A line ``# was NAME`` says that the server gave this one before, and does not any more. It stays until the person says
that it may go: a front end that lies could else have the person's own keys shown to the host.
The file ``addresses`` has the address and port of each, a line; those of former hosts stay as long.
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
_COMMENT = "#"
_WAS = "# was "
_TOLD = 8
"""So many names that are no hosts any more are shown."""


def keep(machine: Machine, hosts: Iterable[str]) -> list[str]:
    """Replaces the list by these names and aliases. What cannot be written is asked again the next time.

    Returns the names that were in it and are not any more, sorted. They are kept as former ones, and the person is told
    of them this once.
    """
    new = {checked for name in hosts if (checked := _checked(name))}
    before = set(kept(machine))
    gone = sorted(before - new)
    _write(machine, {paths.ALL_HOSTS, *new, *(f"{_WAS}{name}" for name in {*before, *former(machine)} - new)})
    if gone:
        others = f" and {len(gone) - _TOLD} more" if len(gone) > _TOLD else ""
        text = f"no host of {machine.settings().name} any more: {', '.join(gone[:_TOLD])}{others}"
        machine.terminal.warn(f"{text}; your own keys are not shown to what was a host")
        at = f" --installation {machine.settings().name}" if len(paths.installations(machine.environ)) > 1 else ""
        machine.terminal.hint(f"ssh-jit hosts --forget {gone[0]}{at}, if it is true")
    return gone


def keep_addresses(machine: Machine, addresses: Iterable[tuple[str, int]]) -> None:
    """Adds addresses and ports to those that hosts have, or had."""
    known = set(_lines(machine, _ADDRESSES))
    _write(machine, known.union(f"{address} {port}" for address, port in addresses if _is_address(address)), _ADDRESSES)


def add_address(machine: Machine, address: str, port: int) -> None:
    """Adds where the host is that the server gave access to."""
    known = _lines(machine, _ADDRESSES)
    if f"{address} {port}" not in known and _is_address(address):
        _write(machine, {*known, f"{address} {port}"}, _ADDRESSES)


def has_address(machine: Machine, address: str, port: str) -> bool:
    """Whether a host was at this address and port. A loopback address is another machine's on each machine."""
    return not names.is_loopback(address) and f"{address} {port}" in _lines(machine, _ADDRESSES)


def has_addresses(machine: Machine) -> bool:
    """Whether any host's address is known."""
    return bool(_lines(machine, _ADDRESSES))


def forget(machine: Machine, host: str) -> bool:
    """Takes a name or address out of the lists, as one of a host or a former one; whether it was in them.

    Raises:
        Invalid: ``bad_host``.

    """
    asked = names.lowered(host)
    name = asked if _is_address(asked) else names.host_alias(asked)
    listed, addresses = set(_lines(machine)), set(_lines(machine, _ADDRESSES))
    over = {name, f"{_WAS}{name}"} & listed
    there = {line for line in addresses if line.partition(" ")[0] == name}
    if over:
        _write(machine, listed - over)
    if there:
        _write(machine, addresses - there, _ADDRESSES)
    return bool(over or there)


def of_all(machine: Machine) -> list[str]:
    """The names of the hosts of all installations, sorted: for completion."""
    kept_names = {name for one in paths.installations(machine.environ) for name in kept(machine.at(one))}
    return sorted(filter(_checked, kept_names))  # a shell reads them


def add(machine: Machine, host: str) -> None:
    """Adds the name of a host that the server gave access to."""
    known = _lines(machine)
    if host not in known and _checked(host):
        _write(machine, {*known, host} - {f"{_WAS}{host}"})


def kept(machine: Machine) -> list[str]:
    """The names, sorted; none if the server was never asked."""
    return [line for line in _lines(machine) if not line.startswith(_COMMENT)]


def former(machine: Machine) -> list[str]:
    """The names that were in the list, are not any more, and that the person did not forget; sorted."""
    return [line.removeprefix(_WAS) for line in _lines(machine) if line.startswith(_WAS)]


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

"""Which installation a connection belongs to, where this machine is set up for several.

The lists of hosts that are kept here decide (``storage/host_names.py``). If none of them has the host, or a list was
never fetched, the servers are asked by whose sign-in that is possible. Two that have it are never chosen between: the
person says which one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from contextlib import suppress

from sshjit.errors import Invalid, SshJitError
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import host_names, paths, settings
from sshjit_client.storage.machine import Machine, Session


def for_args(machine: Machine, args: ConnectionArgs, host: str) -> Machine:
    """The machine as the options of a command about a host say, for the installation that has it."""
    asked = machine.at(args.installation)
    return for_host(asked, host) if host else asked


def for_host(machine: Machine, host: str) -> Machine:
    """The machine for the installation that has a host of this name; the default one if none is known to.

    Raises:
        Invalid: ``which_installation``, ``not_set_up``, ``unknown_installation``.

    """
    kept = settings.listed(machine.environ)
    if len(kept) < 2 or machine.installation or machine.environ.get(paths.INSTALLATION):
        return machine.at(machine.settings().name)
    having = _having(machine, kept, host)
    if asked := _unknown(machine, kept, having) if having else list(kept):
        _ask(machine, asked)
        having = _having(machine, kept, host)
    if len(having) > 1:
        text = f"{host} is a host of {' and of '.join(having)}"
        raise Invalid("which_installation", text, hint=f"--installation {' | '.join(having)}")
    name = having[0] if having else settings.default(machine.environ, kept)
    if not having:
        machine.terminal.say(f"no installation is known to have {host}; asking {name}, the default one")
    if unknown := _unknown(machine, kept, [name]):
        machine.terminal.say(f"using {name} for {host}; {' and '.join(unknown)} was never asked which hosts it has")
        machine.terminal.hint(f"ssh-jit login --installation {unknown[0]} asks it")
    return machine.at(name)


def _unknown(machine: Machine, kept: Iterable[str], having: Collection[str]) -> list[str]:
    """The installations beside ``having`` whose list of hosts was never fetched."""
    return [name for name in kept if name not in having and not paths.is_whole(machine.environ, name)]


def for_hop(machine: Machine, host: str) -> Machine:
    """The machine for the installation that has a host to pass through: that of the typed host first.

    Where nobody is signed in, nobody can ask: that is said. If no installation has it, it is the typed host's.

    Raises:
        Invalid: ``which_installation``.

    """
    kept = settings.listed(machine.environ)
    own = machine.settings().name
    if len(kept) < 2:
        return machine
    having = _having(machine, kept, host)
    if own not in having and (asked := _unknown(machine, kept, having) if having else list(kept)):
        _ask(machine, asked)
        having = _having(machine, kept, host)
    if own in having:
        return machine
    if len(having) > 1:
        text = f"{host}, to pass through, is a host of {' and of '.join(having)}"
        raise Invalid("which_installation", text, hint=f"ssh-jit hosts --installation {' | '.join(having)}")
    if having:
        machine.terminal.say(f"{host}, to pass through, is a host of {having[0]}")
        return machine.at(having[0])
    silent = [name for name in kept if name != own and machine.at(name).session(time.time()) is None]
    if silent:
        others = " and ".join(silent)
        machine.terminal.say(
            f"{host} is no host of {own}; {others} can't be asked, because you are not signed in there"
        )
    return machine


def _having(machine: Machine, kept: dict[str, settings.Settings], host: str) -> list[str]:
    return [name for name in kept if paths.knows(machine.environ, name, host)]


def _ask(machine: Machine, installations: Iterable[str]) -> None:
    """Asks these servers for their hosts, where somebody is signed in; one that is away keeps its list."""
    for name in installations:
        one = machine.at(name)
        session = one.session(time.time())
        if session is not None:
            learn(one, session)


def learn(machine: Machine, session: Session) -> None:
    """Asks the server of a sign-in for its hosts, and keeps their names; one that is away keeps its list."""
    from sshjit_client.api.full import FullApi  # noqa: PLC0415  # only where there are several installations

    with suppress(SshJitError):
        hosts = FullApi(session.url, session.token).hosts().hosts
        host_names.keep_addresses(machine, ((host.address, host.port) for host in hosts))
        host_names.keep(machine, [name for host in hosts for name in (host.name, *host.aliases)])

"""The end of a sign-in on this machine: its key, its certificates, and what else works by them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sshjit_client.console import times
from sshjit_client.ssh import agent_certificates, certificate_index, sharing
from sshjit_client.storage import logins, paths
from sshjit_client.storage.logins import Session
from sshjit_client.storage.machine import Machine

_REQUEST = "req-"
"""How the ids of requests begin."""


def forget(machine: Machine) -> None:
    """Removes every sign-in to the installation, ends its shared connections, and takes its keys out of the agents."""
    name = machine.settings().name
    closed = logins.close(machine.environ, name)  # from now on nobody puts anything into an agent by them
    folders = logins.folders(machine.environ, name)
    agents, wanted = agent_certificates.agents(machine.environ, folders), _of(closed, folders, _of_others(machine))
    for agent in agents:
        if end := agent_certificates.hidden(agent, folders, time.time()):
            text = f"the agent {agent.path} does not show your certificates: if it is locked (ssh-add -x), it has them"
            machine.terminal.warn(f"{text} until {times.at(end)}")
    _end_shared(folders, sessions=True)
    logins.forget(machine.environ, name)
    agent_certificates.take_out(agents, wanted)


def replaced(machine: Machine) -> None:
    """Tidies up after a new sign-in: sessions by the older ones go on, and nothing new begins by them.

    What somebody holds is about to connect, and is left; it withdraws what it put into an agent, or that goes with its
    request. Only the one who signs in may call it (``logins.prune``).
    """
    name = machine.settings().name
    counts = set(machine.login_folders())
    older = [folder for folder in logins.folders(machine.environ, name) if folder not in counts]
    _end_shared(older, sessions=False)
    withdraw(machine, logins.idle(machine.environ, name))
    logins.prune(machine.environ, name, certificate_index.any_live)


def withdraw(machine: Machine, over: Iterable[Session]) -> None:
    """Takes the keys and certificates of these sign-ins, which are not the current one, out of all agents."""
    over, name = list(over), machine.settings().name
    if over:
        logins_of = {Path(session.folder).name for session in over}
        folders = [folder for folder in logins.folders(machine.environ, name) if folder.name in logins_of]
        current = logins.current(machine.environ, name, 0)
        agents = agent_certificates.agents(machine.environ, folders)
        others = _of_others(machine)
        agent_certificates.take_out(agents, _of(over, folders, others, current.public if current else ""))


def _of_others(machine: Machine) -> list[Path]:
    """The folders of the other installations' sign-ins on this machine: one key may serve several."""
    name = machine.settings().name
    others = (one for one in paths.installations(machine.environ) if one != name)
    return [folder for other in others for folder in logins.folders(machine.environ, other)]


def _of(
    over: Iterable[Session], folders: Iterable[Path], others: Iterable[Path], current: str = ""
) -> Callable[[bytes], bool]:
    """Whether a blob in an agent is of these sign-ins: by a key that was made for one, or a certificate of ours.

    A key of the person's own (``login --key``) stays, and what is kept by it in ``others``. Where it is the ``current``
    sign-in's too, only those of its certificates are meant that are kept in these folders.
    """
    made, own = set[str](), set[str]()
    for session in over:
        (made if Path(session.key).parent == Path(session.folder) else own).add(_line(session.public))
    own -= {_line(current)}
    kept, theirs = _kept(folders), _kept(others) if own else set[bytes]()

    def is_of(blob: bytes) -> bool:
        line = agent_certificates.key_line(blob)
        return line in made or blob in kept or (line in own and _is_ours(blob) and blob not in theirs)

    return is_of


def _kept(folders: Iterable[Path]) -> set[bytes]:
    """The certificates in the folders of sign-ins."""
    return {blob for folder in folders for path in folder.glob("*/*-cert.pub") if (blob := _blob_in(path))}


def _is_ours(blob: bytes) -> bool:
    """Whether it is a certificate of a request: of the person's own key there may be others."""
    return (agent_certificates.request_of(blob) or "").startswith(_REQUEST)


def _blob_in(path: Path) -> bytes:
    """The blob in the file of a certificate; empty if it is gone."""
    with suppress(OSError, ValueError, IndexError):
        return agent_certificates.blob_of(path.read_text("ascii"))
    return b""


def _line(public: str) -> str:
    return " ".join(public.split()[:2])


def _end_shared(folders: list[Path], *, sessions: bool) -> None:
    for folder in folders:
        sharing.end_all(folder / "open", sessions=sessions)

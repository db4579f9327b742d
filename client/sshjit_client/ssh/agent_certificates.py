"""Certificates in the person's ssh-agent: put there alone, looked for after that, and taken out again.

An agent that says yes need not have it: so what it holds is asked. The sockets of all agents that got one are in the
file ``agents`` of the sign-in's folder, a line each, because the next terminal may have another agent.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sshjit import sshcert, sshkey
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_client.ssh import program
from sshjit_client.ssh.agent import Agent, Destination
from sshjit_client.ssh.private_key import PrivateKey
from sshjit_client.storage import files, one_line

AGENTS = "agents"
VARIABLE = "SSH_AUTH_SOCK"
_BINDS = (8, 9)
"""The first OpenSSH whose ssh tells the agent for which host it signs: by older ones a constrained key signs nothing.
"""
_QUESTION = 10
"""Seconds for ``ssh -V``."""


def socket_for(environ: Mapping[str, str], setting: str) -> str:
    """The socket of the agent that ssh asks; empty: none. ``setting``: ``IdentityAgent`` as ``ssh -G`` prints it."""
    if setting in ("", VARIABLE):
        return environ.get(VARIABLE, "")
    if setting.startswith("$"):
        return environ.get(setting[1:], "")
    return "" if setting == "none" else setting


def put(
    agent: Agent, line: str, key: PrivateKey, *, comment: str, seconds: int, destination: Destination | None
) -> None:
    """Puts a certificate into an agent: for this destination alone, if the agent can do that.

    Raises:
        Failed: ``agent_failed``: it is not there.

    """
    blob = blob_of(line)
    for only in dict.fromkeys((destination, destination and destination.classical(), None)):
        if agent.add(blob, key, comment, seconds, only) and blob in agent.held():
            return
    raise Failed("agent_failed", f"the agent {agent.path} takes no certificate")


def binds(environ: Mapping[str, str]) -> bool:
    """Whether the ssh that we run can use a certificate that is for one destination."""
    words = [program.find(environ) or "ssh", "-V"]
    null = subprocess.DEVNULL
    try:
        done = subprocess.run(words, stdin=null, capture_output=True, check=False, timeout=_QUESTION)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(rb"OpenSSH_(\d+)\.(\d+)", done.stderr)
    return version is not None and (int(version[1]), int(version[2])) >= _BINDS


def holds(socket: str, certificate: Path) -> bool:
    """Whether the agent at this socket holds the certificate in this file."""
    try:
        return blob_of(certificate.read_text("ascii")) in Agent(socket).held()
    except (OSError, ValueError, SshJitError):
        return False


def note(folder: Path, socket: str) -> None:
    """Writes down in a sign-in's folder that this agent gets a certificate of it."""
    noted = _noted(folder)
    if socket not in noted:
        files.write(folder / AGENTS, "".join(f"{path}\n" for path in one_line.require(*noted, socket)), durable=False)


def agents(environ: Mapping[str, str], folders: Iterable[Path]) -> list[Agent]:
    """The person's agent, and all those that got certificates of the sign-ins in these folders."""
    sockets = [environ.get(VARIABLE, ""), *(socket for folder in folders for socket in _noted(folder))]
    return [Agent(socket) for socket in dict.fromkeys(sockets) if socket]


def take_out(of: Iterable[Agent], wanted: Callable[[bytes], bool]) -> int:
    """Removes the keys and certificates whose blobs are ``wanted``; how many. An agent that is away keeps its own."""
    count = 0
    for agent in of:
        with suppress(Failed):
            count += sum(agent.remove(blob) for blob in agent.held() if wanted(blob))
    return count


def hidden(agent: Agent, folders: Iterable[Path], now: float) -> int:
    """Until when an agent that was given certificates of these sign-ins may have some that it does not show.

    A locked one (``ssh-add -x``) shows nothing and removes nothing. 0: there is none that lives, or no agent answers.
    """
    given = [folder for folder in folders if agent.path in _noted(folder)]
    written = [path for folder in given for path in folder.glob("*/*-cert.pub")]
    with suppress(Failed):
        shown = agent.held()
        return max((end for end, blob in map(_end, written) if end > now and blob not in shown), default=0)
    return 0


def take_out_of(folders: Iterable[Path], requests: Collection[str]) -> None:
    """Removes the certificates of these requests, which are over, from the agents that got any of these sign-ins."""
    if requests:
        take_out(agents({}, folders), lambda blob: request_of(blob) in requests)


def key_line(blob: bytes) -> str:
    """The plain public key, ``type base64``, that a blob is or certifies; empty if it is of no kind of ours."""
    with suppress(Invalid):
        return sshkey.parse_blob(blob, post_quantum=True).line
    with suppress(Invalid):
        return sshcert.parse_blob(blob)[0].key.line
    return ""


def request_of(blob: bytes) -> str | None:
    """The request that a certificate is of, by its key id; ``None`` where nobody can say."""
    with suppress(Invalid):
        return sshcert.parse_blob(blob)[0].key_id.partition(" ")[0]
    return None


def _end(path: Path) -> tuple[int, bytes]:
    """Until when the certificate in a file lives, in seconds since the epoch, and its blob; 0 where it is none."""
    try:
        line = path.read_text("ascii")
        return sshcert.parse_line(line)[0].valid_before, blob_of(line)
    except (OSError, ValueError, Invalid):
        return 0, b""


def blob_of(line: str) -> bytes:
    """The blob in a line ``type base64``."""
    return base64.b64decode(line.split(None, 2)[1])


def _noted(folder: Path) -> list[str]:
    try:
        return (folder / AGENTS).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []

"""Connections that share one TCP connection (ssh's ``ControlMaster``), each with those of its own certificate alone.

Whatever runs over a shared connection runs by the certificate that opened it. So the person's ``ControlPath`` never
counts: an approved shell would run the action of another grant. Whoever asks for sharing, in a configuration or by
``-M``, gets it by a socket of ours, whose name comes from the certificate: from its grant, action, account and host.
At the certificate's end it takes no new session, and sessions over it go on, as others do; what ends a grant here ends
the shared connection with it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from sshjit import durations
from sshjit.errors import Failed
from sshjit_client.ssh import certificate_index, program
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import files

HEAD = "# shared by "
"""The beginning of the line of a written configuration that names its socket."""
LONGEST = 104 - 1 - 18
"""Bytes of a socket's path: macOS takes 104 with the end of the text; a new master adds ``.`` and 16 characters."""
PATIENCE = 5
"""Seconds for a shared connection to do what it is told; one that hangs keeps nobody from a host."""
_KINDS = {"yes": "auto", "true": "auto", "auto": "auto", "ask": "autoask", "autoask": "autoask"}
"""What the person said -> what we write: every later connection tries the one that is there."""


def wanted(values: Mapping[str, str]) -> str:
    """The value of ``ControlMaster`` for what ``ssh -G`` printed; ``no`` where nobody asked for sharing."""
    return _KINDS.get(values.get("controlmaster", "no"), "no")


def socket(state: Path, certificate: str) -> Path | None:
    """The socket for the connections by this certificate line; ``None`` where no path is short enough."""
    if os.name == "nt":  # ssh shares no connections there
        return None
    name = sha256(certificate.encode()).hexdigest()[:16]
    for folder in (state / "m", Path("/tmp", f"ssh-jit-{os.getuid()}")):  # noqa: S108  # checked, and short
        if len(os.fsencode(folder / name)) <= LONGEST and "%" not in str(folder):
            try:
                return files.private_folder(folder) / name
            except Failed:
                continue
    return None


def lines(path: Path | None, values: Mapping[str, str], seconds: int) -> list[str]:
    """What stands in the configuration before the person's own, which then says nothing of it.

    ``seconds``: what is left of the certificate: so long a connection without a session stays at most.
    """
    if path is None:
        return ["ControlMaster no", "ControlPath none"]
    kept = _persistence(values.get("controlpersist", "no"), seconds)
    return [f"ControlMaster {wanted(values)}", f'ControlPath "{path}"', f"ControlPersist {kept}"]


def _persistence(text: str, seconds: int) -> str:
    """The value of ``ControlPersist``, as ``ssh -G`` prints it, but not longer than this."""
    if text in ("no", "false"):
        return "no"
    asked = int(text) if text.isdecimal() else 0
    return str(max(min(asked or seconds, seconds), 1))


def typed(args: ConnectionArgs, config: Path, seconds: int) -> list[str]:
    """Options of ssh for sharing that was typed, where the configuration was written for none."""
    path = of(config)
    if path is None or not args.shares or "ControlMaster no" not in config.read_text("utf-8", "surrogateescape"):
        return []
    stop_later(path, seconds)
    return ["-o", f"ControlPersist={_persistence(_seconds(args.persist), seconds)}"] if args.persist else []


def _seconds(text: str) -> str:
    """A value of ``ControlPersist`` as ``ssh -G`` would print it. Raises ``Invalid``."""
    if text in ("yes", "no", "true", "false"):
        return text
    return text if text.isdecimal() else str(durations.parse(text))


def of(config: Path) -> Path | None:
    """The socket of a written configuration; ``None`` if it has none."""
    try:
        with config.open(encoding="utf-8", errors="surrogateescape") as file:
            head = list(takewhile(lambda line: line.startswith(certificate_index.COMMENT), file))
    except OSError:
        return None
    named = next((line.removeprefix(HEAD).strip() for line in head if line.startswith(HEAD)), "")
    return Path(named) if named else None


def end(config: Path, *, sessions: bool = True) -> None:
    """Ends the shared connection of a written configuration; without ``sessions`` those that run go on."""
    end_at(of(config), sessions=sessions)


def end_at(path: Path | None, *, sessions: bool = True) -> None:
    """Ends the shared connection of this socket, if there is one; without ``sessions`` those that run go on."""
    if path is not None and path.exists():
        with suppress(subprocess.TimeoutExpired):  # it is stopped (SIGSTOP, Ctrl-Z), or hangs
            subprocess.run(
                _control(path, "exit" if sessions else "stop"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=PATIENCE,
            )


def end_all(folder: Path, *, sessions: bool = True) -> None:
    """Ends the shared connections of every configuration in a folder; without ``sessions`` those that run go on."""
    for config in folder.glob("*.conf"):
        end(config, sessions=sessions)


def stop_later(path: Path, seconds: int) -> None:
    """Lets the shared connection take no new session after so many seconds, by a small process that waits for it."""
    # The shell goes at once, so that the process is nobody's child: we are about to become ssh.
    words = ["/bin/sh", "-c", '(sleep "$0"; exec "$@") &', str(max(seconds, 0)), *_control(path, "stop")]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=False,
            timeout=PATIENCE,
        )


def _control(path: Path, command: str) -> list[str]:
    ssh = program.find(os.environ) or "ssh"
    return [ssh, "-F", "none", "-o", f'ControlPath="{path}"', "-O", command, "--", "shared"]

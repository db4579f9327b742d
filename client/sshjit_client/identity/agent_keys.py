"""Keys of sign-ins in the person's ssh-agent, where ``AddKeysToAgent yes`` puts them: removed with their sign-in.

Connections by ssh-jit say ``AddKeysToAgent=no``; a plain ``ssh`` with the person's own configuration may have added one
all the same, and so may the person.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sshjit import sshcert
from sshjit.errors import Invalid
from sshjit_client.storage import files

_PATIENCE = 5
"""Seconds for an agent's answer; one that hangs does not keep anybody signed in."""


def remove(environ: Mapping[str, str], public: list[str]) -> int:
    """Removes these public keys, and certificates for them, from the agent; returns how many there were.

    Without an agent, or with one that does not answer, there is nothing to remove.
    """
    if not public or not environ.get("SSH_AUTH_SOCK"):
        return 0
    listed = _agent(environ, "-L")
    ours = [line for line in listed.splitlines() if _of(line) in {" ".join(key.split()[:2]) for key in public}]
    with tempfile.TemporaryDirectory(prefix="ssh-jit-") as folder:
        for number, line in enumerate(ours):
            path = Path(folder, f"{number}.pub")
            files.write(path, f"{line}\n", durable=False)
            _agent(environ, "-d", str(path))
    return len(ours)


def _of(line: str) -> str:
    """The plain public key, ``type base64``, of a line that is one or is a certificate for it."""
    words = " ".join(line.split()[:2])
    try:
        return sshcert.parse_line(words)[0].key.line if "-cert-v01@openssh.com" in words else words
    except Invalid:
        return ""


def _agent(environ: Mapping[str, str], *words: str) -> str:
    try:
        done = subprocess.run(
            ["ssh-add", *words],
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")

"""The OpenSSH programs that the client calls.

``ssh-keygen`` makes keys and signatures, ``ssh -G`` tells what the person's own configuration says. They are started by
argument lists, never by a shell.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from sshjit import login, sshkey
from sshjit.errors import Failed, Invalid


def make_key(path: Path) -> None:
    """Makes an Ed25519 key without a passphrase at ``path``, and ``.pub`` beside it."""
    _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)])


def public_key(private: Path) -> sshkey.PublicKey:
    """The public half of a private key: from the ``.pub`` beside it, else from ``ssh-keygen -y``.

    Raises:
        Invalid: ``no_key``, or what is wrong with the key.

    """
    beside = private.with_name(private.name + ".pub")
    try:
        return sshkey.parse_line(beside.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        raise Invalid("no_key", f"cannot read {beside}") from None
    if not private.exists():
        raise Invalid("no_key", f"there is no key {private}")
    return sshkey.parse_line(_run(["ssh-keygen", "-y", "-f", str(private)], input_from_terminal=True))


def sign(private: Path, namespace: str, data: bytes) -> str:
    """An armoured SSHSIG over ``data``. Hardware keys may ask for a touch or a PIN meanwhile."""
    with _scratch() as folder:
        message = Path(folder, "message")
        message.write_bytes(data)
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(private), str(message)]
        _run(command, input_from_terminal=True)
        return Path(folder, "message.sig").read_text("ascii")


def sign_login(private: Path, id_token: str) -> str:
    """The signature by which a key says that it belongs to this ID token."""
    return sign(private, login.NAMESPACE, login.signed_text(id_token))


def verify(line: str, namespace: str, data: bytes, signature: str) -> bool:
    """Whether ``signature`` is by the key ``line`` (checked before), in this namespace, over exactly ``data``."""
    with _scratch() as folder:
        signers, armoured = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'it namespaces="{namespace}" {line}\n', "ascii")
        armoured.write_text(signature, "utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "it", "-n", namespace, "-s", str(armoured)]
        return _start(command, data).returncode == 0


class RunningQuery:
    """``ssh -G`` with a configuration file, under way: it takes as long as a good part of our own loading."""

    def __init__(self, options: list[str], config: Path) -> None:
        """Starts it."""
        self._process = _started(["ssh", "-G", "-F", str(config), *options], b"")

    def answer(self) -> dict[str, str]:
        """What it says, by lower-case keyword; the first line of each counts."""
        found: dict[str, str] = {}
        for line in _said(_ended(self._process, b"")).splitlines():
            keyword, _, value = line.partition(" ")
            found.setdefault(keyword, value)
        return found


def effective(options: list[str], config: Path) -> dict[str, str]:
    """What ``ssh -G`` says with this configuration file."""
    return RunningQuery(options, config).answer()


def _scratch() -> AbstractContextManager[str]:
    import tempfile  # noqa: PLC0415  # a connection does without it

    return tempfile.TemporaryDirectory(prefix="ssh-jit-")


def _run(command: list[str], *, input_from_terminal: bool = False) -> str:
    return _said(_start(command, None if input_from_terminal else b""))


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failed("openssh_failed", f"{done.args[0]} failed: {said[-1] if said else f'exit {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def _start(command: list[str], stdin: bytes | None) -> subprocess.CompletedProcess[bytes]:
    return _ended(_started(command, stdin), stdin)


def _started(command: list[str], stdin: bytes | None) -> subprocess.Popen[bytes]:
    """A program under way; it reads from our terminal if ``stdin`` is ``None``."""
    pipe, source = subprocess.PIPE, None if stdin is None else subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe, env={**os.environ, "LC_ALL": "C"})
    except OSError as error:
        raise Failed("openssh_missing", f"cannot run {command[0]}: {error.strerror}") from None


def _ended(process: subprocess.Popen[bytes], stdin: bytes | None) -> subprocess.CompletedProcess[bytes]:
    with process:
        output, errors = process.communicate(stdin)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

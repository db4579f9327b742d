"""The OpenSSH programs that the client runs, by argument lists and never by a shell.

``ssh-keygen`` makes keys and signatures; ``ssh -G`` prints what the person's own configuration says.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from sshjit import login, sshkey
from sshjit.errors import Failed, Invalid
from sshjit_client.ssh import program

SIGNING = 150
"""Seconds that a person has to touch a key or to answer an agent: less than a challenge lives."""
UNATTENDED = 60
"""Seconds that a program has that asks nobody: enough for a busy machine and a ``Match exec`` over the network."""
_NO_ERROR = ("debug1:", "debug2:", "debug3:", "OpenSSH_", "Warning:")
"""How the lines begin that ``ssh -v`` prints, and what it goes on after."""
_UNKNOWN_KIND = "unknown key type"
_UNKNOWN_OPTION = re.compile(r"Bad configuration option: (\w+)")


def make_key(path: Path, kind: str = "ed25519") -> None:
    """Makes a key without a passphrase at ``path``, with its ``.pub``; ``kind``: what ``ssh-keygen -t`` calls it.

    Raises:
        Failed: ``no_such_key``: this ``ssh-keygen`` does not know the kind.

    """
    try:
        _run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], seconds=UNATTENDED)
    except Failed as error:
        if _UNKNOWN_KIND not in error.message:
            raise
        text = f"this machine's ssh-keygen makes no {kind} keys"
        hint = "OpenSSH 10.6 and newer do; without --new-key the key is Ed25519, which every host takes"
        raise Failed("no_such_key", text, hint=hint) from None


def reads(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The types of CA keys, beside those that every release knows, that the ssh which we run reads."""
    try:
        names = output_of([program.find(environ) or "ssh", "-Q", "key"]).split()
    except Failed:
        return ()
    return tuple(kind for kind in (sshkey.MLDSA44_ED25519,) if kind in names)


def public_key(private: Path) -> sshkey.PublicKey:
    """The public key of a private key: from the ``.pub`` beside it, else from ``ssh-keygen -y``.

    A ``.pub`` file itself stands for a private key that an agent holds.

    Raises:
        Invalid: ``no_key``, or what is wrong with the key.

    """
    beside = private if private.suffix == ".pub" else private.with_name(private.name + ".pub")
    try:
        return sshkey.parse_line(beside.read_text("utf-8"), post_quantum=True)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        raise Invalid("no_key", f"can't read {beside}") from None
    if not private.exists():
        raise Invalid("no_key", f"there is no key {private}")
    line = _run(["ssh-keygen", "-y", "-f", str(private)], input_from_terminal=True)
    return sshkey.parse_line(line, post_quantum=True)


def sign(private: Path, namespace: str, data: bytes) -> str:
    """An armoured SSHSIG over ``data``. An agent or a hardware key may ask for a touch, a PIN or a yes.

    Raises:
        Failed: ``openssh_failed``, also when nobody answers; ``openssh_missing``.

    """
    with _scratch() as folder:
        message = Path(folder, "message")
        message.write_bytes(data)
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(private), str(message)]
        _run(command, input_from_terminal=True, seconds=SIGNING)
        return Path(folder, "message.sig").read_text("ascii")


def sign_login(private: Path, id_token: str) -> str:
    """The signature that binds a key to this ID token."""
    return sign(private, login.NAMESPACE, login.signed_text(id_token))


def verify(line: str, namespace: str, data: bytes, signature: str) -> bool:
    """Whether ``signature`` is by the (checked) key ``line``, in this namespace, over exactly ``data``."""
    with _scratch() as folder:
        signers, armoured = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'it namespaces="{namespace}" {line}\n', "ascii")
        armoured.write_text(signature, "utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "it", "-n", namespace, "-s", str(armoured)]
        return _start(command, data, UNATTENDED).returncode == 0


class RunningQuery:
    """A running ``ssh -G``. It takes about as long as loading our own modules."""

    def __init__(self, words: list[str], config: str | None) -> None:
        """Starts it with all words for ssh, since ``-s`` and ``-f`` want a command.

        ``config``: the text of the file; ``None``: ssh's own files, by the home of the user database.

        Raises:
            Failed: ``asked_itself``: such a question of ours runs us.

        """
        if os.environ.get(program.INSIDE):
            text = "ssh-jit asks ssh about a connection, and your ssh configuration (Match exec) runs ssh-jit for it"
            raise Failed("asked_itself", text, hint="let it run nothing of ssh-jit but `ssh-jit ensure`")
        self.when = time.time_ns()
        self._text = (config or "").encode("utf-8", "surrogateescape")
        asked = ["-G", *([] if config is None else ["-F", "/dev/stdin"]), *words]
        try:
            path, environ = program.command(asked)
        except program.NoSsh as error:
            raise no_ssh(error) from None
        self._process = _started([path, *asked], self._text, environ)

    def answer(self) -> dict[str, str]:
        """Its values by lower-case keyword; the first line of each counts."""
        values: dict[str, str] = {}
        for line in _output(_ended(self._process, self._text, UNATTENDED)).splitlines():
            keyword, _, value = line.partition(" ")
            values.setdefault(keyword.lower(), value)
        return values


def become(words: list[str], *, silent: bool = False) -> NoReturn:
    """Becomes ssh; with ``silent`` it asks nobody anything. Raises ``Failed``: ``no_ssh``."""
    try:
        program.become(words, silent=silent)
    except program.NoSsh as error:
        raise no_ssh(error) from None


def no_ssh(error: program.NoSsh) -> Failed:
    """That there is no ssh to run, as an error."""
    return Failed("no_ssh", str(error), hint="put the folder of OpenSSH's ssh before that of ssh-jit in PATH")


def effective(words: list[str], config: Path) -> dict[str, str]:
    """The values that ``ssh -G`` prints with this configuration file."""
    return RunningQuery(words, config.read_text("utf-8", "surrogateescape")).answer()


def output_of(command: list[str]) -> str:
    """What a program prints that asks nobody, also where it fails.

    Raises:
        Failed: ``openssh_failed``: it has not ended in time; ``openssh_missing``.

    """
    return _start(command, b"", UNATTENDED).stdout.decode("utf-8", "replace")


def _scratch() -> AbstractContextManager[str]:
    import tempfile  # noqa: PLC0415  # a connection does not need it

    return tempfile.TemporaryDirectory(prefix="ssh-jit-")


def _run(command: list[str], *, input_from_terminal: bool = False, seconds: float | None = None) -> str:
    return _output(_start(command, None if input_from_terminal else b"", seconds))


def _output(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode != 0:
        what, problem = _name(done.args), _problem(done.stderr.decode("utf-8", "replace"))
        hint = ""
        if option := _UNKNOWN_OPTION.search(problem):
            hint = f"if another ssh reads it, write before it: IgnoreUnknown {option[1]}"
        raise Failed("openssh_failed", f"{what} failed: {problem or f'exit {done.returncode}'}", hint=hint)
    return done.stdout.decode("utf-8", "replace")


def _name(command: object) -> str:
    """The program's name; ``command``: its words, as we started it."""
    return Path(str(command[0])).name if isinstance(command, list) else str(command)


def _problem(errors: str) -> str:
    """The first line that is about an error: those after it only say that there was one."""
    lines = [line for line in errors.splitlines() if line.strip() and not line.startswith(_NO_ERROR)]
    return lines[0].strip() if lines else ""


def _start(command: list[str], stdin: bytes | None, seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
    return _ended(_started(command, stdin), stdin, seconds)


def _started(
    command: list[str], stdin: bytes | None, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A running program; it reads from our terminal if ``stdin`` is ``None``."""
    pipe, source = subprocess.PIPE, None if stdin is None else subprocess.PIPE
    environ = {**(environ or os.environ), program.INSIDE: "1", "LC_ALL": "C"}
    try:
        return subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe, env=environ)
    except OSError as error:
        raise Failed("openssh_missing", f"can't run {command[0]}: {error.strerror}") from None


def _ended(
    process: subprocess.Popen[bytes], stdin: bytes | None, seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    with process:
        try:
            output, errors = process.communicate(stdin, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            who = "nobody" if stdin is None else f"{_name(process.args)} has not"
            raise Failed("openssh_failed", f"{who} answered within {seconds:g} s") from None
        except BaseException:  # Ctrl-C, or the end of a deadline: ``with`` would wait for the program before it goes on
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

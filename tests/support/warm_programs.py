"""Our programs, loaded once: each command that tests run is a process of its own, which forks off here.

Loading takes most of a second, and tests run thousands of commands. What is shared is only that: the fork gets its own
arguments, environment, folder and streams, runs ``main()`` as ``python -m sshjit_ca`` or ``ssh-jit-host.pyz`` does, and
ends as an interpreter ends. It is killed, stopped and waited for by its own process id. How the programs start from
nothing is what the tests prove that run ``ca_process.PROGRAM``, the one file on its own, or the command itself.
"""

from __future__ import annotations

import array
import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

_LIMIT = 256 * 1024
"""Bytes of one order: the environment is most of it."""
_LOCK = threading.Lock()
CA = ("-m", "tests.support.warm_programs")
"""Python's arguments for ``ssh-jit-ca``; before the last one stands what is loaded, and without it the CA is."""


class Process:
    """A running command, as ``subprocess.Popen`` shows one."""

    def __init__(self, keeper: socket.socket) -> None:
        """``keeper``: whoever waits for the process, and tells its id, and then how it ended."""
        self._keeper = keeper
        self.returncode: int | None = None
        self.pid = int.from_bytes(keeper.recv(4, socket.MSG_WAITALL), "big")
        if not self.pid:
            raise RuntimeError("the program that commands fork off has ended")

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; ``None`` while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The same, once it has ended."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["ssh-jit-ca"], timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                told = self._keeper.recv(4)
            except (BlockingIOError, TimeoutError):
                return None
            self._keeper.close()
            self.returncode = int.from_bytes(told, "big", signed=True)
        return self.returncode


def host_program(pyz: Path) -> tuple[str, ...]:
    """Python's arguments for ``ssh-jit-host`` as one file: isolated and without any package, as its first line says."""
    return ("-IS", __file__, str(pyz))


def start(
    words: list[str],
    *,
    env: dict[str, str],
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes],
    program: tuple[str, ...] = CA,
) -> Process:
    """Starts a program with these words; it reads nothing."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs, open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        streams = [nothing.fileno(), 1 if stdout is None else stdout.fileno(), stderr.fileno()]
        order = json.dumps({"words": words, "env": env, "folder": str(Path.cwd())}).encode()
        with _LOCK:
            socket.send_fds(_loaded(program), [order], [theirs.fileno(), *streams])
    return Process(ours)


def run(
    words: list[str], timeout: float, env: dict[str, str] | None = None, program: tuple[str, ...] = CA
) -> subprocess.CompletedProcess[str]:
    """Runs a program with these words to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = start(words, env=dict(os.environ) if env is None else env, stdout=out, stderr=errors, program=program)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), errors.read().decode())


@cache
def _loaded(program: tuple[str, ...]) -> socket.socket:
    """The loaded program that commands fork off: it lives as long as this socket is open."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, *program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=Path(__file__).parents[2],
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


def _serve(orders: socket.socket) -> None:
    """Forks for every order, until nobody can give one; returns in the fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    while True:
        order, fds = _receive(orders)
        if not order:
            sys.exit(0)
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    keeper, streams = socket.socket(fileno=fds[0]), fds[1:]
    if pid := os.fork():
        _keep(keeper, pid)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    keeper.detach()
    orders.detach()
    os.closerange(3, max(fds) + 1)
    wanted = json.loads(order)
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    os.chdir(wanted["folder"])
    sys.argv[1:] = wanted["words"]


def _receive(orders: socket.socket) -> tuple[bytes, list[int]]:
    """``socket.recv_fds`` has no flag for descriptors that a program started from here does not get."""
    fds = array.array("i")
    order, ancillary, _, _ = orders.recvmsg(_LIMIT, socket.CMSG_SPACE(4 * fds.itemsize), socket.MSG_CMSG_CLOEXEC)
    for _, _, data in ancillary:
        fds.frombytes(data)
    return order, list(fds)


def _keep(keeper: socket.socket, pid: int) -> NoReturn:
    """Tells the process id, waits for the process, and tells how it ended."""
    keeper.sendall(pid.to_bytes(4, "big"))
    _, status = os.waitpid(pid, 0)
    try:
        keeper.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    finally:
        os._exit(0)


def _load() -> Callable[[], int]:
    """What the arguments name: the host's program as one file, else the CA; and all that its commands load later."""
    if len(sys.argv) > 2:
        sys.argv[0] = sys.argv.pop(1)
        sys.path.insert(0, sys.argv[0])
        from sshjit_host import __main__ as host

        return host.main
    from sshjit_ca import __main__ as ca
    from sshjit_ca.cli import commands as commands  # noqa: PLC0414 - loaded now, for all that fork off
    from sshjit_ca.service import daemon as daemon  # noqa: PLC0414

    return ca.main


if __name__ == "__main__":
    main = _load()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())

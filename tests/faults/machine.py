"""The installation under test: its processes, disks, clock and database, each of which can be broken and mended."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit_ca.operations import admin_client, backup
from tests.support import postgres, silence, whole_installation
from tests.support.ca_process import CaProcess
from tests.support.front_ends import Client, Front
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.postgres import Postgres
from tests.support.silence import Proxy

SIZE = 64
"""MiB of each of the two small disks."""
_MAIN = """
import pathlib, sys, time
offset, real = pathlib.Path(sys.argv.pop(1)), time.time
time.time = lambda: real() + float(offset.read_text())
from sshjit_ca.__main__ import main
sys.exit(main())
"""


@dataclass
class Machine:
    """Everything that runs."""

    home: Path
    ca: Installation
    process: CaProcess
    front: Front
    server: Postgres | None
    proxy: Proxy | None
    restarts: int = 0

    # ---------------------------------------------------------------------------------------------- the CA's process

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.home / "ca.toml"

    @property
    def disk(self) -> Path:
        """The CA's home, a disk of its own."""
        return self.home / "ca"

    def kill(self) -> None:
        """The CA dies."""
        self.process.process.kill()
        self.process.end()

    def start(self) -> None:
        """The CA is started, as whatever supervises it would do."""
        self.restarts += 1
        self.process = CaProcess.start(self.config, self.ca.config.admin_socket, _program(self.home))

    def supervise(self) -> bool:
        """Starts again what has ended; whether the CA had."""
        if self.front.running.poll() is not None:
            self.front.start()
        if self.process.process.poll() is None:
            return False
        self.process.end()
        self.start()
        return True

    def ready(self) -> bool:
        """Whether both are well, as the front end says."""
        return self.readyz() == (200, ())

    def readyz(self) -> tuple[int, tuple[str, ...]]:
        """What the front end says of itself and the CA: status and problems; 0 while it is not there."""
        with suppress(OSError):
            said = Client(self.front.port).call("GET", "/readyz")
            return said.status, tuple(said.body["problems"])
        return 0, ()

    def status(self) -> m.StatusReply | SshJitError:
        """What the operator is told."""
        try:
            return admin_client.call(self.ca.config.admin_socket, m.Status(), m.StatusReply)
        except SshJitError as error:
            return error

    def operator(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the operator's commands, on the CA's clock."""
        command = [*_program(self.home), "--config", str(self.config), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def doctor(self) -> list[dict[str, Any]]:
        """What is wrong, as ``doctor`` finds it."""
        findings = json.loads(self.operator("doctor", "--json").stdout)["findings"]
        return [finding for finding in findings if finding["level"] == "bad"]

    # ---------------------------------------------------------------------------------------------- disks and clock

    def refuse_writing(self, *, on: bool) -> None:
        """The kernel refuses whatever the CA writes to files, as a disk does that failed under a running program."""
        _, hard = resource.prlimit(self.process.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.process.pid, resource.RLIMIT_FSIZE, (0 if on else hard, hard))

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``: nobody may have a file open for writing."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.disk], check=True)

    def fill(self, folder: Path) -> Path:
        """Takes every byte that a disk has left."""
        ballast = folder / "ballast"
        for part in (64 * 1024, 512):
            with suppress(OSError), ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(part))
        return ballast

    def step_clock(self, seconds: float) -> None:
        """From now on the CA's wall clock is so far from the real one."""
        new = self.home / "offset.new"
        new.write_text(str(seconds))
        new.replace(self.home / "offset")

    @property
    def offset(self) -> float:
        """How far it is now."""
        return float((self.home / "offset").read_text())

    # ----------------------------------------------------------------------------------------------------- the end

    def logs(self) -> str:
        """Everything that was printed."""
        return self.process.log.read_text(errors="replace") + self.front.log.read_text(errors="replace")

    def end(self) -> None:
        """Ends what was started."""
        self.front.end()
        if self.process.process.poll() is None:
            self.process.process.send_signal(signal.SIGCONT)
        self.process.end()


def _program(home: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", _MAIN, str(home / "offset"))


@contextmanager
def running(home: Path, database: str) -> Iterator[Machine]:
    """A machine in ``home``; nothing of it is left when the block is left. For root, in a namespace at least."""
    with ExitStack() as stack:
        for name in ("ca", "web"):
            stack.enter_context(_disk(home / name))
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = proxy = None
        addresses: tuple[str | None, str] = (None, f"sqlite:///{home}/web/web.db")
        if database == "postgresql":
            server = stack.enter_context(postgres.running())
            proxy = stack.enter_context(silence.proxied(server))
            addresses = (proxy.address(server, server.new()), proxy.address(server, server.bare()))
        ca = whole_installation.prepared(home, issuers, addresses[0])
        _serve_ourselves(home / "ca.toml")
        (port,) = free_ports(1)
        front = Front(whole_installation.web_config(home, 0, port, addresses[1]), port)
        (home / "offset").write_text("0")
        process = CaProcess.start(home / "ca.toml", ca.config.admin_socket, _program(home))
        machine = Machine(home, ca, process, front, server, proxy)
        stack.callback(machine.end)
        front.start()
        until = time.monotonic() + 60
        while not machine.ready():
            assert time.monotonic() < until, machine.logs()[:4000]
            time.sleep(0.05)
        yield machine


def _serve_ourselves(config: Path) -> None:
    """Front end and CA are one user here: in a user namespace there is no other."""
    config.write_text(config.read_text().replace('web_users = ["nobody"]', f'web_users = ["{user_name()}"]'))


def user_name() -> str:
    """Ours."""
    return pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=0700", "faults", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def copy_database(machine: Machine, target: Path) -> None:
    """An older copy of the CA's database, made by the operator while it runs."""
    target.unlink(missing_ok=True)
    done = machine.operator("backup", str(target))
    assert done.returncode == 0, done.stderr


def unpack(archive: Path, target: Path) -> None:
    """The database of a backup."""
    backup.unpack(archive, target)
    target.chmod(0o600)


def copy_home(machine: Machine, target: Path) -> None:
    """An older copy of what the CA keeps beside its database."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("checkpoint", "epoch", "clock"):
        shutil.copy(machine.disk / name, target / name)


def put_home(machine: Machine, source: Path) -> None:
    """Puts it back."""
    for each in source.iterdir():
        shutil.copy(each, machine.disk / each.name)


def is_root() -> bool:
    """Whether we may mount."""
    return os.geteuid() == 0

"""The CA as processes: ``ssh-jit-ca serve`` and the operator's other commands, over a test's installation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.operations import admin_client
from tests.support import warm_programs
from tests.support.installation import Installation
from tests.support.waiting import PATIENCE

PROGRAM = (sys.executable, "-m", "sshjit_ca")


def run_command(config: Path, *arguments: str, code: int = 0) -> str:
    """Runs one command to its end; what it said, on both streams."""
    done = warm_programs.run(["--config", str(config), *arguments], PATIENCE)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def second_config(ca: Installation, name: str) -> Path:
    """A second configuration over the same keys and database, with sockets of its own."""
    text = (ca.home / "ca.toml").read_text()
    config = ca.home / f"{name}.toml"
    config.write_text(text.replace("web.sock", f"{name}-web.sock").replace("admin.sock", f"{name}-admin.sock"))
    config.chmod(0o600)
    return config


@dataclass
class CaProcess:
    """One running ``serve``. ``notices``: the socket that gets what it tells its supervisor."""

    config: Path
    admin_socket: Path
    process: subprocess.Popen[bytes] | warm_programs.Process
    notices: socket.socket
    log: Path

    @classmethod
    def start(cls, config: Path, admin_socket: Path, program: Sequence[str] | None = None) -> CaProcess:
        """Starts it, or ``program`` in its place; it may have to stand by."""
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = config.with_suffix(".notify")
        address.unlink(missing_ok=True)
        notices.bind(str(address))
        notices.settimeout(PATIENCE)
        log = config.with_suffix(".log")
        words, env = ["--config", str(config), "serve"], os.environ | {"NOTIFY_SOCKET": str(address)}
        with log.open("ab") as out:
            if program is None:
                return cls(config, admin_socket, warm_programs.start(words, env=env, stderr=out), notices, log)
            process = subprocess.Popen([*program, *words], env=env, stderr=out)
        return cls(config, admin_socket, process, notices, log)

    def notification(self) -> str:
        """The next thing that the supervisor is told."""
        return str(self.notices.recv(4096), "utf-8")

    def health(self) -> m.HealthReply | None:
        """How it is; ``None`` while it does not answer."""
        with suppress(Failed):
            return admin_client.call(self.admin_socket, m.Health(), m.HealthReply)
        return None

    def ready(self) -> bool:
        """Whether it signs."""
        health = self.health()
        return health is not None and health.ready

    def end(self) -> int:
        """Ends it, if it has not ended; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        self.notices.close()
        return code

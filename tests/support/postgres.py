"""A PostgreSQL server for tests: made in a folder of its own, on a Unix socket only, gone when the block is left.

The server refuses to run as root, so root's tests run it as ``nobody``. A database for each test is copied from one
that was migrated once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from sshjit_ca.storage.store import Store
from tests.support.waiting import PATIENCE

ROLE = "ssh_jit"
TEMPLATE = "empty"


@dataclass
class Postgres:
    """A running server. ``sockets`` is the folder of its socket."""

    sockets: Path
    command: tuple[str, ...]
    user: str | None
    made: int = field(default=0)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        with (self.sockets / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stderr=log, stdout=log, user=self.user, cwd="/", env=_environment()
            )
        _wait(self)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it: SIGINT ends every connection, SIGQUIT all at once as if the machine had gone."""
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    def address(self, name: str) -> str:
        """What ``ca.toml`` says for the database ``name``."""
        return f"postgresql://{ROLE}@/{name}?host={self.sockets}"

    def new(self) -> str:
        """The address of a new database with the CA's tables and nothing in them."""
        self.made += 1
        self.run(f"CREATE DATABASE test{self.made} TEMPLATE {TEMPLATE}")
        return self.address(f"test{self.made}")

    def bare(self) -> str:
        """The address of a new database without any tables, as a front end finds it the first time."""
        self.made += 1
        self.run(f"CREATE DATABASE test{self.made}")
        return self.address(f"test{self.made}")

    def ask(self, question: str, database: str = "postgres") -> str:
        """The one value that a question has as answer."""
        with psycopg.connect(f"host={self.sockets} user={ROLE} dbname={database}") as connection:
            row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return str(row[0])

    def run(self, statement: str, database: str = "postgres") -> None:
        """Runs one statement outside a transaction."""
        with psycopg.connect(f"host={self.sockets} user={ROLE} dbname={database}", autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running() -> Iterator[Postgres]:
    """A server, until the block is left."""
    folder = Path(mkdtemp(prefix="ssh-jit-pg-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    made = [_program("initdb"), "-D", str(folder / "data"), "-U", ROLE, "-A", "trust", "-N", "--no-instructions"]
    subprocess.run(made, check=True, capture_output=True, user=user, cwd="/", env=_environment())
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0700",
        "shared_buffers": "16MB",
        "max_connections": "60",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    server = Postgres(folder, (_program("postgres"), "-D", str(folder / "data"), *options), user)
    try:
        server.start()
        server.run(f"CREATE DATABASE {TEMPLATE}")
        store = Store(server.address(TEMPLATE))
        store.migrate()
        store.close()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # at once, without a last checkpoint
        shutil.rmtree(folder)


def _wait(server: Postgres) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            said = (server.sockets / "log").read_text()
            assert server.process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        else:
            return


def _program(name: str) -> str:
    """A program of the server; Debian keeps it off the path."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default="")
    assert found, f"{name} is missing: apt-get install postgresql"
    return found


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

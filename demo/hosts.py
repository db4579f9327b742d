"""The lab's hosts: each a real sshd with a folder of its own.

Decides how a host is started, reached, reloaded and stopped. As root it lives in a mount namespace, so that the
accounts ``deploy`` and ``postgres``, sshd's own user and ``/opt/app`` exist only there. Anybody else, and root where
namespaces are not allowed, gets an sshd that runs as themselves and lets in nobody else. What the files say is
``demo/machine.py``'s; enrolling a host with the CA and running ``ssh-jit-host`` on it is the lab's.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import isolate, machine, processes
from demo.namespace import Spec
from demo.openssh import Sshd

ADDRESS = "127.0.0.1"
START_LIMIT = 60.0
"""Seconds for sshd to listen, and to end when asked."""
PRIVSEP_FOLDER = Path("/run/sshd")
"""Where sshd, as root, shuts in its unprivileged part. Compiled into it."""
COVERED = ("/opt", "/run", "/var/log")
"""What a host with a namespace has of its own: its application, sshd's empty folder, and who logged in when."""


class HostFailed(Exception):
    """A host's sshd did not start. The text holds the end of its log."""


def login(wanted: str) -> str:
    """The account to use where the story says ``deploy`` or ``postgres``: that one, or the only one there can be."""
    return wanted if isolate.possible() else pwd.getpwuid(os.geteuid()).pw_name


def migrate(folder: Path) -> Path:
    """The path by which the host in ``folder`` (``Host.folder``) knows its migration program; policy names it."""
    return Path("/opt/app/bin/migrate") if isolate.possible() else folder / "opt/app/bin/migrate"


@dataclass(slots=True)
class Host:
    """One host of the lab. ``prepare`` makes its files and picks its port; ``start`` runs it.

    ``folder`` is made if need be and has to lie where nobody but this user and root can write in any parent: sshd
    refuses files elsewhere. ``login`` is an account that exists on it: one of ``machine.ACCOUNTS``, by ``login()``.
    """

    name: str
    folder: Path
    server: Sshd
    login: str
    host_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    penalties: bool = False
    """Whether sshd shuts addresses out after refusals, as it does by itself from OpenSSH 9.8 on."""
    _process: subprocess.Popen[bytes] | None = None
    _namespace: processes.MountNamespace | None = None
    _stand_in: Mapping[str, str] = field(default_factory=dict)
    _made_folder: bool = False

    def __post_init__(self) -> None:
        """A host's first id is its name."""
        self.host_id = self.host_id or self.name

    @property
    def config(self) -> Path:
        """Its sshd_config."""
        return self.folder / "sshd_config"

    @property
    def drop_in(self) -> Path:
        """The file for ``ssh-jit-host`` to write, in the folder that sshd_config includes first."""
        return self.folder / "sshd_config.d/10-ssh-jit.conf"

    @property
    def home(self) -> Path:
        """The folder for ``ssh-jit-host``'s own files."""
        return self.folder / "ssh-jit"

    @property
    def public_key(self) -> Path:
        """Its host key's public half; the certificate is expected beside it as ``…-cert.pub``."""
        return self.folder / "ssh_host_ed25519_key.pub"

    @property
    def log(self) -> Path:
        """What sshd says, at level VERBOSE: serials and key ids appear here."""
        return self.folder / "sshd.log"

    @property
    def pid(self) -> int:
        """The process id of the listening sshd; it stays the same when it reloads."""
        if self._process is None:
            raise HostFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def reload_command(self) -> list[str]:
        """The argument list that makes sshd read its configuration again. A small Debian has no ``/bin/kill``."""
        return ["/bin/sh", "-c", f"kill -HUP {self.pid}"]

    @property
    def additions(self) -> dict[str, str]:
        """What sshd, and ``sshd -t``, need in their environment beside the usual."""
        return {**self.server.environment, **self._stand_in}

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the additions."""
        return {**os.environ, **self.additions}

    def prepare(self) -> None:
        """Makes files and picks a free port. The host can be enrolled now."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        machine.make_folders(self.folder)
        if isolate.possible():
            machine.add_accounts(self.folder)
        elif os.geteuid() == 0:
            self._stand_in = machine.nss_environment(self.folder)
        self.port = self.port or _free_port()
        text = machine.sshd_config(
            self.folder,
            address=ADDRESS,
            port=self.port,
            server=self.server,
            own_accounts=isolate.possible(),
            penalties=self.penalties,
        )
        self.config.write_text(text)

    def start(self) -> None:
        """Starts sshd and returns when it listens. Raises ``HostFailed``."""
        program = [str(self.server.path), "-D", "-e", "-f", str(self.config)]
        since = self.mark()
        if self._stand_in and not PRIVSEP_FOLDER.exists():
            PRIVSEP_FOLDER.mkdir(mode=0o755)
            self._made_folder = True
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                isolate.enter(self._spec(), program) if isolate.possible() else program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd="/",
                start_new_session=True,
            )
        self._wait_until_listening(since)
        if isolate.possible():
            self._namespace = processes.MountNamespace(self.pid)

    def reload(self) -> None:
        """Makes sshd read its configuration again; sessions go on. Returns when it listens again."""
        since = self.mark()
        os.kill(self.pid, signal.SIGHUP)
        self._wait_until_listening(since)

    def stop(self) -> None:
        """Ends sshd and every process of its sessions; with the last of them goes the namespace."""
        if self._process is None:
            return
        sessions = processes.descendants(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        processes.end(lambda: self._left(sessions))
        if self._made_folder:
            PRIVSEP_FOLDER.rmdir()
        if self._namespace is not None:
            self._namespace.close()
        self._process, self._namespace, self._made_folder = None, None, False

    def inside(self, program: Sequence[str]) -> list[str]:
        """The argument list that runs a program on this host, as root sees it there. Only while the host runs."""
        if not isolate.possible():
            return list(program)
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "--", *program]

    def mark(self) -> int:
        """How long the log is now, for ``said``."""
        return self.log.stat().st_size if self.log.exists() else 0

    def said(self, since: int = 0) -> str:
        """What sshd logged after ``since``."""
        return self.log.read_bytes()[since:].decode(errors="replace") if self.log.exists() else ""

    def _spec(self) -> Spec:
        readable = [*isolate.surroundings(), *([self.server.root] if self.server.root else [])]
        return Spec(
            cover=tuple(dict.fromkeys([*COVERED, *isolate.barriers([self.folder, *readable])])),
            read=tuple(map(str, readable)),
            write=(str(self.folder),),
            over=tuple((str(self.folder / source), target) for source, target in machine.LAID_OVER.items()),
            folders=(str(PRIVSEP_FOLDER),),
        )

    def _wait_until_listening(self, since: int) -> None:
        limit = time.monotonic() + START_LIMIT
        while f"Server listening on {ADDRESS} port {self.port}" not in self.said(since):
            if self._process is None or self._process.poll() is not None or time.monotonic() > limit:
                raise HostFailed(f"sshd of {self.name} does not listen:\n{self.said(since)[-2000:]}")
            time.sleep(0.02)

    def _left(self, sessions: set[int]) -> set[int]:
        """Processes of this host that live: by its namespace, else by ancestry and by whose connection they serve."""
        if self._namespace is not None:
            return self._namespace.processes()
        served = processes.with_environment(b"SSH_CONNECTION", f" {ADDRESS} {self.port}".encode())
        return served | {pid for pid in sessions if processes.alive(pid)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])

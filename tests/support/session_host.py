"""A host whose sessions end with their grants: a Debian system with its own PAM, accounts, sshd and session daemon.

``Host.system`` must be a ``debian_root.System``. Its sshd, PAM and the daemon run in there; control groups are the real
ones of this machine, in a group that the daemon makes and removes, or none, as a test wants it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshjit_host.machine import control_groups
from sshjit_host.machine.control_groups import Fence
from sshjit_host.sessions import hook
from tests.support.debian_root import System
from tests.support.host_machine import Authority, Front, Host, line, make_key, run
from tests.support.waiting import wait_until

UID = 4711
PEOPLE = ("deploy", "owner", "jump")
"""Accounts: one that certificates open, one that only a plain key opens, and one by which people pass through."""
GRANT = "req-0123456789abcdef"
OPTIONS = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")


@dataclass(frozen=True)
class PamSystem(System):
    """A system with accounts of its own and with files of ``folder`` in the places of its own."""

    folder: Path = field(default_factory=Path)
    groups: bool = True
    """Whether it has control groups."""

    def inside(self, command: Sequence[str | Path], *, share: Any = ()) -> list[str]:
        """As ``System.inside``, with the files laid over it."""
        steps = ["set -e", "chmod 0755 /root"]
        if self.groups:
            steps += ["mount -t sysfs sysfs /sys", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"]
        for name in ("passwd", "shadow", "group", "pam.d"):
            steps.append(f"mount --bind {self.folder}/etc/{name} /etc/{name}")
        steps.append('exec "$@"')
        return super().inside(["/bin/sh", "-c", "; ".join(steps), "sh", *command], share=share)


class SessionHost(Host):
    """A host with the hook in PAM. ``deploy`` takes certificates, ``owner`` takes a plain key."""

    def __init__(
        self, base: System, folder: Path, program: Path, front: Front, authority: Authority, **more: Any
    ) -> None:
        groups = bool(more.pop("groups", True))
        system = PamSystem(base.suite, base.root, folder, groups)
        self._make_etc(base.root, folder)
        super().__init__(folder, program, front.url, authority.fingerprint, system)
        self.authority = authority
        self.front = front
        self.sequence = 0
        self.owner_key = make_key(folder / "owner_key")
        keys = folder / "owner_keys"
        keys.write_text(f"{line(self.owner_key)}\n")
        self.settings |= {"logins": ["deploy", "root"], "run": str(folder / "run"), "pam": "/etc/pam.d", **more}
        self.write_sshd_config(
            after=f"UsePAM yes\nMaxStartups 500\nMaxSessions 100\nMatch User owner\nAuthorizedKeysFile {keys}"
        )

    def _make_etc(self, root: Path, folder: Path) -> None:
        etc = folder / "etc"
        etc.mkdir()
        run("cp", "-r", root / "etc/pam.d", etc / "pam.d")
        for name, added in {
            "passwd": [f"{who}:x:{UID + n}:{UID + n}::/tmp:/bin/sh" for n, who in enumerate(PEOPLE)],
            "shadow": [f"{who}:*:19000::::::" for who in PEOPLE],
            "group": [f"{who}:x:{UID + n}:" for n, who in enumerate(PEOPLE)],
        }.items():
            (etc / name).write_text((root / "etc" / name).read_text() + "".join(f"{each}\n" for each in added))

    def tell(self, **changes: Any) -> str:
        """Give the host a newer bundle; what ``refresh`` says."""
        self.offer(**changes)
        return self.refresh()

    def offer(self, **changes: Any) -> None:
        """Have the front end offer a newer bundle."""
        self.sequence += 1
        self.front.serve(self.authority.offer(sequence=self.sequence, **changes))

    def offer_revoked(self, serial: int) -> None:
        """Have the front end offer a bundle that revokes one certificate."""
        listed = self.authority.krl(f"serial: {serial}\n")
        self.offer(krl=base64.b64encode(listed).decode("ascii"))

    def revoke(self, serial: int) -> str:
        """Revoke one certificate, and refresh."""
        self.offer_revoked(serial)
        return self.refresh()

    def install(self) -> str:
        """Put the hook into PAM, while the daemon runs; the program's lines."""
        with contextlib.nullcontext() if self.status() else self.daemon():
            return run(*self.command("sessions", "--install"))

    @contextlib.contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """The session daemon, running and answering."""
        log = (self.folder / "daemon.log").open("ab")
        with log, subprocess.Popen(self.command("sessions"), stdout=log, stderr=log) as process:
            try:
                wait_until(lambda: process.poll() is not None or self.status() is not None, "no daemon answers")
                assert process.poll() is None, self.daemon_log()
                yield process
            finally:
                process.terminate()

    def daemon_log(self) -> str:
        """What the daemon said."""
        return (self.folder / "daemon.log").read_text()

    def status(self) -> dict[str, Any] | None:
        """What the daemon says of itself."""
        try:
            return hook.ask(self.folder / "run" / hook.SOCKET, {"ask": "status"}, 0.2)
        except (OSError, ValueError):
            return None

    def sessions(self) -> int:
        """How many sessions the daemon watches."""
        answer = self.status()
        return -1 if answer is None else int(answer["sessions"])

    def certificate(self, serial: int, *, grant: str = GRANT, seconds: int = 3600, **more: Any) -> Path:
        """A key with a certificate for ``deploy`` that names a grant, as the CA's do."""
        return user_certificate(self.authority, serial, grant=grant, ends=int(time.time()) + seconds, **more)

    def ssh(self, key: Path, *command: str, login: str = "deploy", options: Sequence[str] = ()) -> list[str]:
        """The argument list of ``ssh`` to this host."""
        argv = ["ssh", "-F", "none", "-i", str(key), "-p", str(self.port), "-l", login, "-q"]
        argv += [part for option in (*OPTIONS, *options) for part in ("-o", option)]
        return [*argv, "127.0.0.1", *command]

    @contextlib.contextmanager
    def session(
        self, key: Path, *command: str, login: str = "deploy", options: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A session in which a command runs that prints ``ready``; it has done so when the block begins."""
        argv = self.ssh(key, *command, login=login, options=options)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                assert process.stdout is not None
                first = process.stdout.readline()
                assert b"ready" in first, (first, process.stdout.read(), self.daemon_log())
                yield process
            finally:
                process.kill()

    def seconds(self, mark: str) -> str:
        """A time to sleep that nobody else on this machine sleeps."""
        return f"{mark}.{self.port}"

    def clear(self) -> None:
        """End what sessions of people who are not ended by anybody left behind."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if re.fullmatch(rf"sleep\0[0-9]+\.{self.port}\0", path.read_text()):
                    os.kill(int(path.parent.name), signal.SIGKILL)
        place = Fence(self.folder / "run").place
        if place is not None:
            control_groups.remove(str(place))

    def runs(self, mark: str) -> list[int]:
        """The processes of this host that sleep so long."""
        found, sleeping = [], self.seconds(mark).encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if words[:2] == [b"sleep", sleeping]:
                    found.append(int(path.parent.name))
        return found


def user_certificate(authority: Authority, serial: int, *, grant: str, ends: int, **more: Any) -> Path:
    """A key with a certificate; ``more``: ``principals``, ``key_id``, ``times``, ``ca``."""
    key = make_key(authority.folder / f"session-{serial}")
    extension = ["-O", f"extension:grant@ssh-jit={grant} {ends}"] if grant else []
    identity = more.get("key_id", f"{grant} sub-1 acme/alice@example.com")
    words = ["-n", more.get("principals", "deploy@web1"), "-z", str(serial), "-V", more.get("times", "-1m:+5m")]
    run("ssh-keygen", "-q", "-s", more.get("ca", authority.user_ca), "-I", identity, *words, *extension, key)
    return key


@contextlib.contextmanager
def session_host(
    base: System, parent: Path, program: Path, front: Front, authority: Authority, **more: Any
) -> Iterator[SessionHost]:
    """A host that has joined, with its hook in place; sshd and the daemon are the test's to start."""
    with tempfile.TemporaryDirectory(prefix="test-sessions-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        host = SessionHost(base, folder, Path(shutil.copy(program, folder)), front, authority, **more)
        try:
            host.tell()
            host.install()
            yield host
        finally:
            host.clear()

#!/usr/bin/python3 -IS
"""``systemctl`` for a machine without systemd: starts what units say, as whom they say it, and waits as systemd would.

Reads the real unit files. Of what confines a service it does nothing; ``make test-install`` has the real systemd. A
verb, unit or kind of service that it does not know ends it with an error, so that nothing passes by being ignored.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUN = Path("/run/units")
FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
WAIT = 60
"""Seconds until a service that is not ready is an error."""
POSTGRES = "postgresql"
"""Its unit only starts others, by a generator: here it is the first cluster."""


class Unit:
    """A service, by its unit file."""

    def __init__(self, name: str) -> None:
        self.name = name.removesuffix(".service")
        self.file = next((path for folder in FOLDERS if (path := folder / f"{self.name}.service").exists()), None)
        self.settings: dict[str, list[str]] = {}
        for line in [] if self.file is None else self.file.read_text().replace("\\\n", " ").splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                self.settings.setdefault(key, []).append(value)

    def value(self, key: str, default: str = "") -> str:
        """The last value of a key."""
        return self.settings.get(key, [default])[-1]

    @property
    def pid(self) -> int:
        """The main process; 0 if there is none that lives."""
        places = [RUN / self.name, Path(self.value("PIDFile", "/nowhere"))]
        for place in places:
            with contextlib.suppress(OSError, ValueError):
                number = int(place.read_text())
                os.kill(number, 0)
                return number
        return 0

    def argv(self, key: str) -> list[list[str]]:
        """The commands of a key, with what systemd would put in."""
        lines = [shlex.split(text.lstrip("-")) for text in self.settings.get(key, [])]
        put_in = {"$MAINPID": str(self.pid)}
        return [[put_in.get(word, word) for word in line if not word.startswith("$SSHD")] for line in lines]

    def start(self) -> None:
        """Start it, if it does not run, and wait until it is ready."""
        if self.name == POSTGRES:
            _cluster("start", accepted=(0, 2))  # 2: it runs already
            return
        if self.file is None:
            sys.exit(f"Unit {self.name}.service not found.")
        if self.pid:
            return
        self._make_folders()
        for command in self.argv("ExecStartPre"):
            subprocess.run(command, check=True)
        kind = self.value("Type", "simple")
        if kind == "forking":
            (command,) = self.argv("ExecStart")
            subprocess.run(command, check=True)
        elif kind in ("simple", "exec", "notify"):
            self._spawn(notify=kind == "notify")
        else:
            sys.exit(f"{self.name}: this systemctl does not know Type={kind}")

    def _make_folders(self) -> None:
        account = pwd.getpwnam(self.value("User", "root"))
        for key, base in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            if self.value(key):
                folder = Path(base, self.value(key))
                folder.mkdir(exist_ok=True)
                folder.chmod(int(self.value(f"{key}Mode", "0755"), 8))
                os.chown(folder, account.pw_uid, account.pw_gid)

    def _spawn(self, *, notify: bool) -> None:
        user = self.value("User", "root")
        account = pwd.getpwnam(user)
        environment = {"PATH": os.environ["PATH"], "USER": user, "HOME": account.pw_dir, "LANG": "C.UTF-8"}
        (command,) = self.argv("ExecStart")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, (RUN / f"{self.name}.log").open("ab") as log:
            if notify:
                place = RUN / f"{self.name}.notify"
                place.unlink(missing_ok=True)
                ready.bind(str(place))
                os.chown(place, account.pw_uid, account.pw_gid)
                environment["NOTIFY_SOCKET"] = str(place)
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                user=user,
                group=account.pw_gid,
                extra_groups=[],
                umask=int(self.value("UMask", "0022"), 8),
                start_new_session=True,
            )
            (RUN / self.name).write_text(str(process.pid))
            until = time.monotonic() + WAIT
            ready.settimeout(0.1)
            while notify and process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    if b"READY=1" in ready.recv(4096):
                        return
            if notify or process.poll() is not None:
                sys.exit(f"Job for {self.name}.service failed: {(RUN / f'{self.name}.log').read_text()[-2000:]}")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self.name == POSTGRES:
            _cluster("stop", accepted=(0, 2))
            return
        number = self.pid
        until = time.monotonic() + WAIT
        while number and self.pid == number:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM if time.monotonic() < until else signal.SIGKILL)
            time.sleep(0.05)

    def reload(self) -> None:
        """Have it read its settings again."""
        if not self.pid:
            sys.exit(f"{self.name}.service is not active, cannot reload.")
        for command in self.argv("ExecReload"):
            subprocess.run(command, check=True)


def _cluster(verb: str, *, accepted: tuple[int, ...]) -> None:
    version, name = subprocess.run(["pg_lsclusters", "-h"], check=True, capture_output=True, text=True).stdout.split()[
        :2
    ]
    done = subprocess.run(["pg_ctlcluster", "--skip-systemctl-redirect", version, name, verb], check=False)
    if done.returncode not in accepted:
        sys.exit(f"Job for postgresql.service failed: {done.returncode}")


def _enable(unit: Unit) -> None:
    if unit.file is None and unit.name != POSTGRES:
        sys.exit(f"Unit file {unit.name}.service does not exist.")
    if unit.file is not None:
        wants = FOLDERS[0] / "multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / f"{unit.name}.service"
        link.unlink(missing_ok=True)
        link.symlink_to(unit.file)


def main() -> int:
    """Do what the command line says; return the exit code."""
    RUN.mkdir(exist_ok=True)
    words = [word for word in sys.argv[1:] if word not in ("--quiet", "--now")]
    verb, names = words[0], words[1:]
    if verb == "daemon-reload" and not names:
        return 0
    units = [Unit(name) for name in names]
    if verb == "is-active":
        return 0 if all(unit.pid for unit in units) else 3
    steps: dict[str, list[Callable[[Unit], None]]] = {
        "enable": [_enable, *([Unit.start] if "--now" in sys.argv else [])],
        "start": [Unit.start],
        "stop": [Unit.stop],
        "restart": [Unit.stop, Unit.start],
        "reload": [Unit.reload],
    }
    if verb not in steps or not units:
        sys.exit(f"this systemctl does not know {shlex.join(sys.argv[1:])}")
    for unit in units:
        for step in steps[verb]:
            step(unit)
    return 0


if __name__ == "__main__":
    sys.exit(main())

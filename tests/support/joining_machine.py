"""Servers that join: whole Debian systems with a network, processes and files of their own, and a CA that they join.

A ``Machine`` is a set of namespaces (mounts, network, processes, host name) in which a debootstrap root runs its own
sshd as a plain daemon, at its usual places and its own address. What it writes is in memory and gone with it. Its front
end listens on its loopback, so nothing is reachable from outside. ``Enrolling`` answers as the CA does, judged by
OpenSSH.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import debian
from tests.support import debian_root, host_machine
from tests.support.host_machine import Authority, Front, make_key, run
from tests.support.waiting import wait_until

TOKEN = "A" * 42 + "E"
"""A joining token, as base64url."""
ACCOUNTS = ("deploy", "postgres", "owner")
PROGRAM = "/usr/local/sbin/ssh-jit-host"
_CLONE_NEWNET = 0x40000000

_HANG_UP = "kill -HUP $(cat /run/sshd.pid)"
_SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>/run/asked
verb=$1; shift; [ "$1" = --quiet ] && shift
lives() { [ -e /run/units/$1 ] && kill -0 $(cat /run/units/$1) 2>/dev/null; }
end() {
    lives $1 && kill $(cat /run/units/$1)
    while lives $1; do sleep 0.05; done
    rm -f /run/units/$1
}
case "$verb $1" in
"is-active ssh.service"|"daemon-reload "|try-restart*) exit 0;;
"is-active ssh-jit-host"*) lives $1 || exit 3;;
is-active*) exit 3;;
"reload ssh.service") RELOAD;;
"stop ssh-jit-host"*) end $1;;
"restart ssh-jit-host-refresh.timer")
    end $1
    timer=/etc/systemd/system/timers.target.wants/$1
    [ -e $timer ] || exit 5
    seconds=$(grep ^OnUnitInactiveSec= $timer | tr -dc 0-9)
    command=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/ssh-jit-host-refresh.service)
    setsid sh -c "while :; do $command; sleep $seconds; done" </dev/null >>/run/units.log 2>&1 &
    echo $! >/run/units/$1;;
"restart ssh-jit-host"*)
    end $1
    unit=/etc/systemd/system/multi-user.target.wants/$1
    [ -e $unit ] || exit 5
    setsid $(sed -n 's/^ExecStart=//p' $unit) </dev/null >>/run/units.log 2>&1 &
    echo $! >/run/units/$1;;
*) exit 1;;
esac
"""


class Enrolling:
    """What the CA does about hosts: checks MAC and signatures, and gives certificates; ``how`` changes one answer."""

    def __init__(self, authority: Authority, name: str = "web1") -> None:
        self.authority = authority
        self.name = name
        self.host_id = name
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.how: dict[str, Any] = {}
        self.joined: list[str] = []
        self.left = False
        self.events: list[dict[str, Any]] = []
        """What the host told of sessions."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one ``POST``."""
        what = path.rpartition("/")[2]
        if what == "sessions":
            self.events += body["events"]
            return 200, {"taken": body["events"][-1]["number"]}
        self.asked.append((what, body))
        if self.how.get("down"):
            return 503, {}
        done = {"join": self._join, "renew": self._renew, "leave": self._leave}[what](body)
        return done if done is not None else (403, _error("join_refused", "the token was used"))

    def _join(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        said = {name: value for name, value in body.items() if name not in ("mac", "signatures")}
        shown = json.dumps(said, sort_keys=True, separators=(",", ":"))
        text = f"ssh-jit join v2\nlab\n{shown}\n".encode()
        mac = urlsafe_b64encode(hmac.digest(_token(), text, hashlib.sha256)).decode().rstrip("=")
        if body["mac"] != mac or self.joined or body["name"] != self.name:
            return None
        for line, signature in zip(body["host_keys"], body["signatures"], strict=True):
            assert self._signed(line, signature, text + f"{mac}\n".encode(), "join@ssh-jit")
        self.joined = list(body["host_keys"])
        return self._certified(body)

    def _renew(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if not self.joined or not set(body["host_keys"]) <= set(self.joined):
            return 403, _error("unknown_host_key", "no host of this name is enrolled with this key")
        text = "\n".join(("ssh-jit renew v1", "lab", self.name, str(body["time"]), *body["host_keys"], "")).encode()
        if "host_certificates" in body:
            said = {name: value for name, value in body.items() if name != "signatures"}
            shown = json.dumps(said, sort_keys=True, separators=(",", ":"))
            text = f"ssh-jit renew v2\nlab\n{shown}\n".encode()
        for line, signature in zip(body["host_keys"], body["signatures"], strict=True):
            assert self._signed(line, signature, text, "renew@ssh-jit")
        return self._certified(body)

    def _leave(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        text = "\n".join(("ssh-jit leave v1", "lab", body["name"], str(body["time"]), "")).encode()
        assert self._signed(body["host_key"], body["signature"], text, "leave@ssh-jit")
        if body["host_key"] not in self.joined:
            return 403, _error("unknown_host_key", "no host of this name is enrolled with this key")
        self.left, self.joined = True, []
        return 200, {}

    def _signed(self, line: str, signature: str, text: bytes, space: str) -> bool:
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, "signers").write_text(f'host namespaces="{space}" {line}\n')
            Path(scratch, "signature").write_text(signature)
            options = ["-f", f"{scratch}/signers", "-I", "host", "-n", space, "-s", f"{scratch}/signature"]
            command = ["ssh-keygen", "-Y", "verify", *options]
            return subprocess.run(command, input=text, capture_output=True, check=False).returncode == 0

    def _certified(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        lines = [line for line in body["host_keys"] if line.split()[0] not in self.how.get("without", ())]
        certificates = [self.certificate(line) for line in lines]
        made = self.how.get("change", lambda given: given)(certificates)
        return 201, {"certificates": made, "host": {}, "bundle_root": "", "bundle_key": "", "invitation": None}

    def certificate(self, line: str, *, names: str = "", times: str = "-1m:+7d", ca: Path | None = None) -> str:
        """A host certificate for a public key."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "key.pub")
            path.write_text(f"{line}\n")
            key_id = self.how.get("key_id", f"host {self.host_id}")
            who = names or f"{self.name},{self.name}.lab"
            ours = ca or self.authority.host_ca
            kind = self.how.get("kind", ["-h"])
            run("ssh-keygen", "-q", *kind, "-s", ours, "-I", key_id, "-n", who, "-V", times, path)
            return " ".join(Path(scratch, "key-cert.pub").read_text().split()[:2])


def _token() -> bytes:
    return urlsafe_b64decode(f"{TOKEN}=")


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": "ask the operator for a new token"}}


def held(path: Path) -> tuple[bytes, int, int, int]:
    """A file's or link's bytes, its mode, user and group. Raises ``FileNotFoundError`` if it is gone."""
    status = path.lstat()
    data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    data = str(path.readlink()).encode() if path.is_symlink() else data
    return data, status.st_mode, status.st_uid, status.st_gid


@dataclass
class Machine:
    """A running server. ``pid`` is its first process; ``root`` its files, seen from here."""

    name: str
    address: str
    suite: str
    pid: int
    authority: Authority
    front: Front
    ca: Enrolling
    keys: Path
    port: int = 22
    own_network: bool = True

    @property
    def root(self) -> Path:
        """The machine's root folder."""
        return Path(f"/proc/{self.pid}/root")

    def path(self, name: str) -> Path:
        """A file of the machine."""
        return self.root / name.lstrip("/")

    def argv(self, *command: str) -> list[str]:
        """The argument list that runs a command in there."""
        target = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u", "-r", "-w"]
        environment = [
            "/usr/bin/env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
        ]
        return [*target, *environment, *command]

    def sh(self, script: str, *, code: int = 0, given: str = "") -> str:
        """Run a shell script in there, which must end with this code; what it prints."""
        return run(*self.argv("sh", "-c", script), given=given.encode(), code=code)

    def line(self, *options: str) -> list[str]:
        """The words of the joining line after ``ssh-jit-host``."""
        root = self.authority.fingerprint
        return [
            *("join", "--url", self.front.url, "--root", root, "--name", self.name, "--login", "deploy"),
            *("--login", "postgres", "--token-file", "-", *options),
        ]

    def program(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run ``ssh-jit-host``, brought by a joining line, which must end with this code; what it prints."""
        self.install()
        return run(*self.argv("/usr/bin/python3", "-IS", PROGRAM, *words), given=given.encode(), code=code)

    def install(self) -> None:
        """Bring the program, as the joining line does."""
        if not self.path(PROGRAM).exists():
            self.path(PROGRAM).write_bytes((self.keys / "program").read_bytes())
            self.path(PROGRAM).chmod(0o755)

    def join(self, *options: str, code: int = 0, token: str = TOKEN) -> str:
        """Paste the joining line."""
        return self.program(*self.line(*options), code=code, given=f"{token}\n")

    def snapshot(self) -> dict[str, tuple[bytes, int, int, int]]:
        """All that joining might change: bytes, mode, user and group by path."""
        found = {}
        for folder in ("etc", "usr/local", "root", "var/lib"):
            for path in sorted(self.path(folder).rglob("*")):
                name = str(path.relative_to(self.root))
                if f"/{name}" == PROGRAM:  # the joining line brings it, and `leave` takes it away
                    continue
                with contextlib.suppress(FileNotFoundError):  # what runs there takes some away meanwhile
                    found[name] = held(path)
        return found

    def start_sshd(self, *options: str) -> None:
        """Start sshd as a daemon that nobody watches over."""
        self.sh(f"/usr/sbin/sshd -E /var/log/sshd.log {shlex.join(options)}")
        self.wait_for_sshd()

    def wait_for_sshd(self) -> None:
        """Wait until somebody listens."""
        code = f"import socket; socket.create_connection(('127.0.0.1', {self.port})).close()"
        probe = self.argv("python3", "-IS", "-c", code)
        wait_until(lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0, "no sshd")

    def stand_in_systemd(self, sshd: str = _HANG_UP) -> None:
        """A ``systemctl`` that starts and stops what our units say, and reloads sshd; nothing of it confines them."""
        self.sh("mkdir -p /run/systemd/system /run/units")
        place = self.path("/usr/local/bin/systemctl")
        place.write_text(_SYSTEMCTL.replace("RELOAD", sshd))
        place.chmod(0o755)

    def end_units(self) -> None:
        """As when the machine loses power: what systemd started is gone."""
        self.sh("for unit in /run/units/*; do kill -KILL $(cat $unit) && rm $unit; done 2>/dev/null; true")

    def log(self) -> str:
        """Sshd's log."""
        return self.path("/var/log/sshd.log").read_text(errors="replace")

    def ssh(self, key: Path, login: str = "deploy", *, options: Sequence[str] = ()) -> int:
        """Log in from the machine's network; ssh's exit code (255: refused)."""
        settings = ("BatchMode=yes", "IdentitiesOnly=yes", "PreferredAuthentications=publickey", *options)
        if not any(option.startswith("UserKnownHostsFile") for option in settings):
            settings += ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        words = [word for setting in settings for word in ("-o", setting)]
        argv = [
            "ssh",
            "-F",
            "none",
            "-q",
            "-i",
            str(key),
            "-l",
            login,
            "-p",
            str(self.port),
            *words,
            self.address,
            "true",
        ]
        inside = ["nsenter", "-t", str(self.pid), "-n", "--", *argv] if self.own_network else argv
        done = subprocess.run(inside, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
        return done.returncode

    def owner(self) -> int:
        """Whether the owner gets in by the plain key that has nothing to do with us."""
        return self.ssh(self.keys / "owner", "owner")


_START = """set -e
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=$ROOT,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs -o mode=0755 tmpfs run
mkdir -p run/sshd
if [ $PORT = 22 ]; then
    ip link set lo up
    ip address add $ADDRESS/32 dev lo
else
    printf 'Port %s\nListenAddress 127.0.0.1\n' $PORT >etc/ssh/sshd_config.d/91-owner.conf
fi
hostname $NAME
install -m 0755 $PROGRAM usr/local/sbin/ssh-jit-host
for account in $ACCOUNTS; do chroot . useradd --create-home --shell /bin/sh --password '*' $account; done
install -d -m 0700 -o $(chroot . id -u owner) home/owner/.ssh
install -m 0600 -o $(chroot . id -u owner) $OWNER.pub home/owner/.ssh/authorized_keys
if chroot . /usr/sbin/sshd -T | grep -qi persourcepenalties; then
    echo 'PerSourcePenalties no' >etc/ssh/sshd_config.d/90-owner.conf
fi
: >ready
exec chroot . /usr/bin/python3 -IS -c 'import time, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
time.sleep(3600)'
"""


@contextlib.contextmanager
def machine(
    authority: Authority,
    program: Path,
    *,
    suite: str = "sid",
    packages: Sequence[str] = (),
    name: str = "web1",
    port: int = 22,
) -> Iterator[Machine]:
    """A server of a Debian release with further packages, its own sshd running, and a front end that it reaches.

    With another port than 22 its network is that of the tests, and so is its front end: the real one.
    """
    own = port == 22
    address = "10.77.0.1" if own else "127.0.0.1"
    root = (debian_root.system_with(suite, packages) if packages else debian_root.system(suite)).root
    with tempfile.TemporaryDirectory(prefix="test-join-", dir=debian.cache()) as scratch:
        Path(scratch).chmod(0o755)
        keys = Path(scratch)
        make_key(keys / "owner")
        copy = Path(shutil.copy(program, keys / "program"))
        environment = {
            "ROOT": str(root),
            "ADDRESS": address,
            "NAME": name,
            "PROGRAM": str(copy),
            "PORT": str(port),
            "PATH": os.environ["PATH"],
            "ACCOUNTS": " ".join(ACCOUNTS),
            "OWNER": str(keys / "owner"),
        }
        words = ["unshare", "--mount", "--propagation", "private", "--pid", "--uts", "--fork", "--kill-child"]
        words += ["--net"] if own else []
        outer = subprocess.Popen([*words, "sh", "-c", _START], env=environment, stdout=subprocess.DEVNULL)
        try:
            pid = _first(outer)
            wait_until(Path(f"/proc/{pid}/root/ready").exists, "the machine did not start")
            with _front_inside(pid) as front:
                ca = Enrolling(authority, name)
                front.posted = ca.answer
                front.serve(authority.offer())
                made = Machine(name, address, suite, pid, authority, front, ca, keys, port, own)
                made.path("/ready").unlink()
                made.start_sshd()
                yield made
        finally:
            outer.kill()
            outer.wait()


def _first(outer: subprocess.Popen[bytes]) -> int:
    """The machine's first process: the only child of ``unshare``."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    wait_until(lambda: children.read_text().split(), "unshare did not start")
    return int(children.read_text().split()[0])


@contextlib.contextmanager
def _front_inside(pid: int) -> Iterator[Front]:
    """A front end whose socket is in the network of a process; its code runs here."""
    made: list[socket.socket] = []

    def bind() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{pid}/ns/net").open("rb") as space:
            assert libc.setns(space.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        made.append(socket.create_server(("127.0.0.1", 0)))

    # A thread's network is its own; what it opened there stays there.
    thread = threading.Thread(target=bind)
    thread.start()
    thread.join()
    with host_machine.front(made[0]) as place:
        yield place

"""The machines of the Vagrantfile, without Vagrant: Debian roots in namespaces, on one private network.

Each has what Debian's box has (sudo, an account ``vagrant``, OpenSSH that runs), a copy of nothing but this repository
at ``/vagrant``, and no way out: pip finds its packages in a folder, and apt finds everything installed. The packages
are those that the provisioning scripts name. ``systemctl`` is ``small_systemd``; the host computer's ``vagrant`` is a
script that knows ``vagrant ssh``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from demo import debian
from demo.isolate import REPOSITORY
from tests.support import debian_root, wheels
from tests.support.debian_root import System

VAGRANTFILE = REPOSITORY / "Vagrantfile"
SCRIPTS = REPOSITORY / "hostconfig" / "vagrant"
SUITE, PYTHON = "bookworm", "3.11"
"""The box, and its Python."""
BOX = ("openssh-server", "python3", "sudo")
"""What the box has before anybody provisions it."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENTER = ("-m", "-n", "-p", "-u", "-r", "-w")


def addresses() -> dict[str, str]:
    """The machines' addresses, as the Vagrantfile says them."""
    text = VAGRANTFILE.read_text()
    (ca,) = re.findall(r'^CA = "([0-9.]+)"$', text, re.MULTILINE)
    (servers,) = re.findall(r"^SERVERS = \{(.*)\}$", text, re.MULTILINE)
    return {"ca": ca, **dict(re.findall(r'"(\w+)" => "([0-9.]+)"', servers))}


def packages(script: str) -> list[str]:
    """The Debian packages that a provisioning script installs."""
    lines = re.findall(
        r"^apt-get .*install --no-install-recommends (.*)$", (SCRIPTS / script).read_text(), re.MULTILINE
    )
    assert lines, f"{script} installs nothing"
    return [name for line in lines for name in line.split()]


@dataclass
class Machine:
    """One of them. ``pid`` is its first process."""

    name: str
    address: str
    pid: int

    def path(self, name: str) -> Path:
        """A file of the machine, seen from here."""
        return Path(f"/proc/{self.pid}/root", name.lstrip("/"))

    def sh(self, script: str, *, code: int = 0, user: str = "root", given: str = "") -> str:
        """Run a shell script in there as somebody, which must end with this code; what it prints."""
        environment = [
            "env",
            "-i",
            f"PATH={PATH}",
            "PIP_NO_INDEX=1",
            "PIP_FIND_LINKS=/wheels",
            "PIP_ROOT_USER_ACTION=ignore",
        ]
        words = ["nsenter", "-t", str(self.pid), *_ENTER, *environment, "runuser", "-u", user, "--", "sh", "-c", script]
        done = subprocess.run(
            words, check=False, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == code, f"{self.name}: {script}\nended with {done.returncode}: {done.stdout}"
        return done.stdout


@dataclass
class Machines:
    """All of them, by name. ``tools`` is a folder for the host computer's path."""

    tools: Path
    by_name: dict[str, Machine] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Machine:
        return self.by_name[name]

    def join(self, *, code: int = 0) -> str:
        """Run ``join.sh`` on the host computer."""
        environment = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
        done = subprocess.run(
            [SCRIPTS / "join.sh"], check=False, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd="/",
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout


_START = """set -e
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=$ROOT,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs -o mode=0755 tmpfs run
mkdir -p run/systemd/system run/lock vagrant wheels
mount --bind -o ro $SOURCES vagrant
mount --bind -o ro $WHEELS wheels
install -m 0755 $SYSTEMCTL usr/local/bin/systemctl
hostname $NAME
echo "127.0.1.1 $NAME" >>etc/hosts
: >etc/apt/sources.list
rm etc/ssh/ssh_host_*
chroot . ssh-keygen -A >/dev/null
chroot . useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >etc/sudoers.d/vagrant
echo ready
exec chroot . /usr/bin/python3 -IS -c 'import time, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
time.sleep(3600)'
"""
_SWITCH = """set -e
ip link add br0 type bridge
ip link set br0 up
echo ready
exec sleep 3600"""
_VAGRANT = """#!/bin/sh
# vagrant ssh NAME -c COMMAND -- -T
[ "$#" = 6 ] && [ "$1 $3 $5 $6" = "ssh -c -- -T" ] || { echo "this vagrant knows no: $*" >&2; exit 97; }
read -r pid <"$(dirname "$0")/$2.pid"
exec nsenter -t "$pid" ENTER env -i PATH=NORMAL runuser -u vagrant -- sh -c "$4"
"""


@contextlib.contextmanager
def started() -> Iterator[Machines]:
    """The machines, as Vagrant makes them from the box: running, reachable, not provisioned."""
    with (
        tempfile.TemporaryDirectory(prefix="test-vagrant-", dir=debian.cache()) as scratch,
        contextlib.ExitStack() as stack,
    ):
        machines = Machines(Path(scratch))
        script = Path(scratch, "vagrant")
        script.write_text(_VAGRANT.replace("ENTER", shlex.join(_ENTER)).replace("NORMAL", PATH))
        script.chmod(0o755)
        switch = stack.enter_context(_process(["unshare", "--net", "sh", "-c", _SWITCH]))
        for name, address in addresses().items():
            provisioned_by = "ca.sh" if name == "ca" else "server.sh"
            system = debian_root.system_with(SUITE, [*BOX, *packages(provisioned_by)])
            made = stack.enter_context(_machine(name, address, system))
            _connect(switch.pid, made)
            made.sh("systemctl start ssh")
            (machines.tools / f"{name}.pid").write_text(f"{made.pid}\n")
            machines.by_name[name] = made
        yield machines


@contextlib.contextmanager
def _process(command: list[str], **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says when it is ready, and is ended with the block."""
    environment = {"PATH": os.environ["PATH"], **more}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", f"{command} did not start"
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _machine(name: str, address: str, system: System) -> Iterator[Machine]:
    words = ["unshare", "--mount", "--propagation", "private", "--pid", "--uts", "--net", "--fork", "--kill-child"]
    more = {
        "ROOT": str(system.root),
        "NAME": name,
        "SOURCES": str(REPOSITORY),
        "WHEELS": str(wheels.server(PYTHON)),
        "SYSTEMCTL": str(Path(__file__).with_name("small_systemd.py")),
    }
    with _process([*words, "sh", "-c", _START], **more) as outer:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
        yield Machine(name, address, int(children.split()[0]))


def _connect(switch: int, machine: Machine) -> None:
    """Give the machine its address on the private network."""
    inside = f"nsenter -t {machine.pid} -n"
    script = f"""set -e
ip link add {machine.name} type veth peer name eth1 netns {machine.pid}
ip link set {machine.name} master br0 up
{inside} ip address add {machine.address}/24 dev eth1
{inside} ip link set eth1 up
{inside} ip link set lo up"""
    subprocess.run(["nsenter", "-t", str(switch), "-n", "sh", "-c", script], check=True)

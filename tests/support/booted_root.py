"""Debian roots that are booted: a real systemd as the first process of each, by ``systemd-nspawn --boot``.

A root is laid over one of ``debian_root``, so that what it writes lives in memory, outlives a reboot and is gone with
it. All roots of a ``Stage`` share one network, which has loopback alone. Control groups are of version 2, in a
group of the stage's own, also where this machine has mounted others: that is done in a mount namespace of each root.
Only root can do this.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import debian
from tests.support.debian_root import System
from tests.support.joining_machine import held
from tests.support.waiting import wait_until

PACKAGES = ("dbus", "iproute2", "libpam-systemd", "openssh-server", "procps", "python3", "systemd", "systemd-sysv")
"""What a root must have to be booted and to be a host."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT = 120.0
"""Seconds until a root that has not come up is an error."""
_ENTER = ("-m", "-n", "-p", "-u", "-i", "-C", "-r", "-w")
_OF_SYSTEMD = (
    "etc/.updated",
    "etc/ld.so.cache",
    "etc/machine-id",
    "etc/resolv.conf",
    "var/lib/systemd",
    "var/lib/dbus",
)
"""What systemd itself writes when a machine comes up."""
_START = """set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$GROUP"
echo $$ >"/sys/fs/cgroup/$GROUP/cgroup.procs"
mount -t tmpfs -o mode=0755 tmpfs "$SCRATCH"
mkdir "$SCRATCH/upper" "$SCRATCH/work" "$SCRATCH/root"
mount -t overlay -o "lowerdir=$ROOT,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" overlay "$SCRATCH/root"
cd "$SCRATCH/root"
echo "$NAME" >etc/hostname
printf '127.0.0.1 localhost %s\\n' "$NAME" >etc/hosts
rm -f etc/machine-id usr/sbin/policy-rc.d
: >etc/machine-id
eval "$PREPARE"
cd /
mount -t tmpfs -o mode=0755 tmpfs /run
status=133 # what nspawn ends with when the root reboots
while [ "$status" = 133 ]; do
    status=0
    systemd-nspawn --quiet --keep-unit --register=no --settings=no --boot "--directory=$SCRATCH/root" \\
    "--machine=$NAME" --console=pipe --link-journal=no --resolv-conf=off --timezone=off $OPTIONS || status=$?
done
exit "$status"
"""


@dataclass
class Booted:
    """A root that runs. ``outer`` starts nspawn, and starts it again when the root reboots."""

    name: str
    outer: subprocess.Popen[bytes]
    log: Path
    group: str

    @property
    def first(self) -> int:
        """Its first process, which is another one after a reboot; 0 while there is none."""
        for name in [child for nspawn in _children(self.outer.pid) for child in _children(nspawn)]:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{name}/status").read_text()
                if "NSpid:" in status and status.partition("NSpid:")[2].split("\n")[0].split()[-1] == "1":
                    return name
        return 0

    def path(self, name: str) -> Path:
        """A file of it, seen from here."""
        return Path(f"/proc/{self.first}/root", name.lstrip("/"))

    def argv(self, *command: str) -> list[str]:
        """The argument list that runs a command in there."""
        return ["nsenter", "-t", str(self.first), *_ENTER, "env", "-i", f"PATH={PATH}", "HOME=/root", *command]

    def sh(self, script: str, *, code: int = 0, given: str = "") -> str:
        """Run a shell script in there, which must end with this code; what it prints."""
        done = subprocess.run(
            self.argv("sh", "-c", script), input=given, text=True, check=False, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, f"{self.name}: {script}\nended with {done.returncode}: {done.stdout}"
        return done.stdout

    def wait_until_up(self, *, but: int = 0) -> None:
        """Wait until systemd says that it is done with starting; ``but`` is a first process that is to be gone."""
        until = time.monotonic() + BOOT
        state = ""
        while state not in ("running", "degraded"):
            assert time.monotonic() < until, f"{self.name} does not come up ({state}): {self.log.read_text()[-2000:]}"
            time.sleep(0.2)
            if self.first not in (0, but):
                asked = self.argv("systemctl", "is-system-running")
                state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()

    def reboot(self) -> None:
        """Reboot, and wait until it is up again."""
        before = self.first
        self.sh("systemctl --no-block reboot")
        self.wait_until_up(but=before)

    def active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return subprocess.run(self.argv("systemctl", "is-active", "-q", unit), check=False).returncode == 0

    def journal(self, unit: str) -> str:
        """What a unit said."""
        return self.sh(f"journalctl --no-pager -o cat -u {shlex.quote(unit)}")

    def snapshot(self) -> dict[str, tuple[bytes, int, int, int]]:
        """All that an installation might change: bytes, mode, user and group by path."""
        found = {}
        root = Path(f"/proc/{self.first}/root")
        for folder in ("etc", "usr/local", "root", "home", "var/lib", "opt"):
            for path in sorted((root / folder).rglob("*")):
                name = str(path.relative_to(root))
                if name.startswith(_OF_SYSTEMD):
                    continue
                with contextlib.suppress(FileNotFoundError):  # what runs there takes some away meanwhile
                    found[name] = held(path)
        return found


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@dataclass
class Stage:
    """The network that roots and people share. ``holder`` is a process in it."""

    holder: int
    folder: Path
    stack: contextlib.ExitStack
    roots: list[Booted] = field(default_factory=list)

    def argv(self, *command: str | Path) -> list[str]:
        """The argument list that runs one of this machine's programs in the roots' network."""
        return ["nsenter", "-t", str(self.holder), "-n", "--", *map(str, command)]

    def boot(self, system: System, name: str, *, prepare: str = "", options: Sequence[str] = ()) -> Booted:
        """Boot a root. ``prepare`` is a script that changes it before, in its root folder."""
        scratch = self.folder / name
        scratch.mkdir(mode=0o755, exist_ok=True)
        group = f"ssh-jit-test-{os.getpid()}-{name}-{len(self.roots)}"
        environment = {
            "PATH": os.environ["PATH"], "ROOT": str(system.root), "SCRATCH": str(scratch), "NAME": name,
            "GROUP": group, "PREPARE": prepare, "OPTIONS": shlex.join(options),
        }  # fmt: skip
        log = self.folder / f"{name}.log"
        command = self.argv("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _START)
        with log.open("wb") as output:
            outer = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        made = Booted(name, outer, log, group)
        self.stack.callback(end, made)
        wait_until(lambda: made.first or outer.poll() is not None, f"{name} was not started")
        assert outer.poll() is None, log.read_text()
        made.wait_until_up()
        self.roots.append(made)
        return made


def end(root: Booted) -> None:
    """End a root at once, as by a loss of power."""
    if root.outer.returncode is not None:
        return
    first = root.first
    root.outer.kill()  # before the root, which would be booted again
    root.outer.wait()
    if first:
        os.kill(first, signal.SIGKILL)
    group = root.group
    script = (
        "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; cd /sys/fs/cgroup; "
        f"echo 1 >{group}/cgroup.kill; while [ -d {group} ]; do "
        f"find {group} -depth -type d -exec rmdir {{}} + 2>/dev/null; sleep 0.1; done"
    )
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script], check=False, timeout=60
    )


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A network for roots; they and all that runs in it end with the block."""
    assert os.geteuid() == 0, "only root can boot a Debian: run these tests as root"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="test-boot-", dir=debian.cache())))
        folder.chmod(0o755)
        words = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]
        holder = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE))
        stack.callback(holder.kill)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield Stage(holder.pid, folder, stack)

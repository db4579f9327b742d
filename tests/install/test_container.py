"""The Containerfile, step by step in a Debian root, and what its image then runs. No container engine is needed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo import debian
from demo.isolate import REPOSITORY
from tests.support import booted_installation, debian_root
from tests.support.waiting import wait_until

FILE = REPOSITORY / "tools" / "container" / "Containerfile"
_ROOT = "/mnt/root"
_HOLD = """set -e
ip link set lo up 2>/dev/null || true
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$BASE,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
mount --rbind /dev /mnt/root/dev
mount -t proc proc /mnt/root/proc
mount -t tmpfs -o mode=0755 tmpfs /mnt/root/run
echo ready
exec sleep infinity
"""
_ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=5).status)"


def instructions() -> list[tuple[str, str]]:
    """The steps of the file: word and rest, continued lines in one."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    words = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, rest in words]


@dataclass
class Image:
    """A root in which the steps were played. ``network``: a process in a network of the programs' own."""

    holder: subprocess.Popen[bytes]
    network: subprocess.Popen[bytes]
    user: str = "root"
    command: list[str] = field(default_factory=list)

    def argv(self, *command: str, user: str = "root", alone: bool = True) -> list[str]:
        """The argument list that runs something in there; without ``alone``, in this machine's network."""
        inside = ["nsenter", "-t", str(self.holder.pid), "-m", "--", "chroot", f"--userspec={user}", _ROOT]
        outside = ["nsenter", "-t", str(self.network.pid), "-n", "--"] if alone else []
        return [*outside, *inside, *command]

    def run(self, script: str, *, user: str = "root", alone: bool = True) -> str:
        """Runs a shell script, which must succeed; what it printed."""
        environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            self.argv("sh", "-c", script, user=user, alone=alone), env=environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}: {done.stdout}"
        return done.stdout

    def play(self, word: str, rest: str, context: Path) -> None:
        """One step."""
        if word == "COPY":
            *patterns, target = shlex.split(rest)
            for path in [path for pattern in patterns for path in sorted(context.glob(pattern))]:
                place = Path(f"/proc/{self.holder.pid}/root{_ROOT}{target}")
                shutil.copy(path, place)
        elif word == "RUN":
            self.run(rest, alone=False)
        elif word == "USER":
            self.user = rest
        elif word == "CMD":
            self.command = json.loads(rest)
        else:
            assert word in {"FROM", "VOLUME", "EXPOSE"}, f"the test cannot play {word}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built from the packages of this checkout."""
    context = tmp_path_factory.mktemp("deb")
    subprocess.run([sys.executable, "-m", "tools.deb", context], cwd=REPOSITORY, check=True)
    steps = instructions()
    (base,) = [rest for word, rest in steps if word == "FROM"]
    assert base.split("/")[-1] == f"debian:{booted_installation.SUITE}-slim"
    root = debian_root.system(booted_installation.SUITE).root
    hold = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _HOLD]
    alone = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]
    with (
        subprocess.Popen(hold, env={**os.environ, "BASE": str(root)}, stdout=subprocess.PIPE) as holder,
        subprocess.Popen(alone, stdout=subprocess.PIPE) as network,
    ):
        try:
            for process in (holder, network):
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            made = Image(holder, network)
            for word, rest in steps:
                made.play(word, rest, context)
            yield made
        finally:
            holder.kill()
            network.kill()


def test_the_image_runs_the_ca_and_the_front_end(image: Image, tmp_path: Path) -> None:
    assert image.user == "ssh-jit-ca"
    assert debian.cache().is_dir()
    said = image.run("ssh-jit-ca init --front-end https://access.example.com --with-web")
    assert "pin the bundle key: SHA256:" in said
    assert "user made" not in said, "the image has them"
    image.run("for name in acme partner; do echo secret-0123456789 >/etc/ssh-jit/$name-web.secret; done")
    log = tmp_path / "log"
    web = ["ssh-jit-web", "serve", "--config", "/etc/ssh-jit/web.toml"]
    with (
        log.open("wb") as output,
        subprocess.Popen(image.argv(*image.command, user=image.user), stderr=output) as ca,
        subprocess.Popen(image.argv(*web, user="ssh-jit-web"), stderr=output) as front_end,
    ):
        try:
            wait_until(lambda: answers(image), log.read_text)
            line = "ssh-jit-ca host add web1 --address 192.0.2.10 --label env=staging --login deploy"
            assert "/host/ssh-jit-host.pyz" in image.run(line)
            refused = image.argv("cat", "/var/lib/ssh-jit-ca/ca.db", user="ssh-jit-web")
            assert subprocess.run(refused, capture_output=True, check=False).returncode != 0
        finally:
            for process in (front_end, ca):
                process.terminate()
                assert process.wait(60) == 0, log.read_text()


def answers(image: Image) -> bool:
    """Whether the front end does."""
    done = subprocess.run(image.argv("python3", "-IS", "-c", _ASK), capture_output=True, text=True, check=False)
    return done.stdout == "200\n"

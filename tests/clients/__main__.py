"""``python -m tests.clients [NAME…]``: logs in by each of other people's SSH libraries, and prints what became of it.

Needs the network: each row installs its own pinned packages, by the ordinary program of its ecosystem, into
``.cache/clients``. What the rows show is written down in ``docs/clients.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.lab import Lab, Person
from tests.support.person_at_ssh import PersonAtSsh

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "clients"
PATIENCE = 300
PACKAGES = ("golang-go", "ruby-net-ssh", "putty-tools", "curl", "rclone", "npm", "default-jdk-headless", "maven",
            "gcc", "libssh-dev", "sshfs", "dropbear-bin", "cargo")  # fmt: skip
"""Debian's packages for all rows. russh wants Rust 1.85 or newer, which Debian has from 13 on."""
PROGRAMS = ("go", "ruby", "plink", "curl", "rclone", "npm", "java", "mvn", "cc", "sshfs", "dbclient", "cargo")
PSSH = ("parallel-ssh==2.16.0.post1", "ssh-python==1.2.0.post1")

Env = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A library. ``install`` and ``login`` are commands; ``refusal``: what it says if it cannot, else empty."""

    name: str
    version: Callable[[], str]
    install: Callable[[], list[list[str]]]
    login: Callable[[Env], list[str]]
    refusal: str = ""
    key: str = "ed25519"
    as_person: bool = False
    """Whether it runs where ``ssh`` finds the person's own ``~/.ssh/config``."""


def debian(package: str) -> Callable[[], str]:
    """The version of an installed package of Debian."""
    return lambda: output(["dpkg-query", "-W", "-f", f"{package} ${{Version}}", package])


def output(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.strip()


def java(name: str, *words: str) -> Callable[[Env], list[str]]:
    """Runs a source file with the packages of ``pom.xml``; the host's name leads to its address."""

    def command(env: Env) -> list[str]:
        hosts = CACHE / "java-hosts"
        hosts.write_text(f"{env['CLIENT_ADDRESS']} {env['CLIENT_HOST']}\n")
        path = (CACHE / "classpath").read_text().strip()
        return ["java", f"-Djdk.net.hosts.file={hosts}", "-cp", path, str(HERE / "java" / f"{name}.java"), *words]

    return command


def rclone(env: Env) -> list[str]:
    """Rclone, by options alone."""
    options = {
        "host": env["CLIENT_HOST"],
        "port": env["CLIENT_PORT"],
        "user": env["CLIENT_ACCOUNT"],
        "key-file": env["CLIENT_KEY"],
        "pubkey-file": env["CLIENT_CERTIFICATE"],
        "known-hosts-file": env["CLIENT_KNOWN_HOSTS"],
    }
    words = [f"--sftp-{name}={value}" for name, value in options.items()]
    return named(env, ["rclone", "--config", "", "--retries", "1", "lsf", "--max-depth", "1", *words, ":sftp:/"])


def named(env: Env, command: list[str]) -> list[str]:
    """A command that finds the host by its name: as on a network whose DNS has it."""
    hosts = CACHE / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{env['CLIENT_ADDRESS']} {env['CLIENT_HOST']}\n")
    over = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--mount", "/bin/sh", "-c", over, str(hosts), *command]


def curl(env: Env) -> list[str]:
    """Curl by libssh2, which knows the host by its plain key."""
    place = f"sftp://{env['CLIENT_ADDRESS']}:{env['CLIENT_PORT']}/"
    keys = ["--key", env["CLIENT_KEY"], "--pubkey", env["CLIENT_CERTIFICATE"]]
    return ["curl", "-sS", "--insecure", "-u", f"{env['CLIENT_ACCOUNT']}:", *keys, place]


def plink(env: Env) -> list[str]:
    """Plink, with the certificate beside the key in its own form; the host by the fingerprint of its plain key."""
    where = ["-P", env["CLIENT_PORT"], f"{env['CLIENT_ACCOUNT']}@{env['CLIENT_ADDRESS']}"]
    keys = ["-i", env["CLIENT_PPK"], "-cert", env["CLIENT_CERTIFICATE"], "-hostkey", env["CLIENT_HOST_FINGERPRINT"]]
    return ["plink", "-ssh", "-batch", "-no-antispoof", *keys, *where, "whoami"]


def parallel_ssh(*words: str) -> Callable[[Env], list[str]]:
    """Parallel-ssh by the files, or by an agent of its own that holds key and certificate."""
    command = [str(CACHE / "python" / "bin" / "python"), str(HERE / "by_parallel_ssh.py"), *words]
    with_agent = 'ssh-add -q "$CLIENT_KEY" && exec "$@"'
    return lambda _: ["ssh-agent", "sh", "-c", with_agent, "sh", *command] if words else command


NOTHING: list[list[str]] = []
NPM = ["npm", "install", "--silent", "--no-save", "--prefix", str(CACHE / "npm"), "ssh2@1.17.0"]
CLASSPATH = ["mvn", "-q", "-B", "-f", str(HERE / "java"), "dependency:build-classpath"]
JAVA = [*CLASSPATH, f"-Dmdep.outputFile={CACHE / 'classpath'}"]
GO = ["go", "build", "-C", str(HERE / "go"), "-o", str(CACHE / "by-go"), "."]
VENV = [[sys.executable, "-m", "venv", str(CACHE / "python")],
        [str(CACHE / "python" / "bin" / "pip"), "install", "-q", *PSSH]]  # fmt: skip
LIBSSH = ["cc", "-o", str(CACHE / "by-libssh"), str(HERE / "by_libssh.c"), "-lssh"]
RUST = [["cp", "-r", str(HERE / "rust"), str(CACHE)],  # cargo writes its lock file beside the source
        ["cargo", "build", "-q", "--manifest-path", str(CACHE / "rust" / "Cargo.toml")]]  # fmt: skip
ROWS = (
    Row("Go x/crypto", lambda: output(["go", "list", "-C", str(HERE / "go"), "-m", "golang.org/x/crypto"]),
        lambda: [GO], lambda _: [str(CACHE / "by-go")]),
    Row("rclone", debian("rclone"), lambda: NOTHING, rclone),
    Row("JSch", lambda: "2.28.8", lambda: [JAVA], java("ByJsch")),
    Row("sshj", lambda: "0.40.0", lambda: [JAVA], java("BySshj")),
    Row("Net::SSH", debian("ruby-net-ssh"), lambda: NOTHING, lambda _: ["ruby", str(HERE / "login.rb")]),
    Row("PuTTY plink", debian("putty-tools"), lambda: NOTHING, plink),
    Row("curl, libssh2, Ed25519", debian("libssh2-1"), lambda: NOTHING, curl, refusal="curl: (67)"),
    Row("curl, libssh2, ECDSA", debian("libssh2-1"), lambda: NOTHING, curl, key="ecdsa"),
    Row("ssh2 of npm", lambda: "1.17.0", lambda: [NPM], lambda _: ["node", str(HERE / "login.js")],
        refusal="All configured authentication methods failed"),
    Row("MINA sshd, by the host's name", lambda: "2.20.0", lambda: [JAVA], java("ByMina")),
    Row("MINA sshd, by its address", lambda: "2.20.0", lambda: [JAVA], java("ByMina", "127.0.0.1"),
        refusal="invalid principal 127.0.0.1"),
    Row("libssh", debian("libssh-4"), lambda: [LIBSSH], lambda env: named(env, [str(CACHE / "by-libssh")])),
    Row("parallel-ssh by files", lambda: " ".join(PSSH), lambda: VENV, parallel_ssh(), refusal="KeyImportError"),
    Row("parallel-ssh by an agent", lambda: " ".join(PSSH), lambda: VENV, parallel_ssh("agent")),
    Row("russh", lambda: "0.58.0", lambda: RUST, lambda _: [str(CACHE / "rust" / "target" / "debug" / "by-russh")]),
    Row("Dropbear", debian("dropbear-bin"), lambda: NOTHING, lambda _: ["sh", str(HERE / "by_dropbear.sh")],
        refusal="No auth methods could be used"),
    Row("sshfs", debian("sshfs"), lambda: NOTHING, lambda _: ["sh", str(HERE / "by_sshfs.sh")], as_person=True),
)  # fmt: skip


def main() -> int:
    """Runs the rows that were named, or all; the exit code is 0 only if each did what it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description="Log in by other people's libraries.")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *(row.name for row in ROWS)], help="[all]")
    names = parser.parse_args().names
    rows = [row for row in ROWS if not names or row.name in names]
    CACHE.mkdir(parents=True, exist_ok=True)
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"{' '.join(missing)} missing\nhint: apt-get install -y {' '.join(PACKAGES)}", file=sys.stderr)
        return 1
    for command in {tuple(command): command for row in rows for command in row.install()}.values():
        subprocess.run(command, check=True, timeout=PATIENCE)
    with Lab.start() as lab:
        envs = {"ed25519": _files(lab, lab.person("alice"), []), "ecdsa": _files(lab, lab.person("dana"), ["ecdsa"])}
        alice = PersonAtSsh.make(lab.person("alice"), CACHE)
        bad = [row.name for row in rows if not _try(lab, row, envs[row.key], alice)]
    print(f"{len(rows) - len(bad)} of {len(rows)} as they should be{': not ' + ', '.join(bad) if bad else ''}")
    return 1 if bad else 0


def _files(lab: Lab, person: Person, own_key: list[str]) -> dict[str, str]:
    """What ``ssh-jit path`` gives this person for web1, as environment; ``own_key``: the type of a key of their own."""
    host = lab.hosting.hosts["web1"]
    key = person.folder / "own"
    for kind in own_key:
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
    for command in (["login", *(["--key", str(key)] if own_key else [])], ["ensure", "web1"]):
        done = person.run(["ssh-jit", *command])
        if done.code:
            raise RuntimeError(done.stderr)
    paths = json.loads(person.run(["ssh-jit", "path", "--json", "web1"]).stdout)
    ppk = "" if own_key else person.run(["ssh-jit", "export", "--format", "putty", "web1"]).stdout.strip()
    return {
        "CLIENT_HOST": "web1",
        "CLIENT_ADDRESS": "127.0.0.1",
        "CLIENT_PORT": str(host.port),
        "CLIENT_ACCOUNT": paths["account"],
        "CLIENT_KEY": paths["key"],
        "CLIENT_CERTIFICATE": paths["certificate"],
        "CLIENT_KNOWN_HOSTS": paths["known_hosts"],
        "CLIENT_PPK": ppk,
        "CLIENT_HOST_FINGERPRINT": output(["ssh-keygen", "-l", "-f", str(host.public_key)]).split()[1],
    }


def _try(lab: Lab, row: Row, env: dict[str, str], person: PersonAtSsh) -> bool:
    """Whether the row did what it should: logged in, or failed with the words that it is known for."""
    modules = {"NODE_PATH": str(CACHE / "npm" / "node_modules")}
    try:
        done = subprocess.run(
            person.words(*row.login(env)) if row.as_person else row.login(env),
            env=dict(person.env) if row.as_person else {**os.environ, **env, **modules},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"{row.name}: no end within {PATIENCE} s")
        return False
    account = lab.hosting.hosts["web1"].login
    shown = {account, "etc", "etc/"} & set(done.stdout.split())
    good = (
        done.returncode == 0 and bool(shown) if not row.refusal else done.returncode != 0 and row.refusal in done.stderr
    )
    what = "logs in" if good and not row.refusal else f"cannot: {row.refusal}" if good else "NOT AS IT SHOULD BE"
    print(f"{row.name} ({row.version()}): {what}")
    if not good:
        print(f"  exit {done.returncode}\n  {done.stdout.strip()[-500:]}\n  {done.stderr.strip()[-800:]}")
    return good


if __name__ == "__main__":
    sys.exit(main())

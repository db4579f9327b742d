"""Every purpose and every kind of key is changed while people log in: nobody is refused once.

The lab is real: CA, front end, hosts with sshd and ssh-jit-host, laptops with ssh-jit. What takes an hour in a real
installation takes seconds here: ``key_settle`` is short, and the laptops look for a newer bundle at each login.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.lab import Lab
from demo.lab.lab import serves
from demo.lab.people import Person
from sshjit import ca_protocol as m
from sshjit import sshkey
from sshjit_ca.access import host_statements
from sshjit_ca.operations import admin_client
from tests.support import devices
from tests.support.devices import Token, ssh_key
from tests.support.installation import ssh_sign
from tests.support.waiting import wait_until

SETTLE = 4
"""Seconds, instead of an hour: longer than a host's interval, and than a laptop uses one certificate here."""


@dataclass
class Laptop:
    """Somebody who logs in again and again: every second time with a new certificate."""

    name: str
    env: dict[str, str]
    lab: Lab
    stop: threading.Event
    doing: threading.Lock = field(default_factory=threading.Lock)
    logins: int = 0
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        while not self.stop.is_set():
            with self.doing:
                self.log_in()

    def log_in(self) -> None:
        if self.logins % 2 == 0:
            for path in Path(self.env["XDG_RUNTIME_DIR"], "ssh-jit").glob("*/logins/*/open/*"):
                path.unlink()
            for path in Path(self.env["XDG_STATE_HOME"], "ssh-jit").glob("*/bundle.json"):
                os.utime(path, (0, 0))
        done = subprocess.run(
            ["ssh-jit", "web1", "echo", "in"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        self.logins += 1
        if done.stdout != "in\n":
            self.refused.append(f"{self.name}, login {self.logins}: {done.stderr}")

    def pin(self) -> str:
        """The root that this laptop is pinned to."""
        (path,) = Path(self.env["XDG_CONFIG_HOME"], "ssh-jit", "installations").iterdir()
        return str(json.loads(path.read_text())["root"])


@dataclass
class Operator:
    """The one who changes the keys."""

    lab: Lab

    def keys(self, *words: str) -> Any:
        """Runs ``ssh-jit-ca keys …``, which must succeed."""
        done = self.lab.operator.run(["ssh-jit-ca", "keys", *words, "--json"])
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)

    def add(self, purpose: str, *where: str) -> str:
        """Adds a key and returns its fingerprint."""
        return str(self.keys("add", purpose, *where)["key"]["fingerprint"])

    def listed(self, state: str) -> dict[str, str]:
        """Fingerprint -> purpose of the keys in a state."""
        return {key["fingerprint"]: key["purpose"] for key in self.keys("list")["keys"] if key["state"] == state}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Lab, Token]]:
    """The lab, whose CA can reach a token, and lets keys settle soon."""
    token = Token.make(tmp_path / "token")
    with Lab.start() as found:
        config = found.paths.etc / "ca.toml"
        config.write_text(f'{config.read_text()}key_settle = "{SETTLE}s"\n')
        found.operator.env.update(token.environment)  # type: ignore[attr-defined]  # a dict, and the CA's own
        found.ca.kill()
        found.ca.start()
        wait_until(lambda: serves(found.ports.web), "the CA has not reached the providers again")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in token.environment.items():
                patch.setenv(name, value)
            yield found, token


def second_laptop(alice: Person, lab: Lab) -> dict[str, str]:
    """Another laptop of the same person, set up by the same root."""
    home = alice.folder / "second"
    for name in ("run", "config", "state"):
        (home / name).mkdir(mode=0o700, parents=True)
    env = {**alice.env, "XDG_RUNTIME_DIR": str(home / "run"), "XDG_CONFIG_HOME": str(home / "config")}
    env["XDG_STATE_HOME"] = str(home / "state")
    command = ["ssh-jit", "setup", lab.url, "--root", lab.hosting.root, "--provider", alice.provider]
    subprocess.run(command, env=env, check=True, capture_output=True, cwd="/")
    return env


def renew(lab: Lab, laptops: list[Laptop]) -> None:
    """The host gets a certificate by the host CA's new key, as its own keys ask for it, and sshd takes it up."""
    host = lab.hosting.hosts["web1"]
    private = host.public_key.with_suffix("")
    line = sshkey.parse_line(host.public_key.read_text()).line
    now = int(time.time())
    text = host_statements.renew_text("lab", "web1", (line,), now)
    message = m.SignHost("web1", (line,), now, (ssh_sign(private, host_statements.RENEW_NAMESPACE, text),))
    reply = admin_client.call(lab.paths.web_socket, message, m.HostReply)
    for laptop in laptops:
        laptop.doing.acquire()  # while sshd reads its configuration again it listens to nobody, whatever the keys
    private.with_name(f"{private.name}-cert.pub").write_text(f"{reply.certificates[0]}\n")
    host.reload()
    for laptop in laptops:
        laptop.doing.release()


def rolled(lab: Lab, operator: Operator, laptops: list[Laptop], where: dict[str, tuple[str, ...]]) -> None:
    """One change of all four keys; the old ones end."""
    new = {purpose: operator.add(purpose, *words) for purpose, words in where.items()}
    known = lab.hosting.hosts["web1"].home / "bundle.json"
    lines = [key["line"] for key in operator.keys("list")["keys"] if key["fingerprint"] in new.values()]
    cas = [line for line, purpose in zip(lines, where, strict=False) if purpose in ("user_ca", "host_ca")]
    wait_until(lambda: all(line in known.read_text() for line in cas))
    time.sleep(SETTLE + 1)
    for purpose, fingerprint in new.items():
        operator.keys("activate", purpose, fingerprint)
    more(laptops, 4)
    assert operator.listed("active") == {fingerprint: purpose for purpose, fingerprint in new.items()}


def more(laptops: list[Laptop], count: int) -> None:
    """Waits until every laptop has logged in so many times more."""
    goals = {laptop.name: laptop.logins + count for laptop in laptops}
    wait_until(lambda: all(laptop.logins >= goals[laptop.name] for laptop in laptops))


def test_every_kind_of_key_for_every_purpose_is_changed_and_no_login_is_lost(
    lab: tuple[Lab, Token], tmp_path: Path
) -> None:
    found, token = lab
    operator, stop, alice = Operator(found), threading.Event(), found.person("alice")
    environments = (dict(alice.env), second_laptop(alice, found))
    laptops = [Laptop(f"laptop {number}", env, found, stop) for number, env in enumerate(environments, 1)]
    for kind, label in (("ecdsa-p384", "host"), ("rsa-3072", "user"), ("ecdsa-p256", "root"), ("ed25519", "log")):
        token.add(kind, label)
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    encrypted = tmp_path / "encrypted"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-N", "open sesame", "-f", encrypted], check=True)
    with devices.agent(tmp_path / "agent") as agent:

        def held(name: str, kind: str) -> tuple[str]:
            path = ssh_key(tmp_path / name, kind)
            agent.run(path)
            fingerprint = sshkey.parse_line(path.with_suffix(".pub").read_text()).fingerprint
            return (f"agent:{fingerprint}?socket={agent.socket}",)

        rounds: list[dict[str, tuple[str, ...]]] = [
            {
                "user_ca": held("a-user", "ecdsa-p256"),
                "host_ca": (token.reference("host"),),
                "bundle": held("a-root", "rsa-3072"),
                "log": held("a-log", "ed25519"),
            },
            {
                "user_ca": (token.reference("user"),),
                "host_ca": held("a-host", "ed25519"),
                "bundle": (token.reference("root"),),
                "log": (token.reference("log"),),
            },
            {
                "user_ca": (f"file:{encrypted}?passphrase={secret}",),
                "host_ca": ("--new", "rsa-3072"),
                "bundle": ("--new", "ed25519"),
                "log": ("--new", "ed25519"),
            },
        ]
        threads = [threading.Thread(target=laptop.run) for laptop in laptops]
        for thread in threads:
            thread.start()
        try:
            more(laptops, 2)
            for number, where in enumerate(rounds):
                rolled(found, operator, laptops, where)
                if number == 0:
                    renew(found, laptops)
                    more(laptops, 2)
                for fingerprint, purpose in operator.listed("retiring").items():
                    if purpose != "host_ca" or number == 0:
                        operator.keys("retire", purpose, fingerprint, "--now")
                more(laptops, 4)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [problem for laptop in laptops for problem in laptop.refused] == []
        assert all(laptop.logins > 25 for laptop in laptops)
        verified = found.operator.run(["ssh-jit-ca", "log", "verify"])
        assert verified.code == 0, verified.stdout
    root = next(fingerprint for fingerprint, purpose in operator.listed("active").items() if purpose == "bundle")
    assert [laptop.pin() for laptop in laptops] == [root, root]
    assert json.loads((found.hosting.hosts["web1"].home / "root.json").read_text()) == {
        "joined": found.hosting.root,
        "now": root,
    }
    said = found.hosting.hosts["web1"].log.read_text("utf-8", "replace")
    for kind in ("ED25519", "ECDSA", "RSA"):
        assert f"CA {kind} SHA256:" in said

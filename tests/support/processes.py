"""Front end, authority and two providers as real processes on loopback, for the tests of sign-in."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

from demo.browser import Browser, Page
from demo.lab.paths import Paths, free_ports
from demo.lab.settings import PROVIDERS, Accounts, Ports, write_all
from tests.support import warm_programs

BIN = Path(sys.executable).parent
PATIENCE = 60.0
"""Seconds until a program that does not come up is an error."""


@dataclass
class Processes:
    """The running programs by name, and what they print."""

    paths: Paths
    ports: Ports
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.ports.url

    def start(self, name: str) -> None:
        log = (self.paths.log / f"{name}.log").open("ab")
        with log:
            self.running[name] = subprocess.Popen(self._command(name), stdout=log, stderr=log, env=self._env())
        until = time.monotonic() + PATIENCE
        while not self._ready(name):
            if self.running[name].poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{name} does not come up: {self.log(name)}")
            time.sleep(0.02)

    def stop(self, name: str) -> int:
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def log(self, name: str) -> str:
        return (self.paths.log / f"{name}.log").read_text()

    def operator(self, *arguments: str) -> str:
        done = warm_programs.run(list(arguments), PATIENCE, self._env())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, name: str) -> list[str]:
        if name in PROVIDERS:
            return [sys.executable, "-m", "demo.provider", "--config", str(self.paths.providers / f"{name}.json")]
        return [str(BIN / f"ssh-jit-{name}"), "serve"]

    def _env(self) -> dict[str, str]:
        etc = self.paths.etc
        files = {"SSH_JIT_CA_CONFIG": str(etc / "ca.toml"), "SSH_JIT_WEB_CONFIG": str(etc / "web.toml")}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3]), **files}

    def _ready(self, name: str) -> bool:
        target: Any = str(self.paths.web_socket)
        if name != "ca":
            target = ("127.0.0.1", self.ports.web if name == "web" else self.ports.providers[name])
        with socket.socket(socket.AF_UNIX if name == "ca" else socket.AF_INET) as probe:
            return probe.connect_ex(target) == 0


@contextmanager
def build(folder: Path) -> Iterator[Processes]:
    """Starts the programs in ``folder``; all of them have ended afterwards."""
    paths = Paths(folder)
    for part in (paths.etc, paths.run, paths.ca, paths.admin, paths.web, paths.providers, paths.log):
        part.mkdir(mode=0o700)
    web, acme, partner = free_ports(3)
    processes = Processes(paths, Ports(web, {"acme": acme, "partner": partner}, {}))
    write_all(paths, processes.ports, Accounts("deploy", "postgres", "root", "/opt/app/bin/migrate"), str(os.getuid()))
    try:
        processes.operator("init")
        for name in ("acme", "partner", "ca", "web"):
            processes.start(name)
        for name, label in (("web1", ["env=staging"]), ("db1", ["env=prod", "role=db"])):
            key = folder / f"{name}_key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
            labels = [part for pair in label for part in ("--label", pair)]
            address = ["--address", "127.0.0.1", "--port", "22", "--host-key", f"{key}.pub"]
            processes.operator("host", "add", name, *address, *labels)
        yield processes
    finally:
        for name in list(processes.running):
            processes.stop(name)


def allow_by_token(processes: Processes) -> None:
    """Lets the policy give the label ``env`` by invitations."""
    path = processes.paths.etc / "policy.toml"
    if "by_token" not in path.read_text():
        text = re.sub(r"(?m)^env( *)= \{", r"env\1= { by_token = true,", path.read_text())
        assert "by_token" in text
        path.write_text(text)
        processes.operator("policy", "load")


class Visitor(Browser):
    """Somebody with a browser, who can also look at single steps."""

    def sign_in(self, processes: Processes, provider: str, target: str = "/requests") -> Page:
        return self.visit(f"{processes.url}/auth/{provider}/start?next={target}")

    def step(self, url: str) -> tuple[int, str]:
        """Opens ``url`` without following; the status and where it points."""

        class _Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        cookies = urllib.request.HTTPCookieProcessor(self._jar)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies, _Stay)
        try:
            with opener.open(url, timeout=PATIENCE) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location", "")

    def jar(self) -> list[Cookie]:
        return list(self._jar)


def alert(page: Page) -> str:
    """The code of the error that a page shows."""
    found = re.search(r"Code <code>(\w+)</code>", page.text)
    assert found is not None, page.text
    return found[1]


def accounts(processes: Processes, provider: str) -> dict[str, Any]:
    people: dict[str, Any] = json.loads((processes.paths.providers / f"{provider}.json").read_text())["people"]
    return people

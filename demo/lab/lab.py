"""Brings the lab up, in parallel where it can be, and takes it down again.

``Lab.start()`` returns when everything answers. However it ends, by ``stop``, by a failed start or by a killed
process, the janitor then leaves no process and no file behind.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo import isolate
from demo.lab.hosting import Hosting
from demo.lab.paths import Paths, free_ports
from demo.lab.people import BIN, Person, Typist, base_env, current_user, make_person
from demo.lab.processes import Janitor, LabError, Program, finish
from demo.lab.settings import PEOPLE, PROVIDERS, Ports, write_all

PORT_TRIES = 3
"""How often other ports are tried, when somebody takes one of them between its choice and its use."""


@dataclass(slots=True)
class Lab:
    """A running lab. Every process can be killed and started again by its ``Program``."""

    paths: Paths
    ports: Ports
    janitor: Janitor
    hosting: Hosting
    operator: Typist
    providers: dict[str, Program] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    _ca: Program | None = None
    _web: Program | None = None

    @classmethod
    def start(cls) -> Self:
        """A lab that is up. Raises ``LabError``, after cleaning up, when a part does not come up."""
        for _ in range(PORT_TRIES - 1):
            try:
                return cls._start()
            except LabError as error:
                if "in use" not in str(error):
                    raise
        return cls._start()

    @classmethod
    def _start(cls) -> Self:
        paths = Paths.make()
        janitor = Janitor(paths.home)
        lab = None
        try:
            lab = cls._prepare(paths, janitor)
            lab._bring_up()  # noqa: SLF001 - its own
        except BaseException:
            janitor.clean()
            if lab is not None:
                lab.hosting.reap()
            raise
        return lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends every process and removes every file of the lab."""
        self.janitor.clean()
        self.hosting.reap()

    # ------------------------------------------------------------------------------------------------- its parts

    @property
    def url(self) -> str:
        """The front end's address."""
        return self.ports.url

    @property
    def ca(self) -> Program:
        """The CA's daemon."""
        return _started(self._ca)

    @property
    def web(self) -> Program:
        """The front end."""
        return _started(self._web)

    @property
    def ca_database(self) -> Path:
        """The CA's log."""
        return self.paths.ca / "ca.db"

    @property
    def web_database(self) -> Path:
        """The front end's sessions and tokens."""
        return self.paths.web / "web.db"

    @property
    def programs(self) -> dict[str, Program]:
        """Every process that was started, by name."""
        own = [*self.providers.values(), self._ca, self._web, *self.hosting.programs]
        return {program.name: program for program in own if program is not None}

    @property
    def pids(self) -> dict[str, int]:
        """Every process that the lab started itself, by name."""
        own = {name: program.pid for name, program in self.programs.items()}
        return own | self.hosting.pids | {"janitor": self.janitor.pid}

    def person(self, name: str) -> Person:
        """``alice``, ``bob``, ``carol`` or ``dana``."""
        return self.people[name]

    def as_json(self) -> dict[str, Any]:
        """What ``python -m demo.lab`` prints."""
        return {
            "web": self.url,
            "home": str(self.paths.home),
            "web_socket": str(self.paths.web_socket),
            "admin_socket": str(self.paths.admin_socket),
            "bin": str(BIN),
            "admin_env": dict(self.operator.env),
            "providers": [{"id": name, "issuer": self.ports.issuer(name)} for name in PROVIDERS],
            "hosts": self.hosting.as_json(),
            "people": {name: person.as_json() for name, person in self.people.items()},
            "processes": self.pids,
        }

    # ------------------------------------------------------------------------------------------------- coming up

    @classmethod
    def _prepare(cls, paths: Paths, janitor: Janitor) -> Self:
        web, acme, partner, *hosts = free_ports(5)
        hosting = Hosting.prepare(paths, hosts, janitor)
        ports = Ports(web, {"acme": acme, "partner": partner}, hosting.ports)
        write_all(paths, ports, hosting.accounts, str(isolate.NOBODY) if isolate.possible() else current_user())
        if isolate.possible():
            for path in (paths.web, *paths.web.iterdir()):
                os.chown(path, isolate.NOBODY, isolate.NOBODY)
        admin = base_env(paths.home) | {"SSH_JIT_CA_CONFIG": str(paths.etc / "ca.toml")}
        return cls(paths, ports, janitor, hosting, Typist("operator", admin))

    def _bring_up(self) -> None:
        for name in PROVIDERS:
            self.providers[name] = self._provider(name)
            self.providers[name].start(wait=False)
        made = self.operator.start(["ssh-jit-ca", "init"])
        self.janitor.watch(made)
        self.hosting.start_sshd()
        finish("ssh-jit-ca init", made)
        self._ca, self._web = self._authority(), self._front_end()
        self._ca.start(wait=False)
        self._web.start(wait=False)
        self._ca.wait()
        self.hosting.enrol(self.operator, self.url)
        self.people = {name: make_person(name, self.paths.people) for name in PEOPLE}
        for program in self.programs.values():
            program.wait()
        self._set_people_up()
        self.hosting.wait()

    def _set_people_up(self) -> None:
        setups = [
            person.start(["ssh-jit", "setup", self.url, "--root", self.hosting.root, "--provider", person.provider])
            for person in self.people.values()
        ]
        for setup in setups:
            self.janitor.watch(setup)
        for person, setup in zip(self.people.values(), setups, strict=True):
            finish(f"{person.name}: ssh-jit setup", setup)

    def _provider(self, name: str) -> Program:
        port = self.ports.providers[name]
        command = [sys.executable, "-m", "demo.provider", "--config", str(self.paths.providers / f"{name}.json")]
        env = base_env(self.paths.home) | {"PYTHONPATH": str(isolate.REPOSITORY)}
        return Program(name, command, env, self.paths.log / f"{name}.log", self.janitor, lambda: answers(port))

    def _authority(self) -> Program:
        command = [str(BIN / "ssh-jit-ca"), "serve"]
        log = self.paths.log / "ca.log"
        return Program("ca", command, self.operator.env, log, self.janitor, lambda: listens(self.paths.admin_socket))

    def _front_end(self) -> Program:
        paths = self.paths
        config = paths.etc / "web.toml"
        command = isolate.argv(
            [str(BIN / "ssh-jit-web"), "serve", "--config", str(config)],
            read=[paths.etc],
            write=[paths.web, paths.run],
        )
        env = base_env(paths.web)
        return Program("web", command, env, paths.log / "web.log", self.janitor, lambda: serves(self.ports.web))


def _started(program: Program | None) -> Program:
    if program is None:
        raise LabError("this part was not started yet")
    return program


def answers(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def listens(path: Path) -> bool:
    """Whether somebody listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def serves(port: int) -> bool:
    """Whether the front end is ready, and its bundle says where people sign in (the CA has reached the providers)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/bundle")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            time.sleep(0.05)
            return False
        bundle = json.loads(json.loads(body)["bundle"])
        return all(provider["token_endpoint"] for provider in bundle["providers"])
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

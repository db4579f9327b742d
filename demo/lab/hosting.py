"""The lab's hosts: their sshd, how they are enrolled with the CA, and ``ssh-jit-host watch`` on each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

from demo import hosts, openssh
from demo.hosts import ADDRESS, Host
from demo.lab.paths import Paths, write
from demo.lab.people import BIN, Typist, base_env
from demo.lab.processes import Janitor, LabError, Program, finish
from demo.lab.settings import Accounts

INTERVAL = 1
"""Seconds between two looks of a host at the bundle."""
SHAPES = {"web1": ("deploy", {"env": "staging"}), "db1": ("postgres", {"env": "prod", "role": "db"})}
"""The hosts' logins and labels."""
STERN = "db1"
"""This one keeps sshd's own ``PerSourcePenalties``, so that the lab shows what people meet."""


@dataclass(slots=True)
class Hosting:
    """Both hosts. ``root`` is the fingerprint of the bundle key, known when they are enrolled."""

    paths: Paths
    janitor: Janitor
    hosts: dict[str, Host]
    accounts: Accounts
    root: str = ""
    programs: list[Program] = field(default_factory=list)

    @classmethod
    def prepare(cls, paths: Paths, ports: list[int], janitor: Janitor) -> Self:
        """Makes the hosts' files. Raises ``debian.NotFetched`` where there is no sshd and none can be fetched."""
        server = openssh.sshd()
        made = {}
        for (name, (login, labels)), port in zip(SHAPES.items(), ports, strict=True):
            host = Host(
                name, paths.hosts / name, server, hosts.login(login), labels=labels, port=port, penalties=name == STERN
            )
            host.prepare()
            made[name] = host
        accounts = Accounts(
            web=made["web1"].login,
            database=made["db1"].login,
            root=hosts.login("root"),
            migrate=str(hosts.migrate(made["db1"].folder)),
        )
        return cls(paths, janitor, made, accounts)

    @property
    def ports(self) -> dict[str, int]:
        """The hosts' ports."""
        return {name: host.port for name, host in self.hosts.items()}

    @property
    def pids(self) -> dict[str, int]:
        """The listening sshd of each host."""
        return {f"sshd-{name}": host.pid for name, host in self.hosts.items()}

    def start_sshd(self) -> None:
        """Starts every host's sshd. Raises ``LabError``."""
        for host in self.hosts.values():
            try:
                host.start()
            except hosts.HostFailed as error:
                raise LabError(str(error)) from error
            self.janitor.watch_number(host.pid)
            self.janitor.watch_namespace(host.pid)

    def enrol(self, operator: Typist, url: str) -> None:
        """Registers the hosts with the CA, all at once, and starts their watchers (without waiting for them)."""
        started = {name: operator.start(_add(host)) for name, host in self.hosts.items()}
        for process in started.values():
            self.janitor.watch(process)
        for name, process in started.items():
            reply = json.loads(finish(f"ssh-jit-ca host add {name}", process))
            self.root = reply["bundle_root"]
            self.hosts[name].host_id = reply["host"]["id"]
            self._watch(self.hosts[name], url)

    def wait(self) -> None:
        """Waits until every host lets certificates in. Raises ``LabError``."""
        for program in self.programs:
            program.wait()

    def reap(self) -> None:
        """Takes note of the end of the hosts, which the janitor brought about."""
        for host in self.hosts.values():
            host.stop()

    def as_json(self) -> list[dict[str, Any]]:
        """The hosts in the lab's line."""
        return [
            {
                "name": host.name,
                "labels": dict(host.labels),
                "address": ADDRESS,
                "port": host.port,
                "login": host.login,
                "log": str(host.log),
            }
            for host in self.hosts.values()
        ]

    def _watch(self, host: Host, url: str) -> None:
        config = write(host.folder / "host.json", json.dumps(_settings(host, url, self.root), indent=2))
        command = host.inside([str(BIN / "ssh-jit-host"), "--config", str(config), "watch"])
        env = base_env(host.folder) | host.additions
        log = self.paths.log / f"host-{host.name}.log"
        program = Program(f"host-{host.name}", command, env, log, self.janitor, lambda: _fresh(host))
        program.start(wait=False)
        self.programs.append(program)


def _add(host: Host) -> list[str]:
    labels = [f"--label={key}={value}" for key, value in host.labels.items()]
    where = ["--address", ADDRESS, "--port", str(host.port), "--host-key", str(host.public_key)]
    return ["ssh-jit-ca", "host", "add", host.name, *where, *labels, "--json"]


def _settings(host: Host, url: str, root: str) -> dict[str, Any]:
    """``host.json``."""
    return {
        "version": 1,
        "name": host.name,
        "host_id": host.host_id,
        "url": url,
        "root": root,
        "logins": [host.login],
        "home": str(host.home),
        "sshd": str(host.server.path),
        "sshd_config": str(host.config),
        "dropin": str(host.drop_in),
        "reload": host.reload_command,
        "interval": INTERVAL,
    }


def _fresh(host: Host) -> bool:
    """Whether the drop-in is in force: written, no reload left to do, and sshd listens again since."""
    written = host.drop_in.exists() and not (host.home / "reload.pending").exists()
    said = host.said()
    return written and said.count("Received SIGHUP") >= 1 and said.count("Server listening") >= 2

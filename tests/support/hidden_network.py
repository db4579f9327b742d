"""Hosts on a network that the test itself cannot reach, and a bastion that stands in both.

Their sshds are real, and set up by the real host program from the bundle of a real CA. The hidden network is a network
namespace in which every address is the loopback interface's. The bastion's sshd runs in there too, and is handed the
connections that arrive at a port outside (``sshd -i``, as ``inetd`` does it).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo import debian, isolate, namespace, openssh
from sshjit import ca_protocol as m
from tests.support.client_server import ClientServer
from tests.support.host_machine import Host, line, run
from tests.support.waiting import wait_until

ADDRESSES = ("10.77.0.5", "10.77.0.6", "10.77.0.7", "fd77::5")
ACCOUNTS = {"deploy": "/bin/sh", "jump": "/bin/sh"}
"""With their shells: what the account by which people pass through may not do is not left to its shell."""
UID = 4811


class HiddenHost(Host):
    """A host whose sshd runs in the network namespace, with accounts of its own."""

    def __init__(self, network: HiddenNetwork, folder: Path, *, listens: str) -> None:
        self.network = network
        self.listens = listens
        server = network.server
        super().__init__(folder, Path(shutil.copy(network.program, folder)), server.url, server.root)
        self.settings |= {"logins": ["deploy"]}

    def write_sshd_config(self, *, before: str = "", after: str = "", host_key: bool = True) -> None:
        """As of every host, with the address at which this one listens."""
        super().write_sshd_config(before=before, after=f"Subsystem sftp internal-sftp\n{after}", host_key=host_key)
        text = self.sshd_config.read_text()
        self.sshd_config.write_text(text.replace("ListenAddress 127.0.0.1", f"ListenAddress {self.listens}"))

    def _sshd(self) -> Path:
        """A program that runs the real sshd inside, where our accounts exist and can come as far as its files."""
        server, cache = openssh.sshd(), debian.cache()
        passwd, shadow = self.folder / "passwd", self.folder / "shadow"
        people = "".join(f"{who}:x:{uid}:65534::/:{shell}\n" for uid, (who, shell) in enumerate(ACCOUNTS.items(), UID))
        passwd.write_text(f"root:x:0:0::/:/bin/sh\nsshd:x:74:65534::/run/sshd:/bin/false\n{people}")
        shadow.write_text("".join(f"{who}:*:1::::::\n" for who in ("root", "sshd", *ACCOUNTS)))
        spec = namespace.Spec(
            cover=isolate.barriers([cache]),
            write=(str(cache),),
            over=((str(passwd), "/etc/passwd"), (str(shadow), "/etc/shadow")),
            folders=("/run/sshd",),
        )
        command = self.network.enter(*isolate.enter(spec, [str(server.path)]))
        path = self.folder / "sshd"
        added = " ".join(shlex.quote(f"{name}={value}") for name, value in server.environment.items())
        path.write_text(f'#!/bin/sh\nexec env {added} {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
        return path

    def enrol(self, name: str, *, address: str, port: int, aliases: tuple[str, ...] = (), **more: Any) -> None:
        """Enrols the host with its key, and has it trust the CA."""
        labels = (("env", "staging"), ("role", more.pop("role", "web")))
        keys = (line(self.folder / "host_key"),)
        message = m.AddHost(name, aliases, address, port, labels, keys, **more)
        reply = self.network.server.say(message, m.HostReply, "admin")
        (self.folder / "host_key-cert.pub").write_text(f"{reply.certificates[0]}\n")
        self.settings |= {"name": name, "host_id": reply.host.id}
        self.refresh()

    @contextlib.contextmanager
    def sshd(self) -> Iterator[Path]:
        """sshd, running inside; the path is its log."""
        log = self.folder / "sshd.log"
        argv = [str(self.settings["sshd"]), "-D", "-f", str(self.sshd_config), "-E", str(log), "-o", "LogLevel=VERBOSE"]
        with subprocess.Popen(argv) as process:
            try:
                wait_until(lambda: log.exists() and "Server listening" in log.read_text(), "sshd does not listen")
                yield log
            finally:
                process.terminate()

    @contextlib.contextmanager
    def inetd(self) -> Iterator[Path]:
        """Sshd inside for each connection to a port of loopback outside; the path is its log."""
        log = self.folder / "sshd.log"
        argv = [str(self.settings["sshd"]), "-i", "-f", str(self.sshd_config), "-E", str(log), "-o", "LogLevel=VERBOSE"]
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            thread = threading.Thread(target=_serve, args=(listening, argv), daemon=True)
            thread.start()
            try:
                yield log
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                thread.join()


def _serve(listening: socket.socket, argv: list[str]) -> None:
    running = []
    with contextlib.suppress(OSError):
        while True:
            connection = listening.accept()[0]
            with connection:
                running.append(subprocess.Popen(argv, stdin=connection.fileno(), stdout=connection.fileno()))
    for process in running:
        process.terminate()
        process.wait()


class HiddenNetwork:
    """The network namespace, and the CA that its hosts belong to."""

    def __init__(self, server: ClientServer, program: Path, holder: int) -> None:
        self.server = server
        self.program = program
        self._holder = holder

    def enter(self, *command: str) -> list[str]:
        """The argument list that runs a command inside."""
        return ["nsenter", f"--net=/proc/{self._holder}/ns/net", "--", *command]

    @contextlib.contextmanager
    def host(self, listens: str) -> Iterator[HiddenHost]:
        """A host that listens at an address inside, once its sshd is started."""
        with tempfile.TemporaryDirectory(prefix="test-hidden-", dir=debian.cache()) as folder:
            Path(folder).chmod(0o755)
            yield HiddenHost(self, Path(folder), listens=listens)


@contextlib.contextmanager
def hidden_network(server: ClientServer, program: Path) -> Iterator[HiddenNetwork]:
    """A network namespace with ``ADDRESSES``; only root can make one."""
    assert os.geteuid() == 0, "only root can make a network namespace that the bastion is in as well"
    with subprocess.Popen(
        ["unshare", "--net", "--", sys.executable, "-IS", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            network = HiddenNetwork(server, program, holder.pid)
            run(*network.enter("ip", "link", "set", "lo", "up"))
            for address in ADDRESSES:
                run(
                    *network.enter(
                        "ip", "address", "add", address, "dev", "lo", "nodad" if ":" in address else "noprefixroute"
                    )
                )
            yield network
        finally:
            holder.terminate()

"""A CA as a process whose web socket a thief floods, and how long everybody else waits meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.operations import admin_client
from sshjit_web.ca_client import CaClient
from tests.support.ca_process import CaProcess
from tests.support.installation import ALICE, BOB, Installation
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until

R = TypeVar("R")
MIB = 1024 * 1024


@dataclass
class Besieged:
    """The CA that runs, and two people who are signed in at the pages."""

    process: CaProcess
    web_socket: Path
    alice: str
    bob: str
    web: CaClient
    """The front end's own connections, in bob's name."""

    def lock(self) -> None:
        """The operator locks a host, and unlocks it."""
        lock = self._operator(m.Lock(None, "host", "db1", "odd"), m.LockReply).lock
        self._operator(m.Unlock(None, lock.id, "it was a drill", None), m.Done)

    def status(self) -> None:
        """The operator reads how the CA is."""
        assert self._operator(m.Status(), m.StatusReply).ready

    def revoke(self) -> None:
        """The operator revokes something, which turns out not to be there."""
        try:
            self._operator(m.Revoke(None, "req-nothing", None, None, "odd"), m.RevokeReply)
        except Invalid as error:
            assert error.code == "unknown_request"  # noqa: PT017 - any other error is one

    def read(self) -> None:
        """Bob reads who he is."""
        assert self.web.call(m.ReadLogin(self.bob), m.LoginReply).login.id == self.bob

    def waits(self, rounds: int) -> dict[str, list[float]]:
        """Seconds that each took, so many times."""
        acts: tuple[Callable[[], None], ...] = (self.status, self.lock, self.revoke, self.read)
        took: dict[str, list[float]] = {act.__name__: [] for act in acts}
        for _ in range(rounds):
            for act in acts:
                began = time.perf_counter()
                act()
                took[act.__name__].append(time.perf_counter() - began)
        return took

    def resident(self) -> float:
        """MiB of the CA that are in memory."""
        lines = Path(f"/proc/{self.process.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith("VmRSS"))

    def _operator(self, message: m.Message, reply: type[R]) -> R:
        return admin_client.call(self.process.admin_socket, message, reply)


@contextmanager
def besieged_ca(folder: Path) -> Iterator[Besieged]:
    """Starts it, and ends it after the block."""
    with serving() as acme, serving() as partner:
        ca = Installation(folder, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.add_host("db1", env="prod", role="db")
        alice, bob = ca.web(ALICE), ca.web(BOB)
        ca.stop()
        process = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
        web = CaClient(ca.config.web_socket, timeout=PATIENCE)
        try:
            wait_until(process.ready)
            besieged = Besieged(process, ca.config.web_socket, alice, bob, web)
            besieged.waits(10)
            yield besieged
        finally:
            web.close()
            assert process.end() == 0

"""A CA that dies: a fork of the test, killed by SIGKILL, and what must be true when it comes back."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import time
import traceback
from base64 import b64decode
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit_ca import state as states
from sshjit_ca.log import verification
from sshjit_ca.state import State
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving

PR_SET_PTRACER = 0x59616D61


@dataclass
class Client:
    """Whoever receives certificates: what it got is in a file, which outlives the CA."""

    file: Path

    def take(self, certificate: m.CertificateView | None) -> None:
        """Notes a certificate down."""
        assert certificate is not None
        digest = hashlib.sha256(b64decode(certificate.text.split()[1])).hexdigest()
        with self.file.open("a") as file:
            file.write(f"{certificate.serial} {digest}\n")

    def received(self) -> dict[int, str]:
        """Every certificate so far: digest by serial, no serial twice."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        found = {int(line.split()[0]): line.split()[1] for line in lines}
        assert len(found) == len(lines)
        return found


def prepared(home: Path, stack: ExitStack, database: str | None) -> Installation:
    """A CA with a host, which is not running."""
    issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
    ca = Installation(home, issuers, time=time.time(), boot=time.time(), database=database)
    ca.add_host("web1", env="staging")
    ca.key(ALICE)
    ca.stop()
    return ca


def batch(ca: Installation, client: Client, login: str) -> None:
    """One batch that draws two certificates and revokes a third; the client takes what leaves."""
    asked = m.Ask(login, ("web1",), None, "shell", None, None, "x", True, "192.0.2.7")  # noqa: FBT003 - as it travels
    request = ca.say(asked, m.AskReply)
    client.take(request.certificate)
    assert request.certificate is not None
    more = ca.say_all(
        [
            m.SignUser(login, request.request.id),
            m.Revoke(login, None, request.certificate.serial, None, "the third"),
            m.SignUser(login, request.request.id),
        ]
    )
    for reply in (more[0], more[2]):
        assert isinstance(reply, m.CertificateReply)
        client.take(reply.certificate)


Watch = Callable[[int], AbstractContextManager[None]]


def killed(body: Callable[[], None], watch: Watch | None = None) -> bool:
    """Runs ``body`` in a fork, watched by ``watch(its number)``; whether it was killed before it was done."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(go)
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))  # where only parents may trace otherwise
            os.read(ready, 1)
            body()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a fork must never return into pytest
            traceback.print_exc()
            os._exit(1)
    os.close(ready)
    with ExitStack() as stack:
        try:
            stack.enter_context(watch(child) if watch else nullcontext())
        finally:
            os.close(go)
        _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the victim ended with {status}"
    return status != 0


def check(ca: Installation, client: Client) -> None:
    """Everything that must be true after a crash, as the CA itself finds it when it comes back."""
    ca.start()
    try:
        assert verification.verify(ca.store, ca.context.keys.public("log")).problems == ()
        folded, issued = State(), dict[int, str]()
        for row in ca.store.rows():
            event = entries.read(row.entry)
            assert event is not None
            states.apply(folded, event, row.entry.index, row.entry.time)
            if isinstance(event, events.Issued):
                assert event.serial not in issued
                issued[event.serial] = event.certificate
        assert states.digest(folded) == states.digest(ca.context.state)
        assert client.received().items() <= issued.items()
    finally:
        ca.stop()

"""Front ends as processes, and people who speak to them over HTTP: one after the other, or all in the same instant."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sshjit import wire
from sshjit.api.ask import AskBody
from sshjit.api.bodies import DecisionBody
from tests.support.waiting import wait_until

PROGRAM = (sys.executable, "-m", "sshjit_web")
PATIENCE = 60.0
"""Seconds for one answer."""
T = TypeVar("T")


@dataclass
class Front:
    """One ``ssh-jit-web serve`` at a port of loopback, or its ``notify``; ``log`` takes what it prints."""

    config: Path
    port: int
    command: str = "serve"
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.config.with_suffix(f".{self.command}.log")

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """Its process."""
        assert self.process is not None
        return self.process

    def start(self) -> None:
        """Starts it and does not wait for it."""
        arguments = [*PROGRAM, self.command, "--config", str(self.config)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(arguments, stdout=out, stderr=out, env=_environment())

    def ready(self) -> bool:
        """Whether it answers, and the CA behind it."""
        assert self.running.poll() is None, self.log.read_text()
        with suppress(OSError):
            return Client(self.port).call("GET", "/readyz").status == 200
        return False

    def kill(self) -> None:
        """Kills it by SIGKILL; its worker ends with it."""
        self.running.kill()
        self.running.wait(PATIENCE)

    def end(self) -> None:
        """Ends it, if it was started and has not ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("SSH_JIT_")}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: status and body."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The code of the error; empty where it is none."""
        return str(self.body["error"]["code"]) if "error" in self.body else ""


@dataclass
class Client:
    """Somebody who speaks to the front end at ``port`` over a connection of their own; ``token`` says who they are."""

    port: int
    token: str = ""
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def connect(self) -> None:
        """Opens the connection, so that what is said next is on its way at once."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            self._connection.connect()

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Said:
        """Says one thing. Raises ``OSError`` when nobody answers."""
        self.connect()
        assert self._connection is not None
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        text = None if body is None else json.dumps(body)
        if text is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
            raw = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            self.close()
        return Said(answer.status, json.loads(raw) if raw else {})

    # ------------------------------------------------------------------------------------------------- what people do

    def ask(self, host: str, reason: str = "CHG-7 add index", *, certificate: bool = False) -> Said:
        """Asks for a shell on a host."""
        body = AskBody((host,), None, "shell", None, None, reason, certificate)
        return self.call("POST", "/api/v1/requests", wire.encode(body))

    def decide(self, verdict: str, request: dict[str, Any], comment: str = "as it was shown") -> Said:
        """``approve`` or ``deny`` what ``request`` shows."""
        body = DecisionBody(request["digest"], comment, None)
        return self.call("POST", f"/api/v1/requests/{request['id']}/{verdict}", wire.encode(body))

    def draw(self, request: dict[str, Any]) -> Said:
        """Draws a certificate."""
        return self.call("POST", f"/api/v1/requests/{request['id']}/certificate")

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as it stands now."""
        said = self.call("GET", f"/api/v1/requests/{request['id']}")
        assert said.status == 200, said
        found: dict[str, Any] = said.body["request"]
        return found


def together(acts: Sequence[Callable[[], T]], *clients: Client) -> list[T]:
    """Does all of it in the same instant, each in a thread of its own; ``clients`` are connected before."""
    for client in clients:
        client.connect()
    gate = threading.Barrier(len(acts))

    def act(what: Callable[[], T]) -> T:
        gate.wait(PATIENCE)
        return what()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


def started(fronts: Sequence[Front]) -> None:
    """Starts all of them at once, and waits until they answer."""
    for front in fronts:
        front.start()
    for front in fronts:
        wait_until(front.ready)


def at(moment: float) -> None:
    """Sleeps until a moment of the wall clock."""
    time.sleep(max(0.0, moment - time.time()))

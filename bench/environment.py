"""What several measurements share: the lab with alice signed in, and the empty route. Made when first needed."""

from __future__ import annotations

import http.client
import json
import sys
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bench.ca_process import enrol
from bench.processes import free_port, listens, running
from demo.lab import Lab, Person
from sshjit import wire
from sshjit.api.ask import AskBody

T = TypeVar("T")
THREADS = 16
"""Threads of the empty route: as many as the front end has questions in flight here."""


class Environment:
    """The parts that run; all of them end with the block."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def entered(self, part: AbstractContextManager[T]) -> T:
        """Another part, which ends with the rest."""
        return self._stack.enter_context(part)

    @cached_property
    def lab(self) -> Lab:
        """The lab."""
        return self._stack.enter_context(Lab.start())

    @cached_property
    def alice(self) -> Person:
        """Alice, signed in by ``ssh-jit``, with a certificate for web1."""
        alice = self.lab.person("alice")
        done = alice.run(["ssh-jit", "web1", "true"])
        if done.code:
            raise RuntimeError(f"alice did not reach web1: {done.stderr}")
        return alice

    @cached_property
    def token(self) -> str:
        """Alice's token at the API."""
        session = json.loads((self.alice.runtime / "session.json").read_text())
        return str(session["token"])

    @cached_property
    def empty(self) -> int:
        """The port of the empty route."""
        port = free_port()
        command = [sys.executable, "-m", "bench.empty_route", str(port), str(THREADS)]
        self._stack.enter_context(running(command, lambda: listens(port)))
        return port

    @property
    def servers(self) -> dict[str, int]:
        """The processes of the CA and of the front end."""
        return {"CA": self.lab.ca.pid, "front end": self.lab.web.pid}

    @property
    def web(self) -> int:
        """The front end's port."""
        return self.lab.ports.web

    def api(self, method: str, path: str, body: object = None) -> Any:
        """One call of the API as alice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=20)
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Content-Type": "application/json"} if body else {})
        try:
            connection.request(method, f"/api/v1/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 201, 204):
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def grant(self) -> str:
        """The request of alice's open window for web1."""
        return str(self.api("POST", "requests", wanted("web1", certificate=False))["request"]["id"])

    def enrol_paper(self, names: list[str]) -> None:
        """Enrols hosts that exist on paper only, in staging."""
        enrol(Path(self.lab.paths.admin_socket), names)


def wanted(*hosts: str, certificate: bool) -> Any:
    """The body of an ask for a shell, for as long as policy gives."""
    ask = AskBody(hosts, None, "shell", None, None, "", certificate=certificate)
    return wire.encode(ask)

"""A CA of its own for a measurement: really served, with people signed in and windows open."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import Traffic
from bench.processes import folder, listens, running, unix
from sshjit import ca_protocol as m
from sshjit import wire
from tests.support.installation import Installation, Person
from tests.support.issuer import serving

CA = [sys.executable, "-m", "sshjit_ca"]
PEOPLE, WINDOWS = 8, 8
"""People, and open windows of each: as many as questions that are in flight."""


@dataclass(frozen=True, slots=True)
class RunningCa:
    """A running CA: its web socket, the environment of its operator, and (login, request) of every open window."""

    pid: int
    socket_path: Path
    env: dict[str, str]
    windows: tuple[tuple[str, str], ...]

    def certificates(self) -> Traffic:
        """Questions for certificates, from every window in turn."""
        frames = itertools.cycle([frame("sign_user", login_id=login, request=each) for login, each in self.windows])
        return Traffic(lambda: unix(self.socket_path), lambda: next(frames), frame_length, frame_good)


@contextmanager
def served(people: int = PEOPLE, windows: int = WINDOWS) -> Iterator[RunningCa]:
    """A CA with so many people, and so many open windows of each."""
    with folder() as home, serving() as acme, serving() as partner:
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        installation = Installation(home, {"acme": acme, "partner": partner}, time=time.time(), boot=boot)
        opened = _windows(installation, people, windows)
        installation.stop()
        env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml")}
        socket_path = installation.config.web_socket
        with running([*CA, "serve"], lambda: listens(socket_path), env) as process:
            yield RunningCa(process.pid, socket_path, env, opened)


def _windows(installation: Installation, people: int, windows: int) -> tuple[tuple[str, str], ...]:
    for number in range(windows):
        installation.add_host(f"web{number}", env="staging")
    grants = list[tuple[str, str]]()
    for number in range(people):
        login = installation.native(Person(f"sre-{number}", ("SRE",), f"sre-{number}@example.com"))
        grants += [(login, installation.ask(login, f"web{host}").request.id) for host in range(windows)]
    return tuple(grants)


def frame(kind: str, **body: object) -> bytes:
    """One message as it travels (``sshjit/ca_protocol``)."""
    text = json.dumps({"v": 1, "id": 1, "type": kind, "body": body}).encode()
    return len(text).to_bytes(4, "big") + text


def frame_length(received: bytearray) -> int:
    """The length of a whole frame, or 0."""
    whole = 4 + int.from_bytes(received[:4], "big")
    return whole if 4 <= len(received) >= whole else 0


def frame_good(answer: bytes) -> bool:
    """Whether an answer is not an error."""
    return b'"type":"ok"' in answer[:60]


def enrol(socket_path: Path, names: list[str]) -> None:
    """Enrols hosts that exist on paper only, in staging, at the operator's socket."""
    with unix(socket_path) as channel:
        for name in names:
            host = m.AddHost(name, (), "127.0.0.1", 22, (("env", "staging"),), ())
            channel.sendall(frame("add_host", **wire.encode(host)))
            answer = channel.recv(1 << 16)
            if not frame_good(answer):
                raise RuntimeError(answer.decode())

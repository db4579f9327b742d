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
from sshjit_ca.keys import files
from sshjit_ca.keys.signer import Signer
from tests.support.installation import Installation, Person
from tests.support.issuer import serving

PEOPLE, WINDOWS = 8, 8
"""People, and open windows of each: as many as questions that are in flight."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running CA: its web door, the key that signs, and (login, request) of every open window."""

    door: Path
    signer: Signer
    windows: tuple[tuple[str, str], ...]

    def certificates(self) -> Traffic:
        """Questions for certificates, from every window in turn."""
        frames = itertools.cycle([frame("sign_user", login_id=login, request=each) for login, each in self.windows])
        return Traffic(lambda: unix(self.door), lambda: next(frames), frame_length, frame_good)


@contextmanager
def served(kind: files.Kind = "ed25519") -> Iterator[Served]:
    """A CA whose user CA key is a file of this kind."""
    with folder() as home, serving() as acme, serving() as partner:
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        installation = Installation(home, {"acme": acme, "partner": partner}, time=time.time(), boot=boot)
        windows = _windows(installation)
        installation.stop()
        path = installation.config.home / "keys" / "user_ca"
        if kind != "ed25519":
            path.unlink()
            path.with_name("user_ca.pub").unlink(missing_ok=True)
            files.make(path, kind)
        env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml")}
        door = installation.config.web_socket
        with running([sys.executable, "-m", "sshjit_ca", "serve"], lambda: listens(door), env):
            yield Served(door, files.load(path), windows)


def _windows(installation: Installation) -> tuple[tuple[str, str], ...]:
    for number in range(WINDOWS):
        installation.add_host(f"web{number}", env="staging")
    found = list[tuple[str, str]]()
    for number in range(PEOPLE):
        login = installation.native(Person(f"sre-{number}", ("SRE",), f"sre-{number}@example.com"))
        found += [(login, installation.ask(login, f"web{host}").request.id) for host in range(WINDOWS)]
    return tuple(found)


def frame(kind: str, **body: object) -> bytes:
    """One message as it travels (``sshjit/messages``)."""
    text = json.dumps({"v": 1, "id": 1, "type": kind, "body": body}).encode()
    return len(text).to_bytes(4, "big") + text


def frame_length(heard: bytearray) -> int:
    """The length of a whole frame, or 0."""
    whole = 4 + int.from_bytes(heard[:4], "big")
    return whole if 4 <= len(heard) >= whole else 0


def frame_good(answer: bytes) -> bool:
    """Whether an answer is not an error."""
    return b'"type":"ok"' in answer[:60]

"""Places outside that get the log's checkpoints, as evidence: a file, a web server, a syslog.

Each gets the newest head, by itself, and nothing waits for it; what was the newest while it was away is not sent later,
since a newer one says as much. It says nothing back, so that it cannot stop the CA as a witness can.
"""

from __future__ import annotations

import base64
import http.client
import logging
import os
import socket
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sshjit import checkpoint
from sshjit.errors import Failed, SshJitError
from sshjit_ca.config import read_trusted
from sshjit_ca.machine import syslog
from sshjit_ca.machine.durable import add_whole
from sshjit_ca.machine.outgoing_http import opener
from sshjit_ca.place_config import Place

EVERY = 15.0
"""Seconds between two checkpoints to a place."""
FIRST_PAUSE = 5.0
"""Seconds until a place that failed is tried again; it doubles with each failure."""
SLOWEST = 300.0
ALARMING = 900.0
"""Seconds without success after which the CA's own alarm says so, once."""
HANGS = 60.0
"""Seconds after which a sending that did not end is said."""
TIMEOUT = 10
KIND = "checkpoint"
_DOWN = "place_down"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Follower:
    """One place: how far it is, and what was wrong last."""

    place: Place
    size: int = 0
    """Entries under the newest checkpoint that it got from this process."""
    time: int = 0
    """When it got that, seconds since the epoch."""
    problem: Failed | None = None
    alarmed: bool = False
    _busy_since: float | None = None
    """When a sending began that has not ended: a disk of another machine may hang for ever."""
    _failing_since: float | None = None
    _failures: int = 0
    _next: float = 0.0
    _sender: syslog.Sender | None = field(default=None)

    def due(self, note: str, now: float) -> bool:
        """Whether it is to get this one."""
        if self._busy_since is not None:
            if self.problem is None and now - self._busy_since >= HANGS:
                self.problem = Failed(_DOWN, f"checkpoints do not reach {self.place.name}: it does not answer")
                _log.warning("%s", self.problem.message)
            return False
        return now >= self._next and (self.problem is not None or checkpoint.size_of(note) != self.size)

    def send(self, note: str, wall: int, now: float) -> None:
        """Sends it once. Never raises."""
        try:
            self._send(note, wall)
        except SshJitError as error:
            self._failed(Failed(_DOWN, f"checkpoints do not reach {self.place.name}: {error.message}"), now)
        except OSError as error:
            why = error.strerror or str(error)
            self._failed(Failed(_DOWN, f"checkpoints do not reach {self.place.name}: {why}"), now)
        except Exception:  # noqa: BLE001 - whatever it is, the CA goes on, and tries again
            _log.exception("a checkpoint was not sent")
            self._failed(Failed("defect", f"checkpoints do not reach {self.place.name}: a bug"), now)
        else:
            if self.problem is not None:
                _log.info("checkpoints reach %s again", self.place.name)
            self.size, self.time, self._next = checkpoint.size_of(note), wall, now + EVERY
            self.problem, self._failing_since, self._failures, self.alarmed = None, None, 0, False

    def start(self, note: str, wall: int, now: float) -> threading.Thread:
        """Sends it once, in a thread that keeps nobody waiting, not even the end of the program."""
        self._busy_since = now

        def work() -> None:
            self.send(note, wall, now)
            self._busy_since = None

        thread = threading.Thread(target=work, name=f"checkpoint-{self.place.name}", daemon=True)
        thread.start()
        return thread

    def alarming(self, now: float) -> bool:
        """Whether it failed for so long that people must hear of it, and did not yet."""
        since = self._failing_since if self._busy_since is None else self._busy_since
        return since is not None and now - since >= ALARMING and not self.alarmed

    def _failed(self, error: Failed, now: float) -> None:
        if self.problem is None or self.problem.message != error.message:
            _log.warning("%s", error.message)
        self.problem = error
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._next = now + min(SLOWEST, FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 10)

    def _send(self, note: str, wall: int) -> None:
        if self.place.file is not None:
            append(self.place.file, note)
        elif self.place.url:
            _post(self.place, note)
        elif self.place.syslog is not None:
            self._sender = self._sender or syslog.Sender(self.place.syslog)
            self._sender.send(message(note, wall))


@dataclass(slots=True)
class Places:
    """The places that ``ca.toml`` names."""

    followers: tuple[Follower, ...] = ()

    @classmethod
    def of(cls, places: Iterable[Place]) -> Places:
        """None of them got anything yet."""
        return cls(tuple(map(Follower, places)))

    def send(self, note: str, wall: int, now: float) -> list[threading.Thread]:
        """Begins to send the newest checkpoint to each that is due, and waits for none."""
        return [each.start(note, wall, now) for each in self.followers if each.due(note, now)]


def append(path: Path, note: str) -> None:
    """Writes a checkpoint behind those that are there, with an empty line after it, durably. Raises ``OSError``.

    What a power cut left of an earlier one stays, as evidence must, and this one begins after an empty line.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, f"{path} is not a regular file")
        if not add_whole(descriptor, _separation(descriptor) + f"{note}\n".encode()):
            raise OSError(0, f"{path} did not take all of it")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _separation(descriptor: int) -> bytes:
    """What the next checkpoint needs before it: nothing after one that is whole, an empty line after a part of one."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    if not tail or (tail.endswith(b"\n\n") and tail.rstrip(b"\n").rpartition(b"\n")[2].startswith(_SIGNED)):
        return b""
    return b"\n" if tail.endswith(b"\n") else b"\n\n"


_TAIL = 4096
"""Bytes at the end of a file that are looked at: more than the last line of a checkpoint has."""
_SIGNED = "\N{EM DASH} ".encode()
"""How a line with a signature begins; each checkpoint ends with one."""


def message(note: str, wall: int) -> syslog.Message:
    """A checkpoint as a message of syslog: all of it in base64, since a note has lines."""
    origin, size, root = note.split("\n")[:3]
    data = {"log": origin, "size": size, "root": root, "note": base64.b64encode(note.encode()).decode("ascii")}
    text = f"the log {origin} has {size} entries, root {root}"
    return syslog.Message(syslog.NOTICE, wall, socket.gethostname() or "-", KIND, data, text)


def _post(place: Place, note: str) -> None:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if place.token_file is not None:
        headers["Authorization"] = f"Bearer {read_trusted(place.token_file).strip()}"
    request = urllib.request.Request(place.url, data=note.encode(), headers=headers)  # noqa: S310 - checked
    try:
        with opener(place.url).open(request, timeout=TIMEOUT):
            pass  # what it says does not matter, as long as it is 2xx
    except urllib.error.HTTPError as error:
        error.close()
        raise Failed(_DOWN, f"it answers {error.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failed(_DOWN, f"it cannot be reached: {getattr(error, 'reason', error)}") from None

"""People at work: each asks for access to a host, draws certificates from it, ends it, and begins again.

What each received and was promised is written down as it comes, so that the log can be held against it.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.machine import Machine
from tests.support.front_ends import Client, Said
from tests.support.installation import Person

COUNT = 6
DRAWS = 40
"""Certificates from one request."""
PROMPT = 10.0
"""Seconds that the service may take to be back."""
NOT_OURS = frozenset({401, 403, 409})
"""Statuses that say something about the asker; then a new sign-in and a new request are tried."""


@dataclass
class Ledger:
    """What people hold; for all of them."""

    certificates: list[tuple[int, str]] = field(default_factory=list)
    """Serial and digest, as they came."""
    asked: dict[str, str] = field(default_factory=dict)
    """The reason of an ask that was answered, and the request's id."""
    answers: Counter[str] = field(default_factory=Counter)
    """Codes of errors, and how often."""
    bad: list[str] = field(default_factory=list)
    """Answers that should never be."""
    given_up: list[int] = field(default_factory=list)
    """Serials that an older copy of the log does not know."""
    good: float = 0.0
    """When the newest certificate was asked for that came."""
    came: float = 0.0
    """When it came."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, certificate: dict[str, Any], began: float) -> None:
        """Somebody received a certificate that was asked for at ``began``."""
        digest = hashlib.sha256(base64.b64decode(certificate["text"].split()[1])).hexdigest()
        with self._lock:
            self.certificates.append((int(certificate["serial"]), digest))
            if began > self.good:
                self.good, self.came = began, time.monotonic()

    def refuse(self, said: Said) -> None:
        """Somebody was told an error."""
        with self._lock:
            self.answers[said.code or str(said.status)] += 1
            if said.code in {"defect", "internal"} or said.status == 500:
                self.bad.append(f"{said.status} {said.body}")


class Worker(threading.Thread):
    """One person."""

    def __init__(self, machine: Machine, ledger: Ledger, number: int) -> None:
        super().__init__(name=f"person-{number}", daemon=True)
        self._machine = machine
        self._ledger = ledger
        self._number = number
        self._person = Person(f"w-{number}", ("SRE",), f"w{number}@example.com")
        self._client: Client | None = None
        self._request: dict[str, Any] | None = None
        self._left = 0
        self._reasons = itertools.count(1)
        self.pause = 0.0
        """Seconds from the begin of one thing to the next; 0: at once."""
        self.stopping = threading.Event()
        self.done = 0

    def run(self) -> None:
        """Works until it is told to stop."""
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self._act(began)
            except OSError:
                self._ledger.answers["no connection"] += 1
                self.stopping.wait(0.1)
            except Exception as error:  # noqa: BLE001 - an answer that cannot be understood is a finding
                self._ledger.bad.append(f"{type(error).__name__}: {error}")
                self.stopping.wait(1)
            self.stopping.wait(max(0.0, self.pause - (time.monotonic() - began)))

    def _act(self, began: float) -> None:
        if self._client is None:
            self._sign_in()
        elif self._request is None:
            self._ask(began)
        elif self._left:
            self._draw(began)
        else:
            self._end()

    def _sign_in(self) -> None:
        ca = self._machine.ca
        with _SIGNING:
            ca.time = time.time() + self._machine.offset
            message = ca.native_message(self._person)
        fields = ("provider", "id_token", "key", "salt", "signature")
        body = {name: getattr(message, name) for name in fields}
        said = Client(self._machine.front.port).call("POST", "/api/v1/login", body)
        if said.status == 201:
            self._client = Client(self._machine.front.port, said.body["token"])
        else:
            self._failed(said)
            self.stopping.wait(0.3)

    def _ask(self, began: float) -> None:
        assert self._client is not None
        number = next(self._reasons)
        reason = f"CHG-7 of {self._number}, {number}"
        host = f"web{self._number * 20 + number % 20 + 1}"
        said = self._client.ask(host, reason, certificate=True)
        if said.status not in {200, 201}:
            self._failed(said)
            return
        self._request, self._left = said.body["request"], DRAWS
        if not said.body["existing"]:
            self._ledger.asked[reason] = said.body["request"]["id"]
        if said.body["certificate"] is not None:
            self._ledger.take(said.body["certificate"], began)

    def _draw(self, began: float) -> None:
        assert self._client is not None
        assert self._request is not None
        said = self._client.draw(self._request)
        if said.status == 201:
            self._ledger.take(said.body, began)
            self._left -= 1
            self.done += 1
        else:
            self._failed(said)

    def _end(self) -> None:
        assert self._client is not None
        assert self._request is not None
        said = self._client.call("POST", f"/api/v1/requests/{self._request['id']}/end")
        self._request = None
        if said.status != 200:
            self._failed(said)

    def _failed(self, said: Said) -> None:
        self._ledger.refuse(said)
        if said.status in NOT_OURS or said.code == "unknown_request":
            self._request = None
            if said.status == 401:
                self._client = None


_SIGNING = threading.Lock()
"""A sign-in has a number of its own."""


@dataclass
class Crowd:
    """All of them."""

    workers: list[Worker]
    ledger: Ledger

    @classmethod
    def begin(cls, machine: Machine, count: int = COUNT) -> Crowd:
        """Begins to work, as fast as it goes."""
        ledger = Ledger()
        crowd = cls([Worker(machine, ledger, number) for number in range(count)], ledger)
        for worker in crowd.workers:
            worker.start()
        return crowd

    def measure(self, seconds: float) -> float:
        """Certificates per second, with all in a row."""
        before = sum(worker.done for worker in self.workers)
        time.sleep(seconds)
        return (sum(worker.done for worker in self.workers) - before) / seconds

    def pace(self, rate: float) -> None:
        """From now on so many a second."""
        for worker in self.workers:
            worker.pause = len(self.workers) / max(rate, 1.0)

    def end(self) -> None:
        """Everybody stops."""
        for worker in self.workers:
            worker.stopping.set()
        for worker in self.workers:
            worker.join(30)

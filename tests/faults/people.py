"""People at work: each asks for access to a host, draws certificates from it, ends it, and begins again.

What each received and was promised is written down as it comes, so that the log can be held against it.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.front_ends import Client, Front, Said
from tests.support.installation import BOB, DANA, Installation, Person

COUNT = 6
DRAWS = 40
"""Certificates from one request."""
PROMPT = 10.0
"""Seconds that the service may take to be back."""


class Place(Protocol):
    """Where people work: the CA that made their keys, a front end, and how far the CA's clock is from ours."""

    @property
    def ca(self) -> Installation:
        """The installation."""

    @property
    def front(self) -> Front:
        """A front end; of several the next one, as behind a load balancer."""

    @property
    def offset(self) -> float:
        """Seconds."""


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

    def __init__(self, machine: Place, ledger: Ledger, number: int) -> None:
        super().__init__(name=f"person-{number}", daemon=True)
        self._machine = machine
        self._ledger = ledger
        self._number = number
        self._person = Person(f"w-{number}", ("SRE",), f"w{number}@example.com")
        self._client: Client | None = None
        self._request: dict[str, Any] | None = None
        self._left = 0
        self._numbers = itertools.count(1)
        self._number_of_ask = 0
        """Of the ask that is not answered yet: it is asked again as it was."""
        self.pause = 0.0
        """Seconds from the begin of one thing to the next; 0: at once."""
        self.stopping = threading.Event()
        self.done = 0
        self.times: deque[float] = deque(maxlen=100_000)
        """Seconds that each certificate took, of the newest."""

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
        if self._client is not None:
            self._client.port = self._machine.front.port
        if self._client is None:
            self._sign_in()
        elif self._request is None:
            self._ask(began)
        elif self._left:
            self._draw(began)
        else:
            self._end()

    def _sign_in(self) -> None:
        said = sign_in(self._machine, self._person)
        if said.status == 201:
            self._client = Client(self._machine.front.port, said.body["token"])
        else:
            self._failed(said)
            self.stopping.wait(0.3)

    def _ask(self, began: float) -> None:
        assert self._client is not None
        number = self._number_of_ask = self._number_of_ask or next(self._numbers)
        reason = f"CHG-7 of {self._number}, {number}"
        host = f"web{self._number * 20 + number % 20 + 1}"
        said = self._client.ask(host, reason, certificate=True)
        if said.status not in {200, 201}:
            self._failed(said)
            if said.status in NOT_OURS:
                self._number_of_ask = 0
            return
        self._request, self._left, self._number_of_ask = said.body["request"], DRAWS, 0
        if said.body["request"]["reason"] == reason:
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
            self.times.append(time.monotonic() - began)
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


def sign_in(place: Place, person: Person) -> Said:
    """Signs a person in at a front end."""
    with _SIGNING:
        place.ca.time = time.time() + place.offset
        message = place.ca.native_message(person)
    body = {name: getattr(message, name) for name in ("provider", "id_token", "key", "salt", "signature")}
    return Client(place.front.port).call("POST", "/api/v1/login", body)


class Approval(threading.Thread):
    """Dana asks for one database after the other, Bob approves, and she draws: each step until it is done, once."""

    def __init__(self, place: Place, ledger: Ledger, hosts: int) -> None:
        super().__init__(name="approval", daemon=True)
        self._place = place
        self._ledger = ledger
        self._hosts = hosts
        self._clients: dict[str, Client] = {}
        self.stopping = threading.Event()
        self.done = 0

    def run(self) -> None:
        """Works until it is told to stop, or there is no further host."""
        try:
            for number in range(1, self._hosts + 1):
                reason = f"CHG-8 database {number}"
                asked = self._until_done(lambda: self._say(DANA).ask(f"db{number}", reason))  # noqa: B023 - at once
                if asked is None:
                    return
                request = asked["request"]
                self._ledger.asked[reason] = request["id"]
                if self._until_done(lambda: self._say(BOB).decide("approve", request)) is None:  # noqa: B023
                    return
                began = time.monotonic()
                certificate = self._until_done(lambda: self._say(DANA).draw(request))  # noqa: B023
                if certificate is None:
                    return
                self._ledger.take(certificate, began)
                self.done += 1
                self.stopping.wait(0.2)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be understood is a finding
            self._ledger.bad.append(f"approval: {type(error).__name__}: {error}")

    def _until_done(self, act: Callable[[], Said]) -> dict[str, Any] | None:
        """The body of the good answer; ``None`` if it is time to stop."""
        while not self.stopping.is_set():
            try:
                said = act()
            except OSError:
                self._ledger.answers["no connection"] += 1
            else:
                if said.status in {200, 201} or said.code in {"already_decided", "wrong_state"}:
                    return said.body
                self._ledger.refuse(said)
                if said.status == 401:
                    self._clients.clear()
                elif said.status < 500:
                    raise ValueError(said)
            self.stopping.wait(0.2)
        return None

    def _say(self, person: Person) -> Client:
        """Somebody signed in, at the next front end."""
        if person.sub not in self._clients:
            said = sign_in(self._place, person)
            if said.status != 201:
                raise ConnectionError(said.code)
            self._clients[person.sub] = Client(self._place.front.port, said.body["token"])
        client = self._clients[person.sub]
        client.port = self._place.front.port
        return client


@dataclass
class Crowd:
    """All of them."""

    workers: list[Worker]
    ledger: Ledger

    @classmethod
    def begin(cls, machine: Place, count: int = COUNT) -> Crowd:
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

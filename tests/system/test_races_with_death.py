"""The CA is killed among many who approve and draw: whoever got a yes finds it in the log, and nothing happens twice.

``tests/integration/test_crash.py`` kills it at every single write; here it dies as a process under real load, before
two front ends whose people go on as soon as it is back.
"""

from __future__ import annotations

import base64
import hashlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support import killed_ca
from tests.support.front_ends import Said, together
from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.waiting import PATIENCE
from tests.support.whole_installation import ERIN, Site, kinds

STORMS = 3
REQUESTS = 16
"""In a storm; each needs two approvals."""
DECIDED = {(200, ""), (409, "already_decided"), (409, "wrong_state")}


@dataclass
class Storm:
    """Who got what while the CA died; ``stopped`` is set when there is nothing more to do."""

    site: Site
    wave: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Event = field(default_factory=threading.Event)
    yes: list[tuple[str, str]] = field(default_factory=list)
    """Request and person of every approval that was answered by yes."""
    broken: list[Said] = field(default_factory=list)
    """Answers that said nothing about what became of it."""
    drawn: dict[int, str] = field(default_factory=dict)
    """Certificates by serial, as digests."""

    def decide(self, person: Person, front: int, requests: list[dict[str, Any]]) -> None:
        """Approves one request after the other, each again until there is a word on it."""
        client, until = self.site.client(person, front), time.monotonic() + PATIENCE
        for request in requests:
            while (said := client.decide("approve", request)).status == 503:
                assert time.monotonic() < until
                self.broken.append(said)
                time.sleep(0.02)
            assert (said.status, said.code) in DECIDED
            if said.status == 200:
                self.yes.append((request["id"], person.sub))
                self.wave.release()

    def draw(self, front: int, grant: dict[str, Any]) -> None:
        """Draws certificates all the while."""
        client = self.site.client(ALICE, front)
        while not self.stopped.is_set():
            said = client.draw(grant)
            if said.status == 201:
                blob = base64.b64decode(said.body["text"].split()[1])
                assert said.body["serial"] not in self.drawn
                self.drawn[said.body["serial"]] = hashlib.sha256(blob).hexdigest()
            else:
                assert said.status == 503, said

    def kill(self, after: int) -> None:
        """Kills the CA when there were so many approvals, and starts it again."""
        for _ in range(after):
            assert self.wave.acquire(timeout=PATIENCE)
        self.site.running_ca.process.kill()
        self.site.restart()


def test_whoever_got_a_yes_from_a_ca_that_was_killed_finds_it_in_the_log(site: Site) -> None:
    order, storms = random.Random(7), []  # noqa: S311 -- the order of clicks, not a secret
    for number in range(STORMS):
        requests = [site.asked(DANA, site.host("vault")) for _ in range(REQUESTS)]
        for person in (BOB, ERIN, ALICE):
            for front in (0, 1):
                site.client(person, front)
        grant = site.asked(ALICE, site.host("web"))
        storm = Storm(site)
        clicks = [
            partial(storm.decide, person, front, order.sample(requests, len(requests)))
            for person in (BOB, ERIN)
            for front in (0, 1)
        ]
        acts: list[Callable[[], None]] = [*clicks, partial(storm.kill, 5 + 9 * number)]
        drawers = [threading.Thread(target=storm.draw, args=(front, grant)) for front in (0, 1)]
        for each in drawers:
            each.start()
        try:
            together(acts)
        finally:
            storm.stopped.set()
            for each in drawers:
                each.join()
        assert storm.broken
        assert {said.code for said in storm.broken} <= {"ca_down", "outcome_unknown"}
        storms.append((storm, requests))
    site.verify()
    lines = site.log()
    decided = Counter((line.body["request"], line.body["subject"]) for line in lines if line.kind == "decision")
    issued = {line.body["serial"]: line.body["certificate"] for line in lines if line.kind == "certificate"}
    opened = Counter(line.body["request"] for line in lines if line.kind == "grant")
    for storm, requests in storms:
        yes = Counter((request, site.subjects[person]) for request, person in storm.yes)
        assert set(yes.values()) <= {1, 2}, "each of the two front ends hears the same yes"
        assert yes.keys() <= decided.keys()
        for request in requests:
            assert [decided[request["id"], site.subjects[person.sub]] for person in (BOB, ERIN)] == [1, 1]
            assert opened[request["id"]] == 1
        assert storm.drawn.items() <= issued.items()
        assert storm.drawn


def test_a_ca_that_is_killed_at_the_commit_says_neither_yes_nor_no(site: Site, tmp_path: Path) -> None:
    """What the log holds counts, whatever the approver was told; what it does not hold was never given."""
    when = tmp_path / "when"
    program = killed_ca.program(when)
    requests = []
    site.restart(program)
    try:
        for word in ("before", "after") * 2:
            request = site.asked(DANA, site.host("told"))
            when.write_text(word)
            said = site.client(BOB, 0).decide("approve", request)
            assert (said.status, said.code) == (503, "outcome_unknown")
            assert "it may have been done" in said.body["error"]["hint"]
            assert site.running_ca.process.wait(10) == -signal.SIGKILL
            when.unlink()
            site.restart(program)
            again = site.client(BOB, 1).decide("approve", request)
            assert (again.status, again.code) == (200, ""), "the same answer once more is a success"
            assert site.client(DANA, 1).draw(request).status == 201
            requests.append(request)
    finally:
        when.unlink(missing_ok=True)
        site.restart()
    site.verify()
    history = site.history()
    for request in requests:
        told = kinds(history[request["id"]])
        assert (told["decision"], told["grant"], told["certificate"]) == (1, 1, 1)

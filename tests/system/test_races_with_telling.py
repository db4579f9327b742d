"""Something is decided, and whoever should tell people of it dies first: people are told once it is back, and once.

Told means: a webhook receiver took it and believed its signature. Where two front ends share a database two notifiers
run, of which one works.
"""

from __future__ import annotations

import base64
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import killed_ca
from tests.support.front_ends import Front
from tests.support.installation import BOB, DANA
from tests.support.receivers import Hooked, receiver
from tests.support.waiting import wait_until
from tests.support.whole_installation import Site, kinds

NOTIFY = """
[notify]
takeover = "3s"
routes = [{{ channels = ["hook"], topics = ["asked", "opened", "denied"], rules = ["told"] }}]
[notify.channels.hook]
webhook = "{url}"
secret_file = "hook.secret"
"""


def taken(hooked: Hooked, request: dict[str, Any]) -> list[tuple[str, str]]:
    """Message and topic of everything that was taken about a request, each time that it came."""
    return [
        (name, body["type"].removeprefix("ssh_jit."))
        for name, body in tuple(hooked.taken)
        if body["data"]["request"]["id"] == request["id"]
    ]


def told(hooked: Hooked, request: dict[str, Any]) -> Counter[str]:
    """How often which topic was told of a request, to a receiver that drops a message which it knows already."""
    return Counter(topic for _, topic in set(taken(hooked, request)))


@contextmanager
def notifiers(site: Site, hooked: Hooked) -> Iterator[list[Front]]:
    """``ssh-jit-web notify`` of every front end that shares the first one's database."""
    home, made = site.ca.home, list[Front]()
    (home / "hook.secret").write_text(hooked.secret)
    (home / "hook.secret").chmod(0o600)
    with receiver(hooked) as url:
        for front in site.fronts if site.shared else site.fronts[:1]:
            config = front.config.with_name(f"notify-{front.config.name}")
            config.write_text(front.config.read_text() + NOTIFY.format(url=url))
            config.chmod(0o600)
            made.append(Front(config, front.port, "notify"))
        try:
            for each in made:
                each.start()
            yield made
        finally:
            for each in made:
                each.end()


@dataclass
class Telling:
    """The notifiers, and what the receiver took."""

    site: Site
    hooked: Hooked
    notifiers: list[Front]

    def asked(self) -> dict[str, Any]:
        """A request that was told of."""
        request = self.site.asked(DANA, self.site.host("told"))
        self.until(request, "asked")
        return request

    def until(self, request: dict[str, Any], topic: str, times: int = 1) -> None:
        """Waits until this was tried so often."""

        def tries() -> int:
            return sum(what == topic for _, what in taken(self.hooked, request))

        wait_until(lambda: tries() >= times, lambda: [each.log.read_text() for each in self.notifiers])

    def kill(self) -> None:
        """Kills all."""
        for each in self.notifiers:
            each.kill()

    def start(self) -> None:
        """Starts all."""
        for each in self.notifiers:
            each.start()

    def decided_unheard(self) -> dict[str, Any]:
        """A decision is committed while the notifiers stand still, and they are killed without having heard of it."""
        request = self.asked()
        for each in self.notifiers:
            each.running.send_signal(signal.SIGSTOP)
        assert self.site.client(BOB, 1).decide("approve", request).status == 200
        self.kill()
        assert told(self.hooked, request) == {"asked": 1}
        return request

    def decided_untaken(self) -> dict[str, Any]:
        """The notifiers have tried, nobody took it, and they are killed: what they owe is written down."""
        request = self.asked()
        self.hooked.status = 503
        assert self.site.client(BOB, 0).decide("deny", request).status == 200
        self.until(request, "denied")
        self.kill()
        self.hooked.status = 204
        return request

    def decided_unanswered(self, when: Path) -> dict[str, Any]:
        """The CA dies after its commit: the approver is not told, and the notifiers find nobody to ask."""
        request = self.asked()
        when.write_text("after")
        assert self.site.client(BOB, 0).decide("approve", request).status == 503
        assert self.site.running_ca.process.wait(10) == -signal.SIGKILL
        when.unlink()
        assert told(self.hooked, request) == {"asked": 1}
        return request


def test_t30_what_was_decided_is_told_whoever_died_before(site: Site, tmp_path: Path) -> None:
    hooked = Hooked("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    site.restart(killed_ca.program(tmp_path / "when"))
    with notifiers(site, hooked) as running:
        telling, ends = Telling(site, hooked, running), list[tuple[dict[str, Any], str]]()
        request = telling.decided_unheard()
        telling.start()
        telling.until(request, "opened")
        ends.append((request, "opened"))
        request = telling.decided_unanswered(tmp_path / "when")
        site.restart()
        telling.until(request, "opened")
        ends.append((request, "opened"))
        request = telling.decided_untaken()
        telling.start()
        telling.until(request, "denied", 2)
        ends.append((request, "denied"))
    assert hooked.refused == []
    history = site.history()
    for request, topic in ends:
        assert told(hooked, request) == {"asked": 1, topic: 1}
        assert kinds(history[request["id"]])["decision"] == 1

"""Tells the CA of sessions: what waits in the spool, signed by a host key, until the CA says that it has it.

The message is ``ReportSessions`` of ``docs/protocol.md``, section 7. The front end only carries it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import strictjson
from sshjit_host.front_end.signed_posts import Kind, send
from sshjit_host.refresh import Refresher
from sshjit_host.sessions.registry import Session
from sshjit_host.sessions.spool import Spool

NAMESPACE = "sessions@ssh-jit"
MOST = 32
"""Events of one message."""
PAUSE = 6.0
"""Seconds between two messages, a little more than the CA asks for."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
"""Seconds between two tries while the CA does not take what is sent: they double from the first to the longest."""
_UNSIGNED = "signature"

Say = Callable[[str], None]


def started(session: Session) -> dict[str, Any]:
    """The event of a session that began."""
    return _event(session, "start", int(session.opened_wall), "")


def ended(session: Session, now: float, why: str) -> dict[str, Any]:
    """The event of a session that is over, and why."""
    return _event(session, "end", int(now), why)


def _event(session: Session, kind: str, time_of_it: int, why: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "time": time_of_it,
        "session": session.id,
        "login": session.user,
        "source": _cut(session.source, 255),
        "grant": _cut(session.grant, 64),
        "serial": session.serial,
        "certificate": session.certificate,
        "key_id": _cut(session.key_id, 200),
        "emergency": session.emergency,
        "why": why,
    }


def _cut(text: str, most: int) -> str:
    """What a message has room for. A certificate may say anything, and what the CA cannot read it is never told of."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text[:most])


def text(installation: str, message: dict[str, Any]) -> bytes:
    """What the host key signs: the message without its signature and without what says nothing."""
    fields = {name: value for name, value in message.items() if name != _UNSIGNED}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return f"ssh-jit sessions v1\n{installation}\n{canonical}\n".encode("ascii")


@dataclass
class Reporter:
    """Sends what waits, from a thread of its own: however slowly the front end answers, sessions end in time."""

    config: Config
    spool: Spool
    say: Say

    def run(self, stop: threading.Event, news: threading.Event) -> None:
        """Send until ``stop`` is set, soon after each ``news``."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            news.clear()
            try:
                sent = self.send(int(time.time()))
            except HostError as error:
                self.say(f"warning: sessions are not reported to the CA: {error.message}")
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except Exception as error:  # noqa: BLE001 - a report that fails for a bug must not end the others
                self.say(f"warning: sessions are not reported to the CA: unexpected {type(error).__name__}: {error}")
                stop.wait(LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            if sent:
                stop.wait(PAUSE)
            else:
                news.wait(LONGEST_PAUSE)

    def send(self, now: int) -> bool:
        """Send one message if anything waits; whether anything did. Raises ``HostError`` if the CA did not take it."""
        events = self.spool.waiting(MOST)
        if not events:
            return False
        bundle = Refresher(self.config, lambda _: None).held()
        if bundle is None:
            raise HostError("this host holds no bundle", hint="ssh-jit-host refresh")
        lost = self.spool.lost
        fields = {"name": self.config.name, "events": events, "lost": lost, "time": now}
        answer = strictjson.loads(send(self.config, bundle, Kind("sessions", NAMESPACE, text), fields))
        taken = strictjson.typed(answer, "taken", int) if "taken" in answer else 0
        if taken < events[-1]["number"]:
            raise HostError("the CA did not take all of a report")
        self.spool.remove_up_to(events[-1]["number"])
        if lost:
            self.spool.lost_was_told(lost)
        return True

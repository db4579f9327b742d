"""Who hears what, asked of a real CA in process: its feed, decided and routed as the notifier does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from sshjit import ca_protocol as m
from sshjit import versions
from sshjit_web.notify import planner
from sshjit_web.notify.ledger import Ledger
from sshjit_web.notify.log_follower import LogFollower
from sshjit_web.notify.notices import Notice
from sshjit_web.notify.planner import Plan
from sshjit_web.notify_config import ChannelConfig, NotifyConfig, Route
from sshjit_web.schema import DELIVERIES
from tests.support.break_glass import GLASS
from tests.support.installation import POLICY, Installation, Person

ORIGIN = "https://access.example.com"
ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
TWO = ('approvals = [{ from = "lead", count = 1 }]', 'approvals = [{ from = "lead", count = 2 }]')
"""What to change in the policy so that the database needs two people."""
CHANNELS = {name: ChannelConfig(apprise_file=f"{name}.url") for name in ("mail", "pager", "chat")}
CONFIG = NotifyConfig(
    channels=CHANNELS,
    mail="mail",
    routes=(Route(("chat",), topics=("locked", "unlocked", "emergency", "join_refused")),),
)
"""Mail to people, a pager that rules name, and a chat that hears of locks."""
POLICY_WITH_GLASS = POLICY.replace(*GLASS)


def person(address: str) -> str:
    """``bob`` of ``bob@example.com``."""
    return address.partition("@")[0]


@dataclass
class FeedReader:
    """Reads the feed from where it was left; ``config`` says by which ways."""

    ca: Installation
    config: NotifyConfig = CONFIG
    position: int = -1
    plans: list[Plan] = field(default_factory=list)

    def listen(self) -> list[Plan]:
        """What follows from whatever happened since."""
        reply = self.ca.say(m.ReadFeed(self.position, 100, versions.PROTOCOL), m.FeedReply)
        self.position = reply.read
        new = [planner.plan(self.config, ORIGIN, item, int(self.ca.time)) for item in reply.items]
        self.plans += new
        return new

    def heard(self) -> dict[str, set[str]]:
        """Topic -> who is told: people by name, ``?`` after those who only hear if they were asked, ``#`` channels."""
        found: dict[str, set[str]] = {}
        for plan in self.listen():
            for saying in plan.announcements:
                for copy in saying.copies:
                    target = copy.target
                    name = person(target.recipient) if target.recipient else f"#{target.channel}"
                    found.setdefault(saying.notice.topic, set()).add(name + ("?" if target.if_told else ""))
        return found

    def notice(self, topic: str) -> Notice:
        """The last notice of this topic."""
        self.listen()
        return next(s.notice for plan in reversed(self.plans) for s in plan.announcements if s.notice.topic == topic)


class InProcessTalk:
    """The CA for a follower: messages go in as they are."""

    def __init__(self, ca: Installation) -> None:
        self._ca = ca

    def call(self, message: m.Message, reply: type[m.Reply]) -> m.Reply:
        """The answer."""
        return self._ca.say(message, reply)

    version = 1

    def carry(self, message: m.Message, reply: type[m.Reply], reader: int) -> object:
        """Nobody asks for it here."""
        raise NotImplementedError


@dataclass
class NotifierDesk:
    """A ledger over a real database, fed from a real CA; time is the CA's."""

    ca: Installation
    engine: Engine
    config: NotifyConfig = CONFIG

    def ledger(self, holder: str = "one", lease: int = 15) -> Ledger:
        """The ledger as this process sees it."""
        return Ledger(self.engine, holder, lease)

    def follow(self, ledger: Ledger) -> None:
        """Reads all that happened, and reminds."""
        follower = LogFollower(InProcessTalk(self.ca), ledger, self.config, ORIGIN, lambda: int(self.ca.time))  # type: ignore[arg-type]
        while follower.step():
            pass
        follower.remind()

    def rows(self, state: str | None = None) -> set[tuple[str, str, str]]:
        """(topic, recipient or #channel, state) of every delivery."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(DELIVERIES)).all()
        found = {(row.topic, person(row.recipient) or f"#{row.channel}", row.state) for row in rows}
        return {row for row in found if state in (None, row[2])}


@contextmanager
def sending(desk: NotifierDesk, ledger: Ledger, *channels: str) -> Iterator[set[tuple[str, str]]]:
    """Claims and marks as sent whatever is due; (topic is the first word of the title, recipient or #channel)."""
    told = set()
    for channel in channels or tuple(desk.config.channels):
        for owed in ledger.claim(channel, int(desk.ca.time), 100):
            told.add((owed.content.title, person(owed.recipient) or f"#{channel}"))
            ledger.sent(owed.id, int(desk.ca.time))
    yield told

"""The threads of the channels: bounded, apart from each other, and never trusted to come back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from sshjit.errors import Failed
from sshjit_web.notify.delivery import PATIENCE, Delivery, Message, Result
from sshjit_web.notify.ledger import Owed
from sshjit_web.notify.messages import Content
from tests.support import waiting

WORDS = Content("a title", (("Who", "Dana"),), "The page:", "https://access.example.com/requests/req-1")


@dataclass
class Held:
    """A way that delivers when it is let go."""

    problem: Exception | None = None
    go: threading.Event = field(default_factory=threading.Event)

    def send(self, message: Message, now: int) -> None:  # noqa: ARG002 -- what it gets is not what is tested
        assert self.go.wait(10)
        if self.problem is not None:
            raise self.problem


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def owed(name: str, channel: str) -> Owed:
    return Owed(name, channel, "", 1, 0, WORDS, "{}")


def working(time: Time, **ways: Held) -> Delivery:
    delivery = Delivery(ways, lambda: 0, time, threads=2)
    delivery.allowed_until = time.now + 1000
    return delivery


def taken(delivery: Delivery) -> Result:
    result = delivery.results.get(timeout=waiting.PATIENCE)
    assert result is not None
    return result


def test_a_channel_that_hangs_delays_no_other_and_takes_no_more_threads_than_its_own() -> None:
    slow, quick = Held(), Held()
    quick.go.set()
    delivery = working(Time(), slow=slow, quick=quick)
    for number in range(2):
        delivery.begin(owed(f"s{number}", "slow"))
    assert (delivery.free_threads("slow"), delivery.free_threads("quick")) == (0, 2)
    delivery.begin(owed("q", "quick"))
    assert taken(delivery) == Result(owed("q", "quick"))
    slow.go.set()


def test_what_hangs_counts_as_failed_once_and_as_delivered_if_it_then_says_so() -> None:
    time, slow = Time(), Held()
    delivery = working(time, slow=slow)
    delivery.begin(owed("s", "slow"))
    assert delivery.hanging() == []
    time.now += PATIENCE + 1
    assert [result.problem for result in delivery.hanging()] == ["no answer in 60 s"]
    assert delivery.hanging() == []
    assert delivery.free_threads("slow") == 1
    slow.go.set()
    late = taken(delivery)
    assert not late.problem
    assert delivery.finished(late)
    assert delivery.free_threads("slow") == 2


def test_what_fails_late_is_not_counted_twice() -> None:
    time, slow = Time(), Held(Failed("not_delivered", "no"))
    delivery = working(time, slow=slow)
    delivery.begin(owed("s", "slow"))
    time.now += PATIENCE + 1
    delivery.hanging()
    slow.go.set()
    assert not delivery.finished(taken(delivery))


def test_nothing_is_sent_when_the_lease_may_be_over() -> None:
    time, way = Time(), Held()
    delivery = working(time, one=way)
    delivery.allowed_until = time.now
    delivery.begin(owed("x", "one"))
    assert taken(delivery).problem == "this process was too slow; another one may send it"


def test_a_plug_in_that_breaks_is_a_failure_like_any_other() -> None:
    way = Held(ZeroDivisionError("secret"))
    way.go.set()
    delivery = working(Time(), one=way)
    delivery.begin(owed("x", "one"))
    result = taken(delivery)
    assert result.problem == "the channel failed (ZeroDivisionError)"
    assert not result.final

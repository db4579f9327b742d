"""Rates of one address and one session, and what is shed before those who wait get nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from sshjit.errors import Failed, Refused
from sshjit.rates import MOST, Rates
from sshjit_ca.service import frames
from sshjit_web import ca_client, errors
from sshjit_web.ca_socket import Answer
from sshjit_web.gateway import Head
from sshjit_web.server import bodies, threads
from sshjit_web.server.admission import Admission
from sshjit_web.server.threads import Threads
from tests.support.in_process_ca import FrontEnd, named
from tests.support.installation import ALICE
from tests.support.waiting import PATIENCE, wait_until


class Time:
    """A monotonic clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def head(address: str, **headers: str) -> Head:
    return Head("GET", "/requests", address, headers.get, 0.0)


def refused(admission: Admission, asked: Head) -> str:
    with pytest.raises(Refused) as error:
        admission.admit(asked)
    return f"{error.value.code}: {error.value.message}; {error.value.hint}"


def test_one_address_does_not_keep_others_out_and_is_told_when_to_come_again() -> None:
    clock = Time()
    admission = Admission(60, 0, "session", clock)
    for _ in range(60):
        admission.admit(head("192.0.2.7"))
    told = "too_fast: too many requests from this address within a minute; try again in 2 s"
    assert refused(admission, head("192.0.2.7")) == told
    admission.admit(head("192.0.2.8"))
    clock.now = 1.0
    admission.admit(head("192.0.2.7"))
    refused(admission, head("192.0.2.7"))
    clock.now = 1000.0
    for _ in range(60):
        admission.admit(head("192.0.2.7"))
    refused(admission, head("192.0.2.7"))


def test_of_ipv6_a_network_counts() -> None:
    admission = Admission(2, 0, "session", Time())
    admission.admit(head("2001:db8::1"))
    admission.admit(head("2001:db8::2"))
    assert "this address" in refused(admission, head("2001:db8::3"))
    admission.admit(head("2001:db8:0:1::1"))


def test_one_session_counts_wherever_it_comes_from() -> None:
    admission = Admission(0, 2, "session", Time())
    for address in ("192.0.2.1", "192.0.2.2"):
        admission.admit(head(address, authorization="Bearer a"))
    assert "this session" in refused(admission, head("192.0.2.3", authorization="Bearer a"))
    admission.admit(head("192.0.2.3", authorization="Bearer b"))
    for _ in range(10):
        admission.admit(head("192.0.2.3"))


@pytest.mark.parametrize(
    "shown",
    [
        lambda n: {"cookie": f"session=a; x={n}"},
        lambda n: {"cookie": f"x={n}; session=a"},
        lambda n: {"cookie": f"session=a; session={n}"},
        lambda n: {"cookie": "session=a", "authorization": f"Basic {n}"},
        lambda n: {"cookie": "session=a", "authorization": f"Bearer {n}"},
        lambda n: {"authorization": f"{'Bb'[n % 2]}earer {' ' * n}a", "cookie": f"session={n}"},
    ],
)
def test_what_stands_beside_a_session_makes_no_other_one_of_it(shown: Callable[[int], dict[str, str]]) -> None:
    admission = Admission(0, 3, "session", Time())
    for number in range(3):
        admission.admit(head("192.0.2.3", **shown(number)))
    assert "this session" in refused(admission, head("192.0.2.3", **shown(3)))
    admission.admit(head("192.0.2.3", cookie="session=b"))


def test_what_is_remembered_has_an_end() -> None:
    rates = Rates(10)
    for number in range(3 * MOST):
        rates.take(str(number), number / 1000)
    assert len(rates._left) <= MOST


def test_nobody_is_taken_who_would_wait_longer_than_those_before_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SHED", 0.2)
    go, done = threading.Event(), threading.Event()

    def nobody(error: Failed) -> None:
        raise AssertionError(error)

    async def play() -> None:
        made = Threads(1)
        made.start(asyncio.get_running_loop())
        first = made.give(lambda: _wait(go), nobody)
        second = made.give(lambda: _wait(done), nobody)
        await asyncio.sleep(0.3)
        go.set()
        await asyncio.wait_for(first.ended, PATIENCE)
        await asyncio.to_thread(wait_until, lambda: made._waited >= 0.2)
        with pytest.raises(Failed, match="too much to do"):
            made.give(lambda: None, nobody)
        done.set()
        await asyncio.wait_for(second.ended, PATIENCE)
        third = made.give(lambda: None, nobody)  # nobody waits: it is taken, whatever was before
        await asyncio.wait_for(third.ended, PATIENCE)
        made.stop()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("code", "seconds", "told"),
    [
        ("busy", 0, range(2, 9)),
        ("busy", 17, [17]),
        ("too_fast", 3, [3]),
        ("denied_lately", 600, [600]),
        ("too_many", 3000, [3000]),
        ("too_many_waiting", 0, []),
        ("ca_down", 0, []),
    ],
)
def test_who_may_try_again_is_told_when(world: FrontEnd, code: str, seconds: int, told: Sequence[int]) -> None:
    """On pages and in JSON: as whoever refused it knows, or soon; and nothing where nobody can know."""
    error = (Failed if code in {"busy", "ca_down"} else Refused)(code, "x").again_after(seconds)
    for path, made in (("/api/v1/requests", errors._json), ("/requests", errors.page)):
        with world.app.test_request_context(path, base_url=world.origin):
            answer = made(error, errors.status_of(error))
        assert answer.status_code == (503 if isinstance(error, Failed) else 429)
        shown = answer.headers.get("Retry-After")
        assert not told if shown is None else int(shown) in told


def test_the_time_that_a_rate_tells_is_when_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    admission = Admission(7, 0, "session", clock)
    for _ in range(7):
        admission.admit(head("192.0.2.7"))
    with pytest.raises(Refused) as error:
        admission.admit(head("192.0.2.7"))
    assert error.value.retry_after == 9
    clock.now = 8.0
    refused(admission, head("192.0.2.7"))
    clock.now = 9.0
    admission.admit(head("192.0.2.7"))


def test_those_who_find_no_room_do_not_come_again_together() -> None:
    for made, least, most in ((lambda: threads.busy(3.0), 2, 12), (bodies._busy, 5, 15), (bodies._too_many, 5, 15)):
        told = [made().retry_after for _ in range(300)]
        assert (min(told) >= least, max(told) <= most) == (True, True)
        assert len(set(told)) > 5


def test_what_the_ca_says_of_when_reaches_whoever_asked(world: FrontEnd) -> None:
    """As JSON and as a header: the second one within a minute of a provider that has one a minute."""
    for keys in world.ca.context.published.values():
        keys._rates.most = 1
    answers = []
    for _ in range(2):
        sent = world.ca.native_message(named(ALICE))
        body = {name: getattr(sent, name) for name in ("provider", "id_token", "key", "salt", "signature")}
        answers.append(world.stranger().post("/api/v1/login", json=body))
    assert [answer.status_code for answer in answers] == [201, 503], answers[0].text
    told = answers[1].get_json()["error"]
    assert (told["code"], 59 <= told["retry_after"] <= 61) == ("busy", True)
    assert answers[1].headers["Retry-After"] == str(told["retry_after"])


@pytest.mark.parametrize(("version", "seconds"), [(1, 0), (2, 17)])
def test_the_cas_socket_carries_it_to_whoever_knows_it(version: int, seconds: int) -> None:
    frame = frames.write(frames.Origin(1, version), Failed("busy", "x").again_after(17))
    answer = ca_client.read_answer(Answer, frame[frames.HEADER :])
    with pytest.raises(Failed) as error:
        ca_client.opened(answer)
    assert error.value.retry_after == seconds


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)

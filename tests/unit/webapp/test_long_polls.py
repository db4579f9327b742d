"""A poll for the bundle that waits: what it hears and when, how many may wait, and what becomes of them at an end."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import resource
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sshjit_web.gateway import LONGEST_WAIT, Head, wait_preferred
from sshjit_web.server import long_polls
from sshjit_web.server.long_polls import AT_ONCE, MOST, OF_ONE, Gone, LongPolls
from tests.support.processes import Processes, build
from tests.support.waiting import PATIENCE, wait_until

WAIT = 40


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("polls")) as made:
        yield made


@dataclass(frozen=True)
class Answer:
    """An answer; ``took`` is in seconds."""

    status: int
    etag: str
    applied: str | None
    body: bytes
    took: float


def poll(running: Processes, etag: str = "", wait: int = 0) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", running.ports.web, timeout=PATIENCE)
    headers = {"Ssh-Jit-Version": "2"} | ({"If-None-Match": etag} if etag else {})
    headers |= {"Prefer": f"respond-async, wait={wait}"} if wait else {}
    began = time.monotonic()
    try:
        connection.request("GET", "/bundle", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        applied = answer.getheader("Preference-Applied")
        return Answer(answer.status, answer.getheader("ETag", ""), applied, body, time.monotonic() - began)
    finally:
        connection.close()


def revoke(running: Processes) -> int:
    """Revokes a certificate that nobody used; its serial."""
    key = running.paths.home / "emergency"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    words = ("--login", "deploy", "--host", "web1", "--key", f"{key}.pub", "--reason", "a test", "--json")
    serial: int = json.loads(running.operator("sign-emergency", *words))["serial"]
    running.operator("revoke", "--certificate", str(serial), "--reason", "a test")
    return serial


def sequence(answer: Answer) -> int:
    number: int = json.loads(answer.body)["sequence"]
    return number


def newest(running: Processes) -> Answer:
    """The bundle once nothing is on its way any more."""
    answer = poll(running)
    wait_until(lambda: poll(running, answer.etag).status == 304)
    return answer


def waiting_polls(running: Processes, etag: str, number: int, stack: ExitStack) -> list[socket.socket]:
    text = (
        f"GET /bundle HTTP/1.1\r\nHost: x\r\nSsh-Jit-Version: 2\r\nIf-None-Match: {etag}\r\nPrefer: wait={WAIT}\r\n\r\n"
    )
    channels = [
        stack.enter_context(socket.create_connection(("127.0.0.1", running.ports.web), timeout=PATIENCE))
        for _ in range(number)
    ]
    for channel in channels:
        channel.sendall(text.encode())
    return channels


def test_a_revocation_is_heard_at_once_by_all_who_wait(running: Processes) -> None:
    held = newest(running)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(poll, running, held.etag, WAIT) for _ in range(8)]
        time.sleep(0.5)
        assert not any(each.done() for each in waiting)
        began = time.monotonic()
        revoke(running)
        answers = [each.result(PATIENCE) for each in waiting]
    assert time.monotonic() - began < WAIT / 2, "none waited for its time to be over"
    assert {(each.status, each.applied) for each in answers} == {(200, f"wait={WAIT}")}
    assert all(sequence(each) > sequence(held) for each in answers)


def test_where_nothing_is_new_a_poll_hears_so_when_it_has_waited(running: Processes) -> None:
    held = newest(running)
    answer = poll(running, held.etag, wait=2)
    assert (answer.status, answer.applied, answer.etag) == (304, "wait=2", held.etag)
    assert answer.took > 1


def test_whoever_has_an_older_bundle_does_not_wait_and_is_told_that_waiting_is_known(running: Processes) -> None:
    answer = poll(running, '"another"', WAIT)
    assert (answer.status, answer.applied) == (200, f"wait={WAIT}")
    assert answer.took < WAIT / 2


def test_a_poll_of_before_is_answered_as_before(running: Processes) -> None:
    held = newest(running)
    answer = poll(running, held.etag)
    assert (answer.status, answer.applied) == (304, None)
    assert answer.took < WAIT / 2


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_one_address_has_a_quarter_of_the_places_and_the_rest_is_answered_at_once(running: Processes) -> None:
    share, more = MOST // OF_ONE, 40
    held = newest(running)
    with ExitStack() as stack:
        channels = waiting_polls(running, held.etag, share + more, stack)
        selector = stack.enter_context(closing(selectors.PollSelector()))
        for channel in channels:
            selector.register(channel, selectors.EVENT_READ)
        wait_until(lambda: len(selector.select(0)) == more, "not as many are answered at once as there is no room for")
        surplus = {key.fd for key, _ in selector.select(0)}
        waiting = [channel for channel in channels if channel.fileno() not in surplus]
        for channel in (channel for channel in channels if channel.fileno() in surplus):
            selector.unregister(channel)
            text = channel.recv(65536)
            assert text.startswith(b"HTTP/1.1 304")
            assert b"preference-applied" not in text.lower()
        assert not selector.select(0), "the others wait"
        assert poll(running).status == 200, "and no thread or connection is missing for whoever else asks"
        for channel in waiting[: share // 2]:
            channel.close()
        wait_until(lambda: poll(running, held.etag, wait=1).applied == "wait=1")
        revoke(running)
        for channel in waiting[share // 2 :]:
            assert channel.recv(100).startswith(b"HTTP/1.1 200")


def test_no_poll_holds_up_the_end(running: Processes) -> None:
    held = newest(running)
    with ExitStack() as stack:
        (channel,) = waiting_polls(running, held.etag, 1, stack)
        time.sleep(0.5)
        began = time.monotonic()
        assert running.stop("web") == 0
        assert time.monotonic() - began < WAIT / 2
        text = channel.recv(65536).lower()
        assert text.startswith(b"http/1.1 304")
        assert b"preference-applied" in text, "it may ask again at once: another front end takes over"
    running.start("web")


def test_when_the_ca_is_away_polls_hear_it_and_afterwards_they_hear_of_revocations_again(running: Processes) -> None:
    held = newest(running)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(poll, running, held.etag, 3)
        time.sleep(0.5)
        running.stop("ca")
        assert waiting.result(PATIENCE).status == 503
        assert poll(running, held.etag, WAIT).status == 503, "nobody knows whether it is the newest"
        running.start("ca")
        wait_until(lambda: poll(running).status == 200)
        again = newest(running)
        waiting = threads.submit(poll, running, again.etag, WAIT)
        time.sleep(0.5)
        revoke(running)
        assert waiting.result(PATIENCE).status == 200


def test_a_ca_that_hangs_is_no_reason_to_say_that_nothing_is_new(running: Processes) -> None:
    held = newest(running)
    pid = running.running["ca"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: poll(running, held.etag).status == 503)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: poll(running).status == 200)


# ------------------------------------------------------------------------------------------------ without a process


class Connection:
    """A future that ends with a connection, as Granian gives it."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], object]] = []
        self.cancelled = False

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.callbacks.append(callback)

    def cancel(self) -> bool:
        self.cancelled = True
        return True


@dataclass
class Peer:
    """Somebody who polls."""

    connection: Connection = field(default_factory=Connection)

    def client_disconnect(self) -> Connection:
        return self.connection


def begin(polls: LongPolls, address: str, peer: Peer | None = None, seconds: float = 60) -> asyncio.Task[bool]:
    return asyncio.create_task(polls.wait(peer or Peer(), address, seconds))  # type: ignore[arg-type]


def test_there_are_places_for_so_many_and_no_address_or_network_of_ipv6_has_more_than_its_share() -> None:
    async def run() -> None:
        polls = LongPolls(8)
        many = [begin(polls, "192.0.2.1"), begin(polls, "192.0.2.1"), begin(polls, "192.0.2.1")]
        many += [begin(polls, f"2001:db8::{number}") for number in range(3)]
        await asyncio.sleep(0)
        assert [task.done() for task in many] == [False, False, True, False, False, True]
        many += [begin(polls, f"198.51.100.{number}") for number in range(5)]
        await asyncio.sleep(0)
        assert [task.done() for task in many[6:]] == [False] * 4 + [True]
        assert len(polls) == 8
        polls.wake()
        answers = await asyncio.gather(*many)
        assert answers.count(False) == 3
        assert len(polls) == 0
        polls.close()
        assert await begin(polls, "192.0.2.1") is False, "at the end nobody begins to wait"

    asyncio.run(run())


def test_whoever_goes_away_makes_room() -> None:
    async def run() -> None:
        polls, peer = LongPolls(4), Peer()
        first = begin(polls, "192.0.2.1", peer)
        await asyncio.sleep(0)
        assert await begin(polls, "192.0.2.1") is False
        for callback in peer.connection.callbacks:
            callback(None)
        with pytest.raises(Gone):
            await first
        second = begin(polls, "192.0.2.1", seconds=0.01)
        assert await second is True
        assert len(polls) == 0

    asyncio.run(run())


def test_polls_that_were_woken_together_are_not_over_together() -> None:
    waits = [long_polls.spread(50) for _ in range(50)]
    assert all(50 * (1 - long_polls.SPREAD) <= wait <= 50 for wait in waits)
    assert max(waits) - min(waits) > 1


def test_of_a_poll_that_is_over_nothing_is_kept() -> None:
    """Neither a timer nor a callback for the end of the connection: a kept connection has many polls."""

    async def run() -> None:
        polls, peer = LongPolls(4), Peer()
        first = begin(polls, "192.0.2.1", peer)
        await asyncio.sleep(0)
        polls.wake()
        assert await first is True
        assert peer.connection.cancelled
        loop = asyncio.get_running_loop()
        assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
        assert not polls._by_network

    asyncio.run(run())


def test_between_those_that_are_woken_others_have_their_turn() -> None:
    async def run() -> None:
        polls = LongPolls(16 * AT_ONCE)
        many = [begin(polls, f"10.0.{number // 200}.{number % 200}") for number in range(4 * AT_ONCE)]
        await asyncio.sleep(0)
        polls.wake()
        turns = 0
        while any(not task.done() for task in many):
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 4

    asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("wait=50", 50),
        ("Wait = 7", 7),
        ('respond-async, wait="10"; x=1, wait=20', 10),
        ("wait=100000", LONGEST_WAIT),
        (None, 0),
        ("wait", 0),
        ("wait=-1", 0),
        ("wait=1e3", 0),
        ("wait=\u0661\u0660", 0),
        ("wait=9999999", 0),
        ("await=5", 0),
        ("x" * 300 + ", wait=5", 0),
    ],
)
def test_what_is_preferred_is_read_by_rfc_7240(value: str | None, seconds: int) -> None:
    assert wait_preferred(Head("GET", "/bundle", "192.0.2.1", lambda _: value, 0)) == seconds
    assert wait_preferred(Head("GET", "/healthz", "192.0.2.1", lambda _: value, 0)) == 0
    assert wait_preferred(Head("POST", "/bundle", "192.0.2.1", lambda _: value, 0)) == 0


def test_there_is_a_connection_for_each_poll_and_room_for_others() -> None:
    code = (
        "from sshjit_web.server import application, connections as c;"
        "made = application.Application(None, None, threads=1);"
        "print(c.MOST, c.allow_many(), c.most_polls(), made._long_polls._most)"
    )
    limits = "ulimit -n {}; exec python -c '{}'"
    environment = dict(os.environ, PATH=f"{Path(os.sys.executable).parent}:{os.environ['PATH']}")  # type: ignore[attr-defined]
    for files, at_most in ((8192, long_polls.MOST), (1024, 512)):
        command = ["bash", "-c", limits.format(files, code)]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        most, allowed, waiting, places = map(int, re.findall(r"\d+", out))
        assert places == waiting <= min(at_most, allowed * 2 // 3)
        assert waiting == at_most or files == 1024
        assert most >= allowed


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    code = (
        "import resource as r; from sshjit_web.server import connections as c;"
        "print(c.allow_many(), c.SPARE, *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    command = ["bash", "-c", f"ulimit -S -n 300 && ulimit -H -n 4096 && exec '{os.sys.executable}' -c '{code}'"]  # type: ignore[attr-defined]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    allowed, spare, soft, hard = map(int, out.split())
    assert (soft, hard) == (4096, 4096)
    assert allowed + spare == soft

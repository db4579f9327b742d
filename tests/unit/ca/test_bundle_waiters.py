"""A front end's question for a newer bundle: it waits, hears of a revocation at once, and never for too long."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey
from sshjit.errors import Failed
from sshjit_ca.authority import Answer
from sshjit_ca.operations import admin_client
from sshjit_ca.question import Question
from sshjit_ca.service import server
from sshjit_ca.service.bundle_waiters import LONGEST, MOST, BundleWaiters
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, Installation, make_key
from tests.support.waiting import wait_until

WAIT = 20


@pytest.fixture
def granted(ca: Installation) -> int:
    """The serial of a certificate that may be revoked."""
    certificate = ca.ask(ca.native(ALICE), "web1").certificate
    assert certificate is not None
    return certificate.serial


@pytest.fixture
def serving(ca: Installation, granted: int) -> Iterator[Installation]:
    assert granted
    with serving_sockets(ca, frozenset({os.getuid()})):
        yield ca


def fingerprint(key: Path) -> str:
    return sshkey.parse_line(" ".join(key.with_suffix(".pub").read_text().split()[:2])).fingerprint


@pytest.fixture
def connected() -> Iterator[Callable[[Installation], Peer]]:
    """Connects; all connections end with the test."""
    with ExitStack() as stack:

        def connect(ca: Installation) -> Peer:
            peer = Peer(ca)
            stack.callback(peer.channel.close)
            return peer

        yield connect


Connected = Callable[[Installation], "Peer"]


class Peer:
    """A front end at the web socket."""

    def __init__(self, ca: Installation) -> None:
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.settimeout(60)
        self.channel.connect(str(ca.config.web_socket))
        self.number = 0

    def ask(self, have: int | None, wait: int = 0) -> None:
        self.number += 1
        self.channel.sendall(self.frame("read_bundle", {"have": have, "format": 2, "wait": wait}))

    def frame(self, kind: str, body: dict[str, Any]) -> bytes:
        text = json.dumps({"v": 1, "id": self.number, "type": kind, "body": body, "version": 2}).encode()
        return len(text).to_bytes(4, "big") + text

    def answer(self) -> dict[str, Any]:
        head = self._exactly(4)
        frame: dict[str, Any] = json.loads(self._exactly(int.from_bytes(head, "big")))
        return frame

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.channel.recv(size - len(data))
            assert part, "the CA closed the connection"
            data += part
        return data

    def newest(self) -> int:
        self.ask(None)
        sequence: int = self.answer()["body"]["sequence"]
        return sequence


def test_it_is_answered_as_soon_as_there_is_something_new(
    serving: Installation, granted: int, connected: Connected
) -> None:
    peer, other = connected(serving), connected(serving)
    have = peer.newest()
    peer.ask(have, WAIT)
    time.sleep(0.5)
    assert other.newest() == have, "and others are answered meanwhile"
    began = time.monotonic()
    admin_client.call(serving.config.admin_socket, m.Revoke(None, None, granted, None, "x"), m.RevokeReply)
    answer = peer.answer()
    assert time.monotonic() - began < WAIT / 2
    assert answer["body"]["sequence"] > have
    assert answer["body"]["bundle"] is not None


def test_it_waits_on_when_something_was_written_that_says_nothing_to_hosts(
    serving: Installation, connected: Connected
) -> None:
    peer = connected(serving)
    have = peer.newest()
    began = time.monotonic()
    peer.ask(have, 3)
    time.sleep(0.5)
    serving_size = admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).size
    lock = m.Lock(None, "key", fingerprint(make_key(serving.home / "unused")), "x")
    admin_client.call(serving.config.admin_socket, lock, m.LockReply)
    assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).size > serving_size
    body = peer.answer()["body"]
    assert (body["sequence"], body["bundle"]) == (have, None)
    assert time.monotonic() - began > 2


def test_whoever_has_an_older_one_or_does_not_ask_for_it_does_not_wait(
    serving: Installation, connected: Connected
) -> None:
    peer = connected(serving)
    have = peer.newest()
    began = time.monotonic()
    peer.ask(have - 1, WAIT)
    assert peer.answer()["body"]["bundle"] is not None
    peer.ask(have)
    assert peer.answer()["body"]["bundle"] is None
    assert time.monotonic() - began < WAIT / 2


def test_one_who_goes_away_while_waiting_harms_nobody(
    serving: Installation, granted: int, connected: Connected
) -> None:
    gone, peer = connected(serving), connected(serving)
    have = peer.newest()
    gone.ask(have, WAIT)
    time.sleep(0.3)
    gone.channel.close()
    peer.ask(have, WAIT)
    admin_client.call(serving.config.admin_socket, m.Revoke(None, None, granted, None, "x"), m.RevokeReply)
    assert peer.answer()["body"]["sequence"] > have


def test_at_the_end_those_who_wait_are_answered(ca: Installation, connected: Connected) -> None:
    with serving_sockets(ca, frozenset({os.getuid()})):
        peer = connected(ca)
        have = peer.newest()
        peer.ask(have, WAIT)
        time.sleep(0.3)
    assert peer.answer()["body"]["sequence"] == have


def test_nor_does_one_wait_whose_turn_comes_after_the_stop(
    ca: Installation, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would answer it any more."""
    monkeypatch.setattr(server, "MAX_BATCH", 1)
    answer = ca.authority.answer

    def slowly(questions: Iterable[Question]) -> list[Answer]:
        time.sleep(0.01)
        return answer(questions)

    with serving_sockets(ca, frozenset({os.getuid()})):
        peer = connected(ca)
        have = peer.newest()
        monkeypatch.setattr(ca.authority, "answer", slowly)
        older, newest = (
            peer.frame("read_bundle", {"have": number, "format": 2, "wait": WAIT}) for number in (have - 1, have)
        )
        peer.channel.sendall(older * 20 + newest)
        peer.answer()
    said = [peer.answer()["body"] for _ in range(20)]
    assert (said[-1]["sequence"], said[-1]["bundle"]) == (have, None)


def test_so_many_may_wait_and_each_for_so_long() -> None:
    waiters = BundleWaiters[int]()
    message = m.ReadBundle(5, 2, 10**9)
    assert not waiters.add(0, m.ReadBundle(5, 2, 0), now=0, size=1)
    assert not waiters.add(0, m.ReadBundle(5, 2, -1), now=0, size=1)
    assert all(waiters.add(number, message, now=0, size=1) for number in range(MOST))
    assert not waiters.add(MOST, message, now=0, size=1)
    assert waiters.due(now=LONGEST - 0.5, size=1) == []
    over = waiters.due(now=LONGEST, size=1)
    assert [asker for asker, _ in over] == list(range(MOST))
    assert {asked.wait for _, asked in over} == {0}, "it does not wait again"
    assert not waiters
    assert waiters.add(7, m.ReadBundle(5, 2, 9), now=100, size=1)
    ((asker, asked),) = waiters.due(now=103.5, size=2)
    assert (asker, asked.wait, asked.have) == (7, 6, 5)


def test_however_many_wait_there_is_one_look_at_a_time(
    serving: Installation, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else there would be one more with each question, for as long as anybody waits: front ends always do."""
    ahead: list[int] = []
    look = server.Server._look_at_bundles

    def counted(this: server.Server) -> None:
        look(this)
        scheduled: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        ahead.append(sum(handle._callback == this._look_at_bundles for handle in scheduled))  # type: ignore[attr-defined]

    monkeypatch.setattr(server.Server, "_look_at_bundles", counted)
    peers = [connected(serving) for _ in range(4)]
    have = peers[0].newest()
    for peer in peers:
        peer.ask(have, WAIT)
        peer.ask(have)
        peer.answer()
    wait_until(lambda: len(ahead) > 3)
    assert set(ahead) == {1}


def test_who_would_wait_hears_of_a_failure_at_once(
    serving: Installation, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(questions: Iterable[Question]) -> list[Answer]:
        return [Failed("not_signing", "no disk") for _ in questions]

    peer = connected(serving)
    have = peer.newest()
    with monkeypatch.context() as patch:
        patch.setattr(serving.authority, "answer", failing)
        peer.ask(have, WAIT)
        assert peer.answer()["body"]["code"] == "not_signing"
    assert peer.newest() == have


def test_what_is_written_right_behind_the_question_is_heard_too(
    ca: Installation, serving: Installation, connected: Connected
) -> None:
    """Both are answered in one batch, of which the question's answer knows nothing yet."""
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1", certificate=True).request.id
    peer = connected(serving)
    have = peer.newest()
    question = peer.frame("read_bundle", {"have": have, "format": 2, "wait": WAIT})
    peer.channel.sendall(question + peer.frame("end", {"login_id": alice, "request": request}))
    began = time.monotonic()
    answers = [peer.answer(), peer.answer()]
    assert time.monotonic() - began < WAIT / 2
    assert any(answer["body"].get("bundle") for answer in answers)

"""One peer at a socket, driven step by step: when it is read, when it is made to wait, and when it is disconnected.

The connection is the real one, over a real pair of sockets. What stands behind it takes questions as the server does,
and answers them when a test says so; the loop's time goes on when a test says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from sshjit.errors import Failed, Refused, SshJitError
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.service import connection as peers
from sshjit_ca.service.connection import Account, Connection, Listening
from sshjit_ca.service.frames import Origin
from sshjit_ca.sockets import Socket
from tests.support.waiting import PATIENCE

SMALL = Refused("no", "no")
MEDIUM = Refused("no", "x" * 50_000)
"""More than the kernel holds for a peer that does not read, and less than the loop does before it says so."""
LARGE = Refused("no", "x" * 1_000_000)
"""More than the loop does."""


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time can be put ahead."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def played(play: Callable[[Ca], Coroutine[Any, Any, None]]) -> None:
    """Runs a test in such a loop."""

    async def run() -> None:
        with ExitStack() as closing:
            await play(Ca(closing))
        await passing()

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(run())


async def passing(seconds: float = 0.0) -> None:
    """Lets so much time pass, and everything happen that is due then."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    loop.ahead += seconds
    for _ in range(20):
        await asyncio.sleep(0)


async def until(there: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.001)


def question(text: bytes = b"{}") -> bytes:
    return len(text).to_bytes(4, "big") + text


COST = 2 + peers.OVERHEAD
"""What a question waits for with."""


class Peer:
    """The other end of a connection."""

    def __init__(self, channel: socket.socket, connection: Connection) -> None:
        self.channel = channel
        self.connection = connection
        self.raw = b""
        self.gone = False

    async def say(self, data: bytes) -> None:
        """Sends, and lets the CA read it."""
        await asyncio.get_running_loop().sock_sendall(self.channel, data)
        await passing()

    def read(self) -> bool:
        """Reads what is there; whether the CA has ended the connection."""
        with suppress(BlockingIOError):
            while not self.gone:
                try:
                    part = self.channel.recv(1 << 20)
                except ConnectionResetError:
                    part = b""
                self.raw += part
                self.gone = not part
        return self.gone

    def codes(self) -> list[str]:
        """What was answered so far."""
        self.read()
        found, raw = [], self.raw
        while len(raw) >= 4 and len(raw) >= (end := 4 + int.from_bytes(raw[:4], "big")):
            found.append(json.loads(raw[4:end])["body"]["code"])
            raw = raw[end:]
        return found


class Ca:
    """What is behind the connections of one test."""

    name: Socket = "web"

    def __init__(self, closing: ExitStack) -> None:
        self.closing = closing
        self.throttle = LogThrottle(time.monotonic)
        self.buffer = memoryview(bytearray(peers.BUFFER))
        self.mine = Account(self.name, os.getuid())
        self.waiting: list[tuple[Connection, bytes]] = []

    def account(self, socket: Socket, user: int) -> Account:
        assert (socket, user) == (self.name, os.getuid())
        return self.mine

    def take(self, frame: bytes, connection: Connection) -> None:
        self.waiting.append((connection, frame))

    def asked(self, peer: Peer) -> int:
        """Questions of a peer that wait."""
        return sum(connection is peer.connection for connection, _ in self.waiting)

    def begin(self, peer: Peer | None = None) -> Connection:
        """The turn of the oldest question, or the oldest of one peer."""
        at = next(i for i, (whose, _) in enumerate(self.waiting) if peer is None or whose is peer.connection)
        connection, frame = self.waiting.pop(at)
        connection.begun(frame)
        return connection

    def answer(self, peer: Peer | None = None, *answers: SshJitError) -> None:
        """Begins and answers it, or several of one peer at once."""
        turns = [self.begin(peer) for _ in answers or (SMALL,)]
        turns[0].reply([(Origin(1, 1), answer) for answer in answers or (SMALL,)])

    async def meet(self) -> Peer:
        """One more peer; the kernel keeps a few thousand bytes for it, and the loop the rest."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.closing.callback(theirs.close)
        theirs.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
        listening = Listening(self.name, Path("unused"), frozenset({os.getuid()}))
        _, connection = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: Connection(self, listening), sock=ours
        )
        self.closing.callback(self._end, connection)
        return Peer(theirs, connection)

    @staticmethod
    def _end(connection: Connection) -> None:
        if not connection._transport.is_closing():
            connection._transport.abort()


def test_who_begins_to_read_is_read_again() -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question())
        ca.answer(peer, LARGE)
        await peer.say(question() * 3)
        assert ca.waiting == [], "nothing is read of a peer that does not read"
        await until(lambda: len(peer.codes()) == 1)
        await until(lambda: ca.asked(peer) == 3)

    played(play)


def test_who_begins_to_read_in_time_is_not_disconnected_later() -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question())
        ca.answer(peer, LARGE)
        await passing(peers.UNREAD - 5)
        await until(lambda: len(peer.codes()) == 1)
        await passing(peers.UNREAD)
        await peer.say(question())
        assert ca.asked(peer) == 1

    played(play)


def test_who_reads_slowly_has_so_many_seconds_in_all() -> None:
    """The time does not begin anew with each further answer."""

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 3)
        ca.answer(peer, LARGE)
        await passing(peers.UNREAD - 5)
        ca.answer(peer, LARGE)
        await passing(10)
        await until(peer.read)
        assert len(peer.raw) < 2_000_000

    played(play)


def test_a_question_of_each_peer_may_wait_whatever_the_others_of_its_user_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else one connection that is full would keep all others of a front end silent."""
    monkeypatch.setattr(peers, "MAX_USER_BYTES", 4 * COST)

    async def play(ca: Ca) -> None:
        greedy, modest = await ca.meet(), await ca.meet()
        await greedy.say(question() * 10)
        await modest.say(question() * 2)
        assert (ca.asked(greedy), ca.asked(modest)) == (4, 1)

    played(play)


def test_who_waited_longest_for_room_is_read_first_and_no_more_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "MAX_USER_BYTES", 6 * COST)

    async def play(ca: Ca) -> None:
        greedy, first, second = [await ca.meet() for _ in range(3)]
        await greedy.say(question() * 4)
        for peer in (first, second):
            await peer.say(question() * 3)
        ca.begin(greedy)
        ca.begin(greedy)
        assert [ca.asked(peer) for peer in (greedy, first, second)] == [2, 2, 1]
        ca.mine.go_on()
        assert [ca.asked(peer) for peer in (greedy, first, second)] == [2, 3, 1]
        ca.begin(greedy)
        ca.mine.go_on()
        assert [ca.asked(peer) for peer in (greedy, first, second)] == [1, 3, 2]

    played(play)


def test_every_frame_has_its_whole_time_to_arrive() -> None:
    """A busy connection has the half of some frame received nearly always."""

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        half = len(question()) // 2
        await peer.say(question()[:half])
        for number in range(1, 4):
            await passing(0.7 * peers.HALF_FRAME)
            await peer.say(question()[half:] + question()[:half])
            assert ca.asked(peer) == number
        await passing(peers.HALF_FRAME + 1)
        assert peer.codes() == ["too_slow"]

    played(play)


def test_a_frame_that_arrives_byte_by_byte_has_no_more_time_than_any_other() -> None:
    async def play(ca: Ca) -> None:
        dripping, done = await ca.meet(), await ca.meet()
        for at in range(4):
            await dripping.say(question(b"[1,2]")[at : at + 1])
            await passing(0.3 * peers.HALF_FRAME)
        assert dripping.codes() == ["too_slow"]
        for byte in question():
            await done.say(bytes([byte]))
        await passing(2 * peers.HALF_FRAME)
        assert not done.read(), "the time ends with the frame"
        assert ca.asked(done) == 1

    played(play)


@pytest.mark.parametrize("sent", [question() * 2, question() + question()[:3]], ids=["whole", "half"])
def test_nobody_is_too_slow_while_they_are_not_read(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(peers, "MAX_WAITING", 1)

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(sent)
        assert ca.asked(peer) == 1
        await passing(2 * peers.HALF_FRAME)
        assert not peer.read()

    played(play)


def test_nor_who_had_begun_a_frame_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_USER_BYTES", 6 * COST)

    async def play(ca: Ca) -> None:
        peer, greedy = await ca.meet(), await ca.meet()
        await peer.say(question() * 2 + question()[:3])
        await greedy.say(question() * 9)
        begun = ca.begin(peer)
        ca.mine.go_on()
        assert (ca.asked(peer), ca.asked(greedy)) == (1, 5)
        begun.reply([(Origin(1, 1), SMALL)])
        await passing(2 * peers.HALF_FRAME)
        assert peer.codes() == ["no"]
        await peer.say(question()[3:])
        assert ca.asked(peer) == 1
        for _ in range(5):
            ca.begin(greedy)
        ca.mine.go_on()
        await passing()
        assert ca.asked(peer) == 2

    played(play)


def test_who_sends_no_more_and_reads_slowly_is_let_go_once_all_was_read() -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2)
        peer.channel.shutdown(socket.SHUT_WR)
        await passing()
        ca.answer(peer, LARGE)
        ca.answer(peer)
        await until(peer.read)
        assert peer.codes() == ["no", "no"]
        await until(lambda: not ca.mine.connections)

    played(play)


def test_who_sends_no_more_is_let_go_after_the_last_answer_and_not_before() -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2 + question()[:3])
        peer.channel.shutdown(socket.SHUT_WR)
        await passing()
        ca.answer(peer)
        await passing()
        assert not peer.read()
        ca.answer(peer)
        await until(peer.read)
        assert peer.codes() == ["no", "no"]

    played(play)


@pytest.mark.parametrize("answer", [MEDIUM, LARGE])
def test_who_is_disconnected_has_so_many_seconds_to_read_why(answer: SshJitError) -> None:
    """Else a front end could hold what was answered, and a connection, for ever: by one bad question more."""

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2)
        ca.answer(peer, answer)
        ca.begin(peer).disconnect(Failed("defect", "a defect"))
        await passing(peers.UNREAD - 5)
        assert ca.mine.connections
        await passing(10)
        assert not ca.mine.connections

    played(play)


def test_and_not_more_by_reading_a_part_of_it() -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2)
        ca.answer(peer, LARGE)
        ca.begin(peer).disconnect(Failed("defect", "a defect"))
        left = 1_000_000 - 14_000
        while left:
            left -= len(await asyncio.get_running_loop().sock_recv(peer.channel, left))
        await passing()
        assert 0 < peer.connection._transport.get_write_buffer_size() < 16_000, "the loop calls that little"
        await passing(peers.UNREAD + 1)
        assert not ca.mine.connections

    played(play)


def test_nobody_who_read_all_of_it_is_said_to_read_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2)
        ca.answer(peer, LARGE)
        ca.begin(peer).disconnect(Failed("defect", "a defect"))
        await until(peer.read)
        await passing(2 * peers.UNREAD)
        assert peer.codes() == ["no", "defect"]

    played(play)
    assert [line.rpartition("(")[2] for line in caplog.messages] == ["defect)"]


def test_after_the_reason_nothing_more_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Neither what was answered meanwhile, nor that a frame came too slowly."""

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2 + b"\xff\xff")
        ca.answer(peer, MEDIUM)
        await peer.say(b"\xff\xff")
        assert not peer.connection._received, "what it sent is dropped"
        await passing(peers.HALF_FRAME + 1)
        ca.answer(peer)
        await until(peer.read)
        assert peer.codes() == ["no", "too_large"]

    played(play)
    assert [line.rpartition("(")[2] for line in caplog.messages] == ["too_large)"]


@pytest.mark.parametrize("name", ["web", "admin"])
def test_what_failed_is_told_to_people_by_its_code_and_to_the_operator_whole(
    caplog: pytest.LogCaptureFixture, name: Socket
) -> None:
    """The operator finds in the daemon's log, once, what people were not told."""
    failure = Failed("not_signing", "/srv/ca.db cannot be written", hint="mount it")

    async def play(ca: Ca) -> None:
        ca.name, ca.mine = name, Account(name, os.getuid())
        peer = await ca.meet()
        await peer.say(question() * 3)
        ca.answer(peer, failure, failure, SMALL)
        await until(lambda: len(peer.codes()) == 3)
        assert peer.codes() == ["not_signing", "not_signing", "no"]
        assert (b"/srv/ca.db" in peer.raw, b"mount it" in peer.raw) == ((name == "admin",) * 2)

    played(play)
    line = "a question could not be answered: not_signing: /srv/ca.db cannot be written (mount it)"
    assert caplog.messages == ([] if name == "admin" else [line])


def test_t68_many_that_are_disconnected_for_the_same_are_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def play(ca: Ca) -> None:
        wrong, deaf = [await ca.meet() for _ in range(3)], [await ca.meet() for _ in range(3)]
        for peer in wrong:
            await peer.say(b"\xff" * 4)
        for peer in deaf:
            await peer.say(question())
            ca.answer(peer, LARGE)
        await passing(peers.UNREAD + 1)
        await until(lambda: not ca.mine.connections)

    played(play)
    assert len(caplog.messages) == 2
    assert "(too_large)" in caplog.messages[0]
    assert "does not read its answers" in caplog.messages[1]


def test_nothing_is_taken_of_a_peer_that_was_disconnected_for_what_it_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "MAX_UNREAD", 100_000)
    monkeypatch.setattr(peers, "MAX_WAITING", 3)

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 6)
        ca.answer(peer, LARGE)
        ca.answer(peer, SMALL, SMALL)
        assert ca.waiting == []
        await passing()
        assert not ca.mine.connections

    played(play)


def test_t77_all_connections_of_a_unix_user_leave_no_more_unread_than_one_limit_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever leaves most is disconnected at once; what a peer read, or lost with its connection, does not count."""
    monkeypatch.setattr(peers, "MAX_USER_UNREAD", 2_500_000)

    async def play(ca: Ca) -> None:
        first, second, third, fourth = crowd = [await ca.meet() for _ in range(4)]
        for peer in crowd:
            await peer.say(question() * 2)
        ca.answer(first, LARGE)
        ca.answer(second, LARGE, LARGE)
        assert not second.connection._transport.get_write_buffer_size(), "its memory is free at once"
        await passing()
        assert ca.mine.connections == {peer.connection for peer in (first, third, fourth)}
        ca.answer(third, LARGE)
        await until(lambda: len(third.codes()) == 1)
        ca.answer(fourth, LARGE)
        await passing()
        assert ca.mine.connections == {peer.connection for peer in (first, third, fourth)}

    played(play)


def test_t77_as_many_of_them_as_it_takes_and_whoever_is_disconnected_already_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the one whose answer is too much, if it left less than others."""
    monkeypatch.setattr(peers, "MAX_USER_UNREAD", 3_500_000)

    async def play(ca: Ca) -> None:
        first, second, third = crowd = [await ca.meet() for _ in range(3)]
        for peer in crowd:
            await peer.say(question() * 4)
        ca.answer(first, LARGE, LARGE, MEDIUM)
        ca.begin(first).disconnect(Failed("defect", "a defect"))
        ca.answer(second, LARGE)
        ca.answer(third, MEDIUM)
        await passing()
        assert len(ca.mine.connections) == 3
        ca.answer(second, LARGE)
        await passing()
        assert ca.mine.connections == {second.connection, third.connection}
        monkeypatch.setattr(peers, "MAX_USER_UNREAD", 10_000)
        ca.answer(third, SMALL)
        await passing()
        assert not ca.mine.connections

    played(play)


@pytest.mark.parametrize("unread", [True, False])
def test_nothing_is_kept_of_a_peer_that_is_gone(caplog: pytest.LogCaptureFixture, *, unread: bool) -> None:
    """Its question may wait for half a minute; what it said of a next one does not, and nobody is called slow.

    A socket that is closed with something unread tells the other end so; else it is as if nothing more were sent.
    """

    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question() * 2 + question(b"x" * 100_000)[:50_000])
        await until(lambda: len(peer.connection._received) == 50_000)
        if unread:
            ca.answer()
        peer.channel.close()
        await passing()
        assert not peer.connection._received
        await passing(2 * peers.HALF_FRAME)
        while ca.waiting:
            ca.answer()
            await passing()
        assert not ca.mine.connections
        await passing(2 * peers.UNREAD)

    played(play)
    assert caplog.messages == []


def test_nobody_is_said_to_read_nothing_who_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    async def play(ca: Ca) -> None:
        peer = await ca.meet()
        await peer.say(question())
        ca.answer(peer, LARGE)
        peer.channel.close()
        await passing()
        assert not ca.mine.connections
        await passing(2 * peers.UNREAD)

    played(play)
    assert caplog.messages == []

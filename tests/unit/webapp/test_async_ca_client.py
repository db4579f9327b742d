"""The event loop's connection to the CA, before a socket that a test scripts: what no real CA can be made to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_web.ca_client import CaClient, Carried
from sshjit_web.server import async_ca_client, async_connection
from sshjit_web.server.async_ca_client import AsyncCaClient
from tests.support.waiting import PATIENCE

READ, SIGN = m.ReadRequest("login-00000000", "req-1"), m.SignUser("login-00000000", "req-1")
Frame = dict[str, Any]


@dataclass(eq=False)
class Peer:
    """One connection at the scripted CA."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    reads: list[int] = field(default_factory=list)
    """Bytes that came with each read."""

    async def frames(self, count: int) -> list[Frame]:
        """The next frames."""
        taken = list[Frame]()
        while len(taken) < count:
            end = 4 + int.from_bytes(self.received[:4], "big")
            if 4 < end <= len(self.received):
                taken.append(json.loads(self.received[4:end]))
                del self.received[:end]
                continue
            data = await self.reader.read(1 << 20)
            if not data:
                raise ConnectionError
            self.received += data
            self.reads.append(len(data))
        return taken

    def answer(self, frame: Frame, body: object = None, kind: str = "ok") -> None:
        said = {"v": 1, "id": frame["id"], "type": kind, "body": body or {"request": frame["id"], "certificate": {}}}
        text = json.dumps(said).encode()
        self.writer.write(len(text).to_bytes(4, "big") + text)

    def end(self) -> None:
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


@dataclass
class Ca:
    """A scripted CA: it greets, and then does with each connection what ``behaviour`` does."""

    behaviour: Behaviour
    peers: list[Peer] = field(default_factory=list)
    silent: bool = False
    """It does not even greet."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        try:
            if self.silent:
                await asyncio.Event().wait()
            (greeting,) = await peer.frames(1)
            peer.answer(greeting, {"version": 2})
            await self.behaviour(peer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


def play(script: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(script(), 4 * PATIENCE))


class Served:
    """Scripted CAs at their sockets, and the client before them."""

    def __init__(self, folder: Path, *cas: Ca, timeout: float = 10.0) -> None:
        self._cas = {folder / f"{number}.sock": ca for number, ca in enumerate(cas)}
        self._client = CaClient(*self._cas, timeout=timeout)

    async def __aenter__(self) -> AsyncCaClient:
        self._servers = [await asyncio.start_unix_server(ca.serve, path) for path, ca in self._cas.items()]
        self._made = AsyncCaClient(self._client)
        return self._made

    async def __aexit__(self, *_: object) -> None:
        self._made.close()
        for server in self._servers:
            server.close()
        for ca in self._cas.values():
            for peer in ca.peers:
                peer.end()
        self._client.close()
        await asyncio.sleep(0.05)


async def ask(client: AsyncCaClient, message: m.Message) -> Carried | SshJitError:
    try:
        return await client.carry(message, m.CertificateReply, 2)
    except SshJitError as error:
        return error


def number(answer: Carried | SshJitError) -> int:
    assert isinstance(answer, Carried), answer
    return int(answer.part("request"))


def code(answer: Carried | SshJitError) -> str:
    assert isinstance(answer, SshJitError)
    return answer.code


def test_what_is_asked_in_one_turn_goes_out_at_once_and_answers_find_their_question(tmp_path: Path) -> None:
    async def backwards(peer: Peer) -> None:
        for frame in reversed(await peer.frames(16)):
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, ca) as client:
            answers = await asyncio.gather(*(ask(client, SIGN) for _ in range(16)))
            assert [number(answer) for answer in answers] == list(range(1, 17))

    ca = Ca(backwards)
    play(script)
    assert [len(peer.reads) for peer in ca.peers] == [2], "one for the greeting, and one for all questions"


def test_what_was_sent_is_never_sent_twice_and_what_only_reads_is(tmp_path: Path) -> None:
    """The connection breaks with both in flight."""
    asked = list[str]()

    async def breaks_first(peer: Peer) -> None:
        for frame in await peer.frames(2 if peer.number == 0 else 1):
            asked.append(frame["type"])
            if peer.number:
                peer.answer(frame)
        if peer.number == 0:
            peer.end()

    async def script() -> None:
        async with Served(tmp_path, Ca(breaks_first)) as client:
            signed, read = await asyncio.gather(ask(client, SIGN), ask(client, READ))
            assert code(signed) == "outcome_unknown"
            assert "the connection broke before it answered" in str(signed)
            assert number(read) == 1

    play(script)
    assert asked == ["sign_user", "read_request", "read_request"]


def test_what_was_not_sent_is_asked_on_another_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question at a time is sent; of those that wait when it breaks, the CA saw nothing."""
    monkeypatch.setattr(async_connection, "MOST_SENT", 1)
    asked = list[str]()

    async def breaks_first(peer: Peer) -> None:
        while True:
            (frame,) = await peer.frames(1)
            asked.append(frame["body"]["request"])
            if peer.number == 0:
                peer.end()
                return
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, Ca(breaks_first)) as client:
            questions = (m.SignUser("login-00000000", f"req-{number}") for number in range(4))
            lost, *others = await asyncio.gather(*(ask(client, question) for question in questions))
            assert code(lost) == "outcome_unknown"
            assert sorted(map(number, others)) == [1, 2, 3]

    play(script)
    assert asked == ["req-0", "req-1", "req-2", "req-3"]


def test_a_connection_that_ended_while_nothing_was_asked_costs_nobody_an_error(tmp_path: Path) -> None:
    async def answers_one(peer: Peer) -> None:
        for frame in await peer.frames(1):
            peer.answer(frame)
        await peer.writer.drain()
        peer.writer.close()

    async def script() -> None:
        async with Served(tmp_path, ca) as client:
            for _ in range(3):
                assert number(await ask(client, SIGN)) == 1
                await asyncio.sleep(0.05)

    ca = Ca(answers_one)
    play(script)
    assert len(ca.peers) == 3


def test_a_question_that_is_not_answered_in_time_ends_alone(tmp_path: Path) -> None:
    """The one beside it gets its answer on that connection, where nothing more is asked; late answers harm nobody."""

    async def slow(peer: Peer) -> None:
        if peer.number:
            (frame,) = await peer.frames(1)
            peer.answer(frame)
            return
        first, second = await peer.frames(2)
        await asyncio.sleep(0.3)
        (third,) = await peer.frames(1)
        await asyncio.sleep(0.3)
        for frame in (first, second, third):
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, ca, timeout=0.5) as client:
            late = asyncio.gather(ask(client, SIGN), ask(client, READ))
            await asyncio.sleep(0.25)
            beside = asyncio.create_task(ask(client, SIGN))
            signed, read = await late
            assert (code(signed), code(read)) == ("outcome_unknown", "ca_down")
            assert "no answer in 0.5 s" in str(signed)
            assert number(await ask(client, SIGN)) == 1
            assert number(await beside) == 3

    ca = Ca(slow)
    play(script)
    assert len(ca.peers) == 2


def test_a_ca_that_hangs_before_it_greets_did_nothing(tmp_path: Path) -> None:
    async def script() -> None:
        async with Served(tmp_path, Ca(_nothing, silent=True), timeout=0.2) as client:
            answers = await asyncio.gather(*(ask(client, SIGN) for _ in range(3)))
            assert {code(answer) for answer in answers} == {"ca_down"}
            assert len({id(answer) for answer in answers}) == 3, "each has an error of its own"

    play(script)


async def _nothing(_: Peer) -> None:
    """Reads nothing, answers nothing."""


@pytest.mark.parametrize(
    "text", [b"{}", b"[", b'{"v":1,"id":77,"type":"ok","body":{}}', b'{"v":2,"id":1,"type":"ok","body":{}}']
)
def test_nonsense_ends_the_connection(tmp_path: Path, text: bytes) -> None:
    async def raves(peer: Peer) -> None:
        await peer.frames(1)
        peer.writer.write(len(text).to_bytes(4, "big") + text)

    async def script() -> None:
        async with Served(tmp_path, ca) as client:
            assert code(await ask(client, SIGN)) == "outcome_unknown"

    ca = Ca(raves)
    play(script)
    assert len(ca.peers) == 1


def test_an_answer_without_end_ends_the_connection(tmp_path: Path) -> None:
    async def endless(peer: Peer) -> None:
        await peer.frames(1)
        peer.writer.write((m.MAX_REPLY + 1).to_bytes(4, "big") + b"x")

    async def script() -> None:
        async with Served(tmp_path, Ca(endless)) as client:
            assert code(await ask(client, SIGN)) == "outcome_unknown"

    play(script)


def test_an_error_of_the_ca_is_raised_in_its_family(tmp_path: Path) -> None:
    async def refuses(peer: Peer) -> None:
        for frame in await peer.frames(1):
            error = {"family": "refused", "code": "not_permitted", "message": "no", "hint": "ask"}
            peer.answer(frame, error, "error")

    async def script() -> None:
        async with Served(tmp_path, Ca(refuses)) as client:
            answer = await ask(client, SIGN)
            assert isinstance(answer, Refused)
            assert (answer.code, answer.hint) == ("not_permitted", "ask")

    play(script)


def test_a_ca_that_may_not_write_any_more_is_left_for_the_next(tmp_path: Path) -> None:
    """All that it was asked is asked there, once."""
    fenced = {"family": "failed", "code": "fenced", "message": "another CA writes", "hint": ""}
    asked = list[int]()

    async def old(peer: Peer) -> None:
        for frame in await peer.frames(3):
            peer.answer(frame, fenced, "error")

    async def new(peer: Peer) -> None:
        for frame in await peer.frames(3):
            asked.append(frame["id"])
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, Ca(old), Ca(new)) as client:
            answers = await asyncio.gather(*(ask(client, SIGN) for _ in range(3)))
            assert sorted(map(number, answers)) == [1, 2, 3]

    play(script)
    assert asked == [1, 2, 3]


def test_where_too_much_is_asked_the_rest_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_ca_client, "MOST", 4)
    go = asyncio.Event()

    async def waits(peer: Peer) -> None:
        frames = await peer.frames(4)
        await go.wait()
        for frame in frames:
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, Ca(waits)) as client:
            tasks = [asyncio.create_task(ask(client, SIGN)) for _ in range(6)]
            await asyncio.sleep(0.1)
            assert client.unfinished == 4
            go.set()
            answers = await asyncio.gather(*tasks)
            assert [code(answer) for answer in answers if isinstance(answer, Failed)] == ["busy", "busy"]
            assert client.unfinished == 0

    play(script)


def test_a_ca_that_reads_slowly_gets_every_frame_whole(tmp_path: Path) -> None:
    """More than the kernel takes at once; the rest goes when there is room again."""
    long = m.ReadRequest("login-00000000", "r" * 200_000)

    async def reads_late(peer: Peer) -> None:
        await asyncio.sleep(0.2)
        for frame in await peer.frames(20):
            assert len(frame["body"]["request"]) == 200_000
            peer.answer(frame)

    async def script() -> None:
        async with Served(tmp_path, Ca(reads_late)) as client:
            answers = await asyncio.gather(*(ask(client, long) for _ in range(20)))
            assert [number(answer) for answer in answers] == list(range(1, 21))

    play(script)


def test_nobody_there_is_nobody_asked(tmp_path: Path) -> None:
    async def script() -> None:
        with closing(CaClient(tmp_path / "nobody.sock")) as client:
            made = AsyncCaClient(client)
            assert [code(await ask(made, message)) for message in (SIGN, READ)] == ["ca_down", "ca_down"]

    play(script)

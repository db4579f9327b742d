"""The files of the sockets while the CA runs: gone, replaced, taken over; and how listening ends."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sshjit_ca.service import listeners
from sshjit_ca.service.connection import Connection, Listening
from sshjit_ca.service.listeners import Listeners
from sshjit_ca.sockets import Socket
from tests.support.waiting import PATIENCE
from tests.unit.ca.test_connection import LARGE, SMALL, Ca, passing, played, question, until


class Listened:
    """Listeners at one socket in a folder of their own."""

    def __init__(self, ca: Ca, folder: Path) -> None:
        self.ca = ca
        self.path = folder / "ca" / "web.sock"
        self.path.parent.mkdir(mode=0o700)
        self.problems: dict[Socket, str] = {}
        self.listening = Listening("web", self.path, frozenset({os.getuid()}))
        self.listeners = Listeners([self.listening], functools.partial(Connection, ca), self.problems)

    def connect(self) -> socket.socket:
        peer = self.ca.closing.enter_context(socket.socket(socket.AF_UNIX))
        peer.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
        peer.connect(str(self.path))
        return peer

    async def look(self) -> None:
        await self.listeners._look(self.listening)

    async def end(self) -> None:
        await self.listeners.close()
        await self.listeners.leave()


@pytest.fixture
def listened(tmp_path: Path) -> Callable[[Ca], Listened]:
    return lambda ca: Listened(ca, tmp_path)


Make = Callable[[Ca], Listened]


async def is_met(listened: Listened) -> bool:
    """Whether who connects now is met by these listeners."""
    before = len(listened.ca.mine.connections)
    listened.connect()
    await passing()
    return len(listened.ca.mine.connections) == before + 1


def somebody_at(ca: Ca, path: Path) -> socket.socket:
    other = ca.closing.enter_context(socket.socket(socket.AF_UNIX))
    other.bind(str(path))
    other.listen()
    return other


def test_a_file_that_is_gone_is_made_again_and_the_status_says_so_for_a_while(
    listened: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        await here.look()
        assert here.problems == {}
        monkeypatch.setattr(listeners, "SHOWN", 1e9)
        here.path.unlink()
        await here.look()
        assert await is_met(here)
        await here.look()
        assert "the CA listens there again" in here.problems["web"]
        monkeypatch.setattr(listeners, "SHOWN", 0.0)
        here.path.unlink()
        await here.look()
        await here.look()
        assert here.problems == {}
        await here.end()

    played(play)
    assert [line for line in caplog.messages if "listening anew" in line] == [caplog.messages[0]]


def test_the_files_are_looked_at_while_it_runs(listened: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "LOOK", 0.001)

    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        watching = asyncio.create_task(here.listeners.watch())
        for _ in range(2):
            here.path.unlink()
            await until(here.path.exists)
            await passing()
        here.path.unlink()
        while not here.path.exists():  # noqa: ASYNC110 - the very moment at which it is there
            await asyncio.sleep(0)
        watching.cancel()
        await here.end()
        assert not here.path.exists()

    played(play)


def test_somebody_who_took_over_is_not_cut_off_and_whoever_was_connected_is_not_either(
    listened: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        assert await is_met(here)
        here.path.unlink()
        other = somebody_at(ca, here.path)
        for _ in range(3):
            await here.look()
            assert "nobody can connect to the web socket" in here.problems["web"]
            other.accept()[0].close()
        assert not await is_met(here)
        assert len(ca.mine.connections) == 1
        other.close()
        await here.look()
        assert "the CA listens there again" in here.problems["web"]
        assert await is_met(here)
        await here.end()

    played(play)
    assert sum("another program listens" in line for line in caplog.messages) == 1


def test_what_cannot_be_listened_at_is_tried_again(listened: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Something else in its place, which is left alone; or the folder is gone."""

    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        here.path.unlink()
        here.path.write_text("somebody's file")
        for _ in range(2):
            await here.look()
            assert "nobody can connect" in here.problems["web"]
        assert here.path.read_text() == "somebody's file"
        here.path.unlink()
        here.path.parent.rmdir()
        await here.look()
        assert "nobody can connect" in here.problems["web"]
        here.path.parent.write_text("not a folder")
        await here.look()
        assert "nobody can connect" in here.problems["web"]
        here.path.parent.unlink()
        here.path.parent.mkdir(mode=0o700)
        await here.look()
        assert await is_met(here)
        await here.end()

    played(play)
    assert sum("is not a socket" in line for line in caplog.messages) == 1


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_socket_that_is_replaced_leaves_nothing_open(listened: Make) -> None:
    """Somebody who removes the file again and again must not use up the CA's open files."""

    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        counts = []
        for _ in range(4):
            here.path.unlink()
            await here.look()
            await passing()
            counts.append(open_files())
        assert counts[-1] == counts[0]
        await here.end()

    played(play)


def test_who_had_connected_before_the_end_is_met_and_who_comes_after_it_is_not(listened: Make) -> None:
    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        here.connect().send(question())
        await here.listeners.close()
        await passing()
        assert len(ca.waiting) == 1
        with pytest.raises(FileNotFoundError):
            here.connect()
        ca.answer()
        await here.listeners.leave()
        assert not ca.mine.connections

    played(play)


def test_the_end_leaves_the_socket_of_whoever_took_over(listened: Make) -> None:
    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        here.path.unlink()
        somebody_at(ca, here.path)
        await here.end()
        assert here.path.exists()

    played(play)


def test_the_end_waits_for_peers_that_read_as_long_as_they_need_and_for_others_so_many_seconds(
    listened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(ca: Ca) -> None:
        here = listened(ca)
        await here.listeners.open()
        reading, deaf = here.connect(), here.connect()
        for peer in (reading, deaf):
            peer.send(question())
            await passing()
        ca.answer(None, SMALL)
        ca.answer(None, LARGE)
        monkeypatch.setattr(listeners, "LEAVE", 0.05)
        await here.end()
        assert len(ca.mine.connections) == 1
        monkeypatch.setattr(listeners, "LEAVE", 10 * PATIENCE)
        leaving = asyncio.create_task(here.listeners.leave())
        await passing()
        assert not leaving.done()
        assert len(await everything(deaf)) > 1_000_000
        await asyncio.wait_for(leaving, PATIENCE)

    played(play)


async def everything(peer: socket.socket) -> bytes:
    data = b""
    while part := await asyncio.get_running_loop().sock_recv(peer, 1 << 20):
        data += part
    return data

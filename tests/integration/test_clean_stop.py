"""A CA that is told to stop finishes: what had arrived is answered or refused, and what it answered is in the log."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit_ca.log import verification
from sshjit_ca.operations import admin_client
from sshjit_ca.service import listeners
from sshjit_ca.service import server as serving
from sshjit_ca.storage.store import Store
from tests.support.ca_process import CaProcess, run_command
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving as issuing
from tests.support.waiting import PATIENCE, wait_until

PEERS = 6
EACH = 200
"""Questions of each peer: more than are read at once."""


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """An installation."""
    with issuing() as acme, issuing() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        yield ca
        ca.stop()


def framed(number: int, message: m.Message) -> bytes:
    frame = {"v": 1, "id": number, "type": wire.type_name(type(message)), "body": wire.encode(message)}
    text = json.dumps(frame, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "big") + text


def adding(peer: int) -> bytes:
    return b"".join(
        framed(number, m.AddHost(f"h{peer}-{number}", (), "127.0.0.1", 22, (("env", "staging"),), ()))
        for number in range(1, EACH + 1)
    )


def answers(connection: socket.socket) -> dict[int, str]:
    """What was answered to which question, until the CA closes: ``ok``, or the code of the error."""
    with connection, connection.makefile("rb") as file:
        found: dict[int, str] = {}
        while len(header := file.read(4)) == 4:
            frame = json.loads(file.read(int.from_bytes(header, "big")))
            found[frame["id"]] = "ok" if frame["type"] == "ok" else frame["body"]["code"]
        return found


def test_a_stop_under_load_leaves_nobody_without_an_answer_and_no_answer_without_its_entry(ca: Installation) -> None:
    ca.stop()
    process = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    wait_until(process.ready)
    peers = []
    for _ in range(PEERS):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(PATIENCE)
        peer.connect(str(ca.config.admin_socket))
        peers.append(peer)
    for number, peer in enumerate(peers):
        peer.sendall(adding(number))
    process.process.send_signal(signal.SIGTERM)
    found = [answers(peer) for peer in peers]
    with suppress(ProcessLookupError):
        os.kill(process.process.pid, signal.SIGTERM)  # by somebody who is impatient
    assert process.end() == 0
    assert not ca.config.admin_socket.exists()
    codes = [code for each in found for code in each.values()]
    assert len(codes) == PEERS * EACH
    assert set(codes) <= {"ok", "ca_down"}
    assert "ok" in codes
    store = Store(ca.config.database, read_only=True)
    assert [row.entry.kind for row in store.rows()].count("host") == codes.count("ok")
    assert verification.verify(store, ca.context.keys.public("log")).problems == ()
    store.close()
    ca.start()
    assert set(ca.context.state.hosts) == {
        f"h{peer}-{number}" for peer, each in enumerate(found) for number, code in each.items() if code == "ok"
    }


@pytest.mark.parametrize("comes", [True, False])
def test_a_sign_in_that_waits_for_its_provider_is_finished_or_refused(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, *, comes: bool
) -> None:
    monkeypatch.setattr(serving, "FINISH", 10.0 if comes else 0.5)
    begun, go_on = threading.Event(), threading.Event()

    def hold(message: m.Message) -> None:
        if isinstance(message, m.LoginNative):
            begun.set()
            assert go_on.wait(PATIENCE)

    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE)
    said = ca.native_message(ALICE)
    late: list[dict[int, str]] = []
    with serving_sockets(ca, frozenset({os.getuid()}), hold):
        peer.connect(str(ca.config.web_socket))
        peer.sendall(framed(1, said))
        assert begun.wait(PATIENCE)
        reading = threading.Thread(target=lambda: late.append(answers(peer)))
        reading.start()
        if comes:
            threading.Timer(0.3, go_on.set).start()
    reading.join(PATIENCE)
    go_on.set()
    assert late == [{1: "ok" if comes else "ca_down"}]
    assert ("login" in ca.kinds()) is comes


def test_what_comes_while_the_ca_is_stopping_is_refused(ca: Installation) -> None:
    """A sign-in that waits for its provider holds the stop up; meanwhile nothing new is begun, whoever asks it."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(message: m.Message) -> None:
        if isinstance(message, m.LoginNative):
            begun.set()
            assert go_on.wait(PATIENCE)

    peers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    signing_in, late = peers
    said = ca.native_message(ALICE)
    with serving_sockets(ca, frozenset({os.getuid()}), hold):
        for peer, path in zip(peers, (ca.config.web_socket, ca.config.admin_socket), strict=True):
            peer.settimeout(PATIENCE)
            peer.connect(str(path))
        signing_in.sendall(framed(1, said))
        assert begun.wait(PATIENCE)

        def come_late() -> None:
            wait_until(lambda: not ca.config.admin_socket.exists())
            late.sendall(framed(1, m.AddHost("web9", (), "127.0.0.1", 22, (("env", "staging"),), ())))
            found.append(late.recv(64 * 1024))
            go_on.set()

        found: list[bytes] = []
        coming = threading.Thread(target=come_late)
        coming.start()
    coming.join(PATIENCE)
    assert b'"code":"ca_down"' in found[0]
    assert "web9" not in ca.context.state.hosts
    assert "login" in ca.kinds(), "what was begun is finished"
    for peer in peers:
        peer.close()


def test_a_ca_that_stops_makes_no_socket_s_file_anew(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took them away itself, and may still wait for a sign-in."""
    monkeypatch.setattr(listeners, "LOOK", 0.001)
    begun = threading.Event()

    def hold(message: m.Message) -> None:
        if isinstance(message, m.LoginNative):
            begun.set()
            time.sleep(0.5)

    said = ca.native_message(ALICE)
    with serving_sockets(ca, frozenset({os.getuid()}), hold), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(ca.config.web_socket))
        peer.sendall(framed(1, said))
        assert begun.wait(PATIENCE)
    assert not ca.config.web_socket.exists()
    assert not ca.config.admin_socket.exists()


def test_what_waits_to_be_prepared_when_a_ca_has_stopped_long_enough_is_not_begun(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process would wait for each of them to be prepared, one after the other."""
    monkeypatch.setattr(serving, "FINISH", 0.1)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold(_: m.Message) -> None:
        begun.release()
        assert go_on.wait(PATIENCE)

    said, count = ca.native_message(ALICE), serving.PREPARERS + 3
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE)
    with serving_sockets(ca, frozenset({os.getuid()}), hold):
        peer.connect(str(ca.config.web_socket))
        peer.sendall(b"".join(framed(number, said) for number in range(1, count + 1)))
        assert all(begun.acquire(timeout=PATIENCE) for _ in range(serving.PREPARERS))
        late: list[dict[int, str]] = []
        reading = threading.Thread(target=lambda: late.append(answers(peer)))
        reading.start()
    reading.join(PATIENCE)
    go_on.set()
    assert late == [dict.fromkeys(range(1, count + 1), "ca_down")]
    assert not begun.acquire(timeout=0.5)


def status(process: CaProcess) -> m.StatusReply:
    return admin_client.call(process.admin_socket, m.Status(), m.StatusReply)


def test_a_socket_s_file_that_is_removed_or_replaced_is_noticed_and_made_again(ca: Installation) -> None:
    ca.stop()
    process = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    try:
        wait_until(process.ready)
        held = socket.socket(socket.AF_UNIX)
        held.settimeout(PATIENCE)
        held.connect(str(ca.config.web_socket))
        ca.config.web_socket.unlink()
        ca.config.admin_socket.unlink()
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(ca.config.admin_socket))  # nobody listens there
        wait_until(process.ready)
        wait_until(lambda: len(status(process).problems) == 2)
        assert all("removed or replaced" in problem for problem in status(process).problems)
        wait_until(ca.config.web_socket.exists)
        said = run_command(ca.home / "ca.toml", "doctor", code=1)
        assert "the file of the web socket was removed or replaced" in said
        assert "web.sock was removed or replaced; listening anew" in process.log.read_text()
        held.sendall(framed(1, m.Health()))
        assert held.recv(4), "who was connected is so still"
        held.close()
        dead.close()
    finally:
        assert process.end() == 0
    assert not ca.config.web_socket.exists()


def fill(path: Path) -> socket.socket:
    """Stands in line to be met."""
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(0)
    one.connect_ex(str(path))
    return one


@pytest.mark.parametrize("busy", [False, True])
def test_the_socket_of_somebody_who_took_over_is_left_alone(ca: Installation, *, busy: bool) -> None:
    """Also of one who has no time just now to meet whoever connects."""
    ca.stop()
    process = CaProcess.start(ca.home / "ca.toml", ca.config.admin_socket)
    other = socket.socket(socket.AF_UNIX)
    try:
        wait_until(process.ready)
        ca.config.web_socket.unlink()
        other.bind(str(ca.config.web_socket))
        other.listen(0 if busy else 128)
        waiting = [fill(ca.config.web_socket) for _ in range(2)] if busy else []
        wait_until(lambda: status(process).problems != ())
        assert "nobody can connect to the web socket" in status(process).problems[0]
        inode = ca.config.web_socket.stat().st_ino
        time.sleep(1.5 * listeners.LOOK)
        assert ca.config.web_socket.stat().st_ino == inode
        for one in waiting:
            one.close()
    finally:
        other.close()
        assert process.end() == 0

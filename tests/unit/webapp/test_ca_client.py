"""The client of the CA: many threads and restarts before a real one; silence and nonsense from a scripted socket."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import versions, wire
from sshjit.errors import Failed, Invalid, Refused
from sshjit_web import ca_client
from sshjit_web.ca_client import CaClient
from sshjit_web.ca_socket import Connection
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation
from tests.support.issuer import Issuer
from tests.support.waiting import PATIENCE

ASK = m.Ask("login-00000000", ("web1",), None, "shell", None, None, "x", certificate=False, address="")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[CaClient]:
    made = CaClient(tmp_path / "web.sock", timeout=0.5)
    yield made
    made.close()


class Relay(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Hands on to another socket what comes in, and can end every connection at once, as a restart of the CA does."""

    request_queue_size = 64

    def __init__(self, path: Path, target: Path) -> None:
        self.target = str(target)
        self.open: list[socket.socket] = []
        super().__init__(str(path), _RelayHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def drop(self) -> None:
        for channel in self.open:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)


class _RelayHandler(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as target:
            target.connect(self.server.target)
            self.server.open.append(self.request)
            back = threading.Thread(target=_pump, args=(target, self.request))
            back.start()
            _pump(self.request, target)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


HEALTHY = b'{"ready": true, "problems": [], "size": 0, "policy": "", "time": 1}'
"""An answer with nothing wrong in it: what is refused then is its frame."""


@dataclass
class Server:
    """A whole CA behind a relay; ``logins`` are the ids of sign-ins by the person's subject."""

    ca: Installation
    relay: Relay
    logins: dict[str, str]


@pytest.fixture
def server(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Server]:
    home = tmp_path / "ca-home"
    home.mkdir()
    ca = Installation(home, issuers)
    ca.add_host("web1", env="staging")
    logins = {person.sub: ca.web(person) for person in (ALICE, BOB, CAROL, DANA)}
    with serving_sockets(ca, frozenset({os.getuid()})):
        relay = Relay(tmp_path / "web.sock", ca.config.web_socket)
        yield Server(ca, relay, logins)
        relay.shutdown()
        relay.drop()
        relay.server_close()
    ca.stop()


def ask(server: Server) -> m.Ask:
    return replace(ASK, login_id=server.logins[ALICE.sub])


def greet(channel: socket.socket, version: int = 2) -> None:
    """Answers the first question of a connection: which version it is."""
    heard = channel.recv(4096)
    if heard:
        assert json.loads(heard[4:])["type"] == "health"
        send(channel, b'{"v": 1, "id": 1, "type": "ok", "body": {"version": %d}}' % version)


def send(channel: socket.socket, text: bytes) -> None:
    """Sends a frame."""
    channel.sendall(struct.pack(">I", len(text)) + text)


Raw = Callable[[Callable[[socket.socket], None]], None]


@pytest.fixture
def raw_at() -> Iterator[Callable[[Path, Callable[[socket.socket], None]], None]]:
    """Sockets that greet, and then do with each connection what a function does: for what no real CA can do."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(path: Path, behaviour: Callable[[socket.socket], None]) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    channel, _ = listener.accept()
                except OSError:
                    return
                with channel, suppress(OSError):
                    greet(channel)
                    behaviour(channel)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


@pytest.fixture
def raw(tmp_path: Path, raw_at: Callable[[Path, Callable[[socket.socket], None]], None]) -> Raw:
    """The same at the place of the CA."""
    return lambda behaviour: raw_at(tmp_path / "web.sock", behaviour)


def test_threads_share_the_client_and_get_their_own_answers(client: CaClient, server: Server) -> None:
    logins = [*server.logins.values()] * 50
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda login: client.call(m.ReadLogin(login), m.LoginReply), logins))
    assert [reply.login.id for reply in replies] == logins
    assert len(server.relay.open) <= 16


def test_errors_keep_their_family_code_and_hint(client: CaClient, server: Server) -> None:
    with pytest.raises(Refused) as found:
        client.call(m.ReadLogin("login-77777777"), m.LoginReply)
    assert (found.value.code, found.value.hint) == ("login_over", "ssh-jit login")
    with pytest.raises(Invalid) as unknown:
        client.call(m.ReadRequest(server.logins[ALICE.sub], "req-77777777"), m.RequestReply)
    assert unknown.value.code == "unknown_request"


def test_a_restart_is_not_noticed(client: CaClient, server: Server) -> None:
    client.call(m.Health(), m.HealthReply)
    server.relay.drop()
    assert client.call(ask(server), m.AskReply).request.hosts == ("web1",)


def test_nobody_there(client: CaClient) -> None:
    with pytest.raises(Failed) as found:
        client.call(m.Health(), m.HealthReply)
    assert found.value.code == "ca_down"


def test_silence_ends_in_time(client: CaClient, raw: Raw) -> None:
    done = threading.Event()

    def behave(_: socket.socket) -> None:
        done.wait(5)

    raw(behave)
    with pytest.raises(Failed, match=r"can't reach the CA \(no answer in 0\.5 s\)") as found:
        client.call(m.Health(), m.HealthReply)
    done.set()
    assert found.value.code == "ca_down"


def test_a_break_in_the_middle_asks_reads_again_and_nothing_else(client: CaClient, raw: Raw) -> None:
    heard: list[bytes] = []
    raw(lambda channel: heard.append(channel.recv(4096)))
    with pytest.raises(Failed, match="broke before it answered") as found:
        client.call(ASK, m.AskReply)
    assert (found.value.code, "it may have been done" in found.value.hint) == ("outcome_unknown", True)
    assert len(heard) == 1
    with pytest.raises(Failed, match="can't reach the CA"):
        client.call(m.Health(), m.HealthReply)
    assert len(heard) == 3


def test_a_break_after_a_restart_leaves_open_what_was_done(client: CaClient, raw: Raw) -> None:
    """The kept connection is over before the message is out, the new one after it."""
    heard: list[bytes] = []
    gone = threading.Event()

    def behave(channel: socket.socket) -> None:
        heard.append(channel.recv(4096))
        if len(heard) == 1:
            send(channel, b'{"v": 1, "id": 2, "type": "ok", "body": %s}' % HEALTHY)
            channel.close()
            gone.set()

    raw(behave)
    assert client.call(m.Health(), m.HealthReply).ready
    assert gone.wait(PATIENCE)
    with pytest.raises(Failed, match="broke before it answered") as found:
        client.call(ASK, m.AskReply)
    assert found.value.code == "outcome_unknown"
    assert len(heard) == 2


def test_no_more_connections_are_kept_than_may_be(tmp_path: Path, raw: Raw) -> None:
    ended = threading.Event()

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        send(channel, b'{"v": 1, "id": 2, "type": "ok", "body": %s}' % HEALTHY)
        if not channel.recv(1):
            ended.set()

    raw(behave)
    with closing(CaClient(tmp_path / "web.sock", keep=0)) as client:
        assert client.call(m.Health(), m.HealthReply).ready
        assert ended.wait(PATIENCE), "it was closed while the client lives"


def test_a_program_that_may_not_connect_is_named_in_the_log_alone(
    client: CaClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> Connection:
        raise PermissionError

    monkeypatch.setattr(ca_client, "Connection", refuse)
    with pytest.raises(Failed) as found:
        client.call(m.Health(), m.HealthReply)
    assert found.value.code == "ca_down"
    assert "web_users" not in f"{found.value} {found.value.hint}"
    assert f"Unix user {os.geteuid()} may not connect to" in caplog.text
    assert "web_users in ca.toml" in caplog.text


def test_no_time_at_all_is_not_for_ever(tmp_path: Path, raw: Raw) -> None:
    """To the kernel a limit of 0 is none."""
    raw(lambda _: time.sleep(3))
    with closing(CaClient(tmp_path / "web.sock", timeout=1e-7)) as client, pytest.raises(Failed, match="no answer in"):
        client.call(m.Health(), m.HealthReply)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"v": 1, "id": 3, "type": "ok", "body": {}}',
        b'{"v": 1, "id": 3, "type": "ok", "body": %s}' % HEALTHY,
        b'{"v": 1, "id": 1, "type": "ok", "body": %s}' % HEALTHY,
        b'{"v": 2, "id": 2, "type": "ok", "body": %s}' % HEALTHY,
        b'{"v": 1, "id": 2, "type": "other", "body": {"family": "refused", "code": "x", "message": "x", "hint": ""}}',
        b"[]",
        b"not json",
    ],
)
def test_nonsense_is_not_believed(client: CaClient, raw: Raw, answer: bytes) -> None:
    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(struct.pack(">I", len(answer)) + answer)

    raw(behave)
    with pytest.raises(Failed):
        client.call(m.Health(), m.HealthReply)


def test_an_answer_of_the_wrong_shape_is_our_failure(client: CaClient, raw: Raw) -> None:
    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        answer = b'{"v": 1, "id": 2, "type": "ok", "body": {"ready": "yes"}}'
        channel.sendall(struct.pack(">I", len(answer)) + answer)

    raw(behave)
    with pytest.raises(Failed) as found:
        client.call(m.Health(), m.HealthReply)
    assert found.value.code == "ca_protocol"


def test_a_message_that_is_too_large_is_not_sent(client: CaClient, server: Server) -> None:
    entries = len(server.ca.kinds())
    with pytest.raises(Invalid) as found:
        client.call(m.LoginWeb("acme", "x" * m.MAX_FRAME, "n", ""), m.LoginReply)
    assert found.value.code == "too_large"
    assert "login_refused" not in server.ca.kinds()
    assert len(server.ca.kinds()) == entries


def test_what_is_handed_on_has_the_right_fields_and_is_json(client: CaClient, server: Server) -> None:
    login = server.logins[ALICE.sub]
    carried = client.carry(m.ReadLogin(login), m.LoginReply, 2)
    assert wire.decode(m.LoginReply, wire.loads(carried.text.encode())).login.id == login
    assert wire.decode(m.LoginView, wire.loads(carried.part("login").encode())).id == login
    with pytest.raises(Failed, match="not understood"):
        client.carry(m.ReadLogin(login), m.HostsReply, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"ready": true}',
        b'{"ready": true, "problems": [], "size": 0, "policy": "\xff", "time": 1}',
        b'{"ready": true, "problems": [}, "size": 0, "policy": "", "time": 1}',
        b'{"ready": true, "problems": ' + b"[" * 3000 + b"]" * 3000 + b', "size": 0, "policy": "", "time": 1}',
    ],
)
def test_nonsense_is_not_handed_on(client: CaClient, raw: Raw, body: bytes) -> None:
    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        answer = b'{"v": 1, "id": 2, "type": "ok", "body": %s}' % body
        channel.sendall(struct.pack(">I", len(answer)) + answer)

    raw(behave)
    with pytest.raises(Failed) as found:
        client.carry(m.Health(), m.HealthReply, 2)
    assert found.value.code in ("ca_protocol", "ca_down")


@pytest.mark.parametrize("body", [b"[]", b'{"version": "two"}', b'{"version": 0}', b"[" * 3000 + b"]" * 3000])
def test_a_greeting_that_is_nonsense_is_not_believed(client: CaClient, tmp_path: Path, body: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web.sock"))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                channel, _ = listener.accept()
                with channel:
                    channel.recv(4096)
                    send(channel, b'{"v": 1, "id": 1, "type": "ok", "body": %s}' % body)
                    channel.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Failed) as found:
            client.call(m.Health(), m.HealthReply)
        thread.join(5)
    assert found.value.code == "ca_down"


@pytest.mark.parametrize(("version", "known"), [(0, 1), (-7, 1), (1, 1), (2, 2), (9, 9)])
def test_t87_a_version_below_the_first_is_the_first(client: CaClient, tmp_path: Path, version: int, known: int) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web.sock"))
        listener.listen()

        def serve() -> None:
            channel, _ = listener.accept()
            with channel:
                greet(channel, version)
                channel.recv(4096)
                send(channel, b'{"v": 1, "id": 2, "type": "ok", "body": %s}' % HEALTHY)

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.call(m.Health(), m.HealthReply).ready
        thread.join(5)
    assert client.version == known


@pytest.mark.parametrize("code", ["not_signing", "too_many"])
def test_t87_an_error_in_place_of_a_greeting_is_no_version(client: CaClient, tmp_path: Path, code: str) -> None:
    """Else the front end would go on with a CA of today as with one of version 1, for as long as they are connected."""
    error = {"family": "failed", "code": code, "message": "not now", "hint": "later", "more": 1}
    texts = [
        json.dumps({"v": 1, "id": 1, "type": "error", "body": error}).encode(),
        b'{"v": 1, "id": 1, "type": "ok", "body": {"version": 2}}',
        b'{"v": 1, "id": 2, "type": "ok", "body": {"ready": true, "problems": [], "size": 0, "policy": "", "time": 1}}',
    ]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web.sock"))
        listener.listen()

        def serve() -> None:
            for answers in (texts[:1], texts[1:]):
                channel, _ = listener.accept()
                with channel:
                    for text in answers:
                        channel.recv(4096)
                        send(channel, text)
                    channel.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Failed, match="not now") as found:
            client.call(m.Health(), m.HealthReply)
        assert (found.value.code, found.value.hint) == (code, "later")
        assert client.call(m.Health(), m.HealthReply).ready
        assert client.version == 2
        client.close()
        thread.join(5)


def test_t87_an_answer_that_grew_is_read_and_handed_on(client: CaClient, raw: Raw) -> None:
    body = b'{"ready": true, "problems": [], "size": 0, "policy": "", "time": 1, "more": {"a": 1}}'
    heard: list[bytes] = []

    def behave(channel: socket.socket) -> None:
        for number in (2, 3):
            heard.append(channel.recv(4096))
            send(channel, b'{"v": 1, "id": %d, "type": "ok", "body": %s, "more": 1}' % (number, body))

    raw(behave)
    assert client.call(m.Health(), m.HealthReply).ready
    assert client.version == 2
    assert client.carry(m.Health(), m.HealthReply, 1).text.encode() == body
    client.close()
    assert [json.loads(frame[4:]).get("version") for frame in heard] == [2, None], "for whom the answers are"


def test_t87_the_real_ca_answers_in_the_version_of_who_reads(client: CaClient, server: Server) -> None:
    grown = {"version", "oldest", "release"}
    assert client.carry(m.Health(), m.HealthReply, 2).parts.keys() >= grown
    assert not client.carry(m.Health(), m.HealthReply, 1).parts.keys() & grown
    assert client.version == versions.PROTOCOL


def test_an_answer_in_pieces_is_put_together(client: CaClient, raw: Raw) -> None:
    body = json.dumps({"ready": False, "problems": ["x" * 100_000], "size": 0, "policy": "", "time": 1})
    answer = b'{"v": 1, "id": 2, "type": "ok", "body": %s}' % body.encode()
    frame = struct.pack(">I", len(answer)) + answer

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        for part in (frame[:2], frame[2:3], frame[3:50_000], frame[50_000:]):
            channel.sendall(part)
            time.sleep(0.01)
        channel.recv(1)

    raw(behave)
    assert client.call(m.Health(), m.HealthReply).problems == ("x" * 100_000,)
    client.close()


def test_a_ca_that_takes_nothing_is_given_up(client: CaClient, raw: Raw) -> None:
    """A question that does not fit into the socket's buffer, at a CA that hangs: a thread would be lost for ever."""
    done = threading.Event()

    def behave(_: socket.socket) -> None:
        done.wait(20)

    raw(behave)
    with pytest.raises(Failed, match="no answer in"):
        client.call(replace(ASK, reason="x" * (m.MAX_FRAME - 1000)), m.AskReply)
    done.set()


def test_an_answer_in_pieces_leaves_the_next_its_whole_time(tmp_path: Path, raw: Raw) -> None:
    """What the pieces left of the time limit is not the limit of the next answer on the connection."""
    body = b'{"v": 1, "id": %d, "type": "ok", "body": ' + HEALTHY + b"}"

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        first = body % 2
        channel.sendall(struct.pack(">I", len(first)))
        time.sleep(6)
        channel.sendall(first[:1])
        time.sleep(0.2)
        channel.sendall(first[1:])
        channel.recv(4096)
        time.sleep(6)
        send(channel, body % 3)
        channel.recv(1)

    raw(behave)
    with closing(CaClient(tmp_path / "web.sock", timeout=10.0)) as client:
        for _ in range(2):
            assert client.call(m.Health(), m.HealthReply).ready


def test_two_answers_to_one_question_are_nonsense(client: CaClient, raw: Raw) -> None:
    answer = b'{"v": 1, "id": 2, "type": "ok", "body": {}}'

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall((struct.pack(">I", len(answer)) + answer) * 2)

    raw(behave)
    with pytest.raises(Failed) as found:
        client.call(ASK, m.AskReply)
    assert found.value.code == "outcome_unknown"


def test_the_end_of_every_idle_connection_is_not_noticed(client: CaClient, server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.call(m.Health(), m.HealthReply), range(64)))
    server.relay.drop()
    for _ in range(12):
        assert client.call(ask(server), m.AskReply).request.hosts == ("web1",)


def test_an_answer_that_drips_is_given_up(client: CaClient, raw: Raw) -> None:
    """Each piece in time, and the whole never: one limit for all of it, or the thread would be lost."""

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(struct.pack(">I", 1000))
        for _ in range(200):
            channel.sendall(b" ")
            time.sleep(0.1)

    raw(behave)
    began = time.monotonic()
    with pytest.raises(Failed, match="no answer in") as found:
        client.call(ASK, m.AskReply)
    assert found.value.code == "outcome_unknown"
    assert time.monotonic() - began < 10, "dripping goes on for 20 s"


def test_an_answer_that_never_pauses_is_given_up_too(client: CaClient, raw: Raw) -> None:
    """No single read waits for anything, and still all of it has one time limit."""

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(struct.pack(">I", m.MAX_REPLY))
        while True:
            channel.sendall(b" ")

    raw(behave)
    with pytest.raises(Failed, match="no answer in"):
        client.call(ASK, m.AskReply)


def test_an_answer_beyond_the_limit_is_not_read(tmp_path: Path, raw: Raw) -> None:
    """Its size is known at once: nobody waits for so much, or keeps it."""

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(struct.pack(">I", m.MAX_REPLY + 1))
        while True:
            channel.sendall(b" ")
            time.sleep(0.05)

    raw(behave)
    with closing(CaClient(tmp_path / "web.sock", timeout=15)) as client, pytest.raises(Failed, match="broke") as found:
        client.call(ASK, m.AskReply)
    assert found.value.code == "outcome_unknown"


def test_an_answer_in_many_small_pieces_is_given_up_in_time(client: CaClient, raw: Raw) -> None:
    """There is always something to read, and never the whole."""

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(struct.pack(">I", m.MAX_REPLY))
        until = time.monotonic() + 6
        while time.monotonic() < until:
            channel.sendall(b" ")

    raw(behave)
    with pytest.raises(Failed, match="no answer in"):
        client.call(ASK, m.AskReply)


def test_a_ca_that_does_not_take_this_program_is_away_for_people(
    client: CaClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Which Unix user that is, and which file names those who are taken, is for the log."""
    hint = "web_users in ca.toml names those who are"
    refusal = {"family": "refused", "code": "wrong_user", "message": "Unix user 33 is not allowed", "hint": hint}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web.sock"))
        listener.listen()

        def serve() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.recv(4096)
                send(channel, json.dumps({"v": 1, "id": 1, "type": "error", "body": refusal}).encode())
                channel.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Failed) as found:
            client.call(m.Health(), m.HealthReply)
        thread.join(5)
    assert (found.value.code, "33" in found.value.message, "toml" in found.value.hint) == ("ca_down", False, False)
    assert hint in caplog.text


def test_what_is_missing_of_an_answer_comes_within_what_is_left_of_the_time(tmp_path: Path, raw: Raw) -> None:
    """A piece that comes late gives the rest no time of its own: it would come after twice the limit."""
    done = threading.Event()

    def behave(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.sendall(b"\0\0\0\x40")
        time.sleep(3.0)
        channel.sendall(b"{")
        done.wait(10)

    raw(behave)
    with closing(CaClient(tmp_path / "web.sock", timeout=4.0)) as client:
        began = time.monotonic()
        with pytest.raises(Failed):
            client.call(ASK, m.AskReply)
        assert time.monotonic() - began < 6
    done.set()


def nobody(path: Path) -> None:
    """No CA listens there: it stands by."""


def hangs(path: Path) -> None:
    """It was paused, or its machine hangs: connections are taken, and nothing is answered."""
    LISTENERS.append(socket.socket(socket.AF_UNIX))
    LISTENERS[-1].bind(str(path))
    LISTENERS[-1].listen()


def hangs_up(path: Path) -> None:
    """The near end of a forwarded socket, at whose far end nobody listens."""
    hangs(path)

    def run(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=run, args=(LISTENERS[-1],), daemon=True).start()


LISTENERS: list[socket.socket] = []


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the first of two CAs would listen."""
    monkeypatch.setattr(ca_client, "GREETING", 0.3)
    yield tmp_path / "first.sock"
    for listener in LISTENERS:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    LISTENERS.clear()


@pytest.mark.parametrize("there", [nobody, hangs, hangs_up])
def test_of_two_cas_the_one_that_answers_is_asked(
    first: Path, tmp_path: Path, server: Server, there: Callable[[Path], None]
) -> None:
    there(first)
    with closing(CaClient(first, tmp_path / "web.sock")) as client:
        assert client.call(ask(server), m.AskReply).request.hosts == ("web1",)
        began = time.monotonic()
        client.call(m.Health(), m.HealthReply)
        assert time.monotonic() - began < 0.3, "the other one is not tried again"


def test_none_of_two_cas_is_an_outage(first: Path, tmp_path: Path) -> None:
    with closing(CaClient(first, tmp_path / "web.sock")) as client, pytest.raises(Failed) as found:
        client.call(ASK, m.AskReply)
    assert found.value.code == "ca_down"


def test_who_waits_for_a_ca_that_hangs_waits_no_longer_once_another_is_well(
    first: Path, tmp_path: Path, server: Server, raw_at: Callable[[Path, Callable[[socket.socket], None]], None]
) -> None:
    def behave(channel: socket.socket) -> None:
        while channel.recv(4096):
            """Whatever is asked, nothing is answered."""

    raw_at(first, behave)
    with closing(CaClient(first, tmp_path / "away.sock", timeout=PATIENCE)) as client, ThreadPoolExecutor(1) as pool:
        client.follow()
        waiting = pool.submit(client.call, ASK, m.AskReply)
        time.sleep(0.5)
        assert not waiting.done()
        (tmp_path / "away.sock").symlink_to(tmp_path / "web.sock")
        with pytest.raises(Failed) as found:
            waiting.result(PATIENCE)
        assert found.value.code == "outcome_unknown"  # it may have been done
        assert client.call(ask(server), m.AskReply).request.hosts == ("web1",)


def test_what_a_replaced_writer_did_not_do_the_next_one_does(
    first: Path, tmp_path: Path, server: Server, raw_at: Callable[[Path, Callable[[socket.socket], None]], None]
) -> None:
    error = b'{"code": "fenced", "family": "failed", "message": "another CA is taking over", "hint": ""}'

    def behave(channel: socket.socket) -> None:
        while channel.recv(4096):
            send(channel, b'{"v": 1, "id": 2, "type": "error", "body": %s}' % error)

    raw_at(first, behave)
    with closing(CaClient(first, tmp_path / "web.sock")) as client:
        assert client.call(ask(server), m.AskReply).request.hosts == ("web1",)
    with closing(CaClient(first)) as alone, pytest.raises(Failed) as found:
        alone.call(ask(server), m.AskReply)
    assert found.value.code == "fenced"

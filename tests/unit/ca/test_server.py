"""The sockets: who may come in, what may be said, and that one bad peer harms no other."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca import sockets
from sshjit_ca.authority import Answer
from sshjit_ca.ephemeral import LogThrottle
from sshjit_ca.operations import admin_client
from sshjit_ca.question import Question
from sshjit_ca.service import connection as peers
from sshjit_ca.service import frames, server
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import Installation
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def serving(ca: Installation) -> Iterator[Installation]:
    """The installation with both sockets open to our own user."""
    with serving_sockets(ca, frozenset({os.getuid()})):
        yield ca
    assert not ca.config.web_socket.exists()


def connect(ca: Installation, name: str = "web") -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(ca.config.web_socket if name == "web" else ca.config.admin_socket))
    return connection


def framed(value: object) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(text).to_bytes(4, "big") + text


def question(kind: str = "health", body: dict[str, Any] | None = None, **changed: Any) -> bytes:
    return framed({"v": 1, "id": 1, "type": kind, "body": body or {}, **changed})


def answers(connection: socket.socket) -> list[dict[str, Any]]:
    """Every answer until the CA closes the connection."""
    raw = b""
    while part := connection.recv(65536):
        raw += part
    found = []
    while raw:
        length = int.from_bytes(raw[:4], "big")
        found.append(json.loads(raw[4 : 4 + length]))
        raw = raw[4 + length :]
    return found


def test_the_operator_reads_the_status(serving: Installation) -> None:
    reply = admin_client.call(serving.config.admin_socket, m.Status(), m.StatusReply)
    assert reply.ready
    assert reply.hosts == 2
    assert {key.purpose: key.fingerprint for key in reply.keys} == dict(serving.context.keys.fingerprints())
    assert not any(key.problem for key in reply.keys)


@pytest.mark.parametrize(
    "frame",
    [
        question("status"),
        question("invite_host"),
        question("sign_anything"),
        question("__class__"),
        question(v=2),
        question(v=True),
        question(id=0),
        question(id="1"),
        question(more=1),
        *(question(version=version) for version in (0, -1, True, "2", None, [2])),
        framed([]),
        framed(b"{"),
        framed(b'{"v":1,"v":1,"id":1,"type":"health","body":{}}'),
        framed(b'{"v":1,"id":1,"type":"health","body":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
        framed(b"\xff\xfe"),
        framed(b""),
        (2**31).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=lambda frame: repr(frame[4:50]),
)
def test_t46_what_is_not_in_the_table_is_refused_and_the_connection_closed(serving: Installation, frame: bytes) -> None:
    with connect(serving) as connection:
        connection.sendall(frame)
        (answer,) = answers(connection)
    assert (answer["id"], answer["type"], answer["body"]["family"]) == (0, "error", "invalid")
    assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).ready


@pytest.mark.parametrize(
    "body",
    [{}, {"login_id": 7}, {"login_id": "x", "more": 1}, {"login_id": None}, {"login_id": ["x"]}, []],
    ids=str,
)
def test_a_body_that_does_not_fit_is_answered_and_the_connection_goes_on(serving: Installation, body: Any) -> None:
    with connect(serving) as connection:
        connection.sendall(framed({"v": 1, "id": 5, "type": "read_login", "body": body}) + question(id=6))
        connection.shutdown(socket.SHUT_WR)
        first, second = answers(connection)
    assert (first["id"], first["body"]["code"]) == (5, "bad_message")
    assert (second["id"], second["type"]) == (6, "ok")


def test_a_defect_while_a_frame_is_read_ends_its_connection_and_no_other(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = frames.read

    def broken(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[frames.Origin, m.Message | Invalid]:
        assert b"read_policy" not in frame, "a defect"
        return read(frame, allows)

    monkeypatch.setattr(frames, "read", broken)
    with connect(serving) as unlucky, connect(serving) as other:
        other.sendall(question())
        unlucky.sendall(question("read_policy"))
        assert [answer["body"]["code"] for answer in answers(unlucky)] == ["defect"]
        other.sendall(question())
        other.shutdown(socket.SHUT_WR)
        assert [answer["type"] for answer in answers(other)] == ["ok", "ok"]


def test_questions_that_arrive_together_are_answered_under_their_own_numbers(serving: Installation) -> None:
    with connect(serving) as connection:
        connection.sendall(b"".join(question(id=number) for number in range(1, 301)))
        connection.shutdown(socket.SHUT_WR)
        assert sorted(answer["id"] for answer in answers(connection)) == list(range(1, 301))


def test_a_connection_is_not_read_while_too_many_of_its_questions_wait(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all of them are answered in the end: it is read again."""
    monkeypatch.setattr(peers, "MAX_WAITING", 3)
    waiting: list[int] = []
    go_on = peers.Connection.go_on

    def counted(connection: peers.Connection) -> None:
        go_on(connection)
        waiting.append(connection._open)
        assert connection._transport.is_reading() == (connection._open < 3)

    monkeypatch.setattr(peers.Connection, "go_on", counted)
    with connect(serving) as connection:
        connection.sendall(b"".join(question(id=number) for number in range(1, 11)))
        connection.shutdown(socket.SHUT_WR)
        assert sorted(answer["id"] for answer in answers(connection)) == list(range(1, 11))
    assert max(waiting) == 3


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MAX_USER_BYTES"])
def test_t77_nor_while_too_many_bytes_of_them_do(
    serving: Installation, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Of one connection, and of all connections of a Unix user; each of them is answered in the end."""
    monkeypatch.setattr(peers, limit, 4_000)
    most: list[int] = []
    take = peers.Connection._take

    def counted(connection: peers.Connection, frame: bytes) -> None:
        take(connection, frame)
        most.append(connection.account.waiting if limit == "MAX_USER_BYTES" else connection._bytes)

    monkeypatch.setattr(peers.Connection, "_take", counted)
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(serving)) for _ in range(3)]
        for connection in crowd:
            connection.sendall(b"".join(question(id=number) for number in range(1, 41)))
            connection.shutdown(socket.SHUT_WR)
        for connection in crowd:
            assert sorted(answer["id"] for answer in answers(connection)) == list(range(1, 41))
    assert 2_000 < max(most) < 4_000 + 4 * peers.OVERHEAD


def test_t77_who_reads_no_answers_is_given_some_seconds_and_no_memory(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "UNREAD", 0.5)
    sizes: list[int] = []
    send = peers.Connection._send

    def counted(connection: peers.Connection, data: bytes) -> None:
        send(connection, data)
        sizes.append(connection._transport.get_write_buffer_size())

    monkeypatch.setattr(peers.Connection, "_send", counted)
    with connect(serving) as deaf:
        deaf.settimeout(PATIENCE)
        with pytest.raises(ConnectionError):
            deaf.sendall(question("read_policy") * 50_000)
    assert max(sizes) < 128 * 4_000
    assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).ready


def test_a_frame_that_comes_in_pieces_is_taken(serving: Installation) -> None:
    with connect(serving) as connection:
        for byte in question():
            connection.sendall(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)
        assert [answer["type"] for answer in answers(connection)] == ["ok"]


def test_half_a_frame_for_too_long_ends_the_connection_and_stalls_nobody(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HALF_FRAME", 2.0)
    with connect(serving) as slow:
        slow.sendall(question()[:10])
        assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).ready
        assert select.select([slow], [], [], 0)[0] == [], "the slow one was waited for"
        (answer,) = answers(slow)
    assert answer["body"]["code"] == "too_slow"


def test_a_peer_that_reads_nothing_stalls_nobody(serving: Installation) -> None:
    with connect(serving) as deaf:
        deaf.setblocking(False)  # noqa: FBT003 - the socket's own way to say it
        sent = 0
        try:
            while sent < 2_000_000:
                sent += deaf.send(question("read_policy") * 50)
        except BlockingIOError:
            pass
        for _ in range(20):
            assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).ready


def test_a_peer_that_reads_nothing_is_turned_out_before_its_answers_fill_the_memory(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "UNREAD", 10 * PATIENCE)
    for limit in ("MAX_UNREAD", "MAX_WAITING"):
        monkeypatch.setattr(peers, limit, 100_000)
    monkeypatch.setattr(peers, "MAX_BYTES", 100_000_000)
    with connect(serving) as deaf:
        deaf.settimeout(PATIENCE)
        with pytest.raises(ConnectionError):
            deaf.sendall(question("read_policy") * 50_000)
    assert admin_client.call(serving.config.admin_socket, m.Health(), m.HealthReply).ready


def test_t77_all_connections_that_read_no_answers_fill_no_more_memory_than_one_limit_allows(
    serving: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may leave 32 MB unread for 20 s. The operator's door is another, though the Unix user is the same."""
    monkeypatch.setattr(peers, "UNREAD", 10 * PATIENCE)
    monkeypatch.setattr(peers, "MAX_USER_UNREAD", 500_000)
    kept: list[int] = []
    send = peers.Connection._send

    def counted(connection: peers.Connection, data: bytes) -> None:
        send(connection, data)
        kept.append(sum(each._transport.get_write_buffer_size() for each in connection.account.connections))

    monkeypatch.setattr(peers.Connection, "_send", counted)
    asked = b"".join(question("read_policy", id=number) for number in range(1, 801))
    with ExitStack() as closing:
        operator = closing.enter_context(connect(serving, "admin"))
        operator.sendall(asked)
        crowd = [closing.enter_context(connect(serving)) for _ in range(20)]
        for connection in crowd:
            connection.sendall(asked)
        wait_until(lambda: len(_ended(crowd)) > 10)
        with connect(serving) as honest:
            honest.sendall(question())
            honest.shutdown(socket.SHUT_WR)
            assert [answer["type"] for answer in answers(honest)] == ["ok"]
        operator.shutdown(socket.SHUT_WR)
        assert len(answers(operator)) == 800
    assert 400_000 < max(kept) <= 500_000


def _ended(crowd: list[socket.socket]) -> list[socket.socket]:
    """Those that the CA has disconnected, whatever is still to be read."""
    poll = select.poll()
    for connection in crowd:
        poll.register(connection, 0)
    ended = {number for number, happened in poll.poll(0) if happened & select.POLLHUP}
    return [connection for connection in crowd if connection.fileno() in ended]


def test_a_unix_user_who_may_not_come_in_is_turned_out(ca: Installation) -> None:
    """Here the user is our own and the name is another's; with two real users on the lab in test_separation.py."""
    with serving_sockets(ca, frozenset({os.getuid() + 1})), connect(ca) as connection:
        (answer,) = answers(connection)
    assert answer["body"]["code"] == "wrong_user"


def test_a_ca_that_is_down_is_said_to_be_down(ca: Installation) -> None:
    with pytest.raises(Failed) as down:
        admin_client.call(ca.config.admin_socket, m.Status(), m.StatusReply)
    assert down.value.code == "ca_down"


def test_errors_keep_their_family_code_and_hint_over_the_socket(serving: Installation) -> None:
    with pytest.raises(Invalid) as unknown:
        admin_client.call(serving.config.admin_socket, m.Revoke(None, "req-nothing", None, None, "x"), m.RevokeReply)
    assert unknown.value.code == "unknown_request"
    assert unknown.value.hint


def test_a_crowd_at_one_door_leaves_the_other_open(serving: Installation) -> None:
    """A stolen front end must not keep the operator from revoking."""
    crowd: list[socket.socket] = []
    with ExitStack() as closing:
        for _ in range(peers.MAX_PEERS):
            crowd.append(closing.enter_context(connect(serving)))
            crowd[-1].sendall(question())
            crowd[-1].recv(1)
        with connect(serving) as late:
            assert answers(late)[0]["body"]["code"] == "too_many"
        assert admin_client.call(serving.config.admin_socket, m.Status(), m.StatusReply).ready
        crowd[0].close()
        wait_until(lambda: _is_let_in(serving))


def _is_let_in(ca: Installation) -> bool:
    with connect(ca) as connection:
        connection.sendall(question())
        connection.shutdown(socket.SHUT_WR)
        return bool(answers(connection)[0]["type"] == "ok")


@pytest.mark.parametrize("most", [peers.MAX_BYTES, 4_000])
def test_what_still_waits_when_a_ca_has_stopped_long_enough_is_told_so(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """No turn takes a question here, as where one answer takes longer than a stop may."""
    monkeypatch.setattr(peers, "MAX_BYTES", most)
    monkeypatch.setattr(server, "TURN", -1.0)
    monkeypatch.setattr(server, "FINISH", 0.2)
    with serving_sockets(ca, frozenset({os.getuid()})):
        connection = connect(ca)
        # more than may wait at once: the others stay where they were received
        connection.sendall(b"".join(question(id=number) for number in range(1, peers.MAX_WAITING + 20)))
        operator = connect(ca, "admin")
        operator.sendall(question("status", id=7))
        time.sleep(0.2)
    with connection, operator:
        people, operators = answers(connection), answers(operator)
    assert [answer["id"] for answer in people] == list(range(1, peers.MAX_WAITING + 20))
    assert {answer["body"]["code"] for answer in people} == {"ca_down"}
    assert [(answer["id"], answer["body"]["message"]) for answer in operators] == [
        (7, "the CA is stopping; nothing was done")
    ]


def test_what_had_arrived_is_answered_when_a_ca_stops_however_little_is_read_at_a_time(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than is read at once waits in the kernel, and between two reads there is nothing to answer."""
    monkeypatch.setattr(server, "BUFFER", len(question()))
    answer = ca.authority.answer

    def slowly(questions: Iterable[Question]) -> list[Answer]:
        time.sleep(server.QUIET)
        return answer(questions)

    with serving_sockets(ca, frozenset({os.getuid()})):
        connection = connect(ca)
        connection.sendall(question())
        assert connection.recv(1)
        monkeypatch.setattr(ca.authority, "answer", slowly)
        connection.sendall(question() * 30)
    with connection:
        left = b"".join(iter(lambda: connection.recv(65536), b""))
    assert left.count(b'"id":1') == 31


def test_a_server_that_does_not_know_what_it_did_ends_at_once(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says why: whatever runs it begins anew. Others who wait are told that it stops."""
    monkeypatch.setattr(server, "FINISH", PATIENCE)
    monkeypatch.setattr(server, "MAX_BATCH", 1)

    def broken(questions: Iterable[Question]) -> list[Answer]:
        list(questions)
        raise RuntimeError("it broke")

    monkeypatch.setattr(ca.authority, "answer", broken)
    users = frozenset({os.getuid()})
    listening = [server.Listening("web", ca.config.web_socket, users)]
    with ExitStack() as closing:
        asked: list[socket.socket] = []

        def ask() -> None:
            asked.append(closing.enter_context(connect(ca)))
            asked[0].sendall(question() * 3)

        began = time.monotonic()
        with pytest.raises(RuntimeError, match="it broke"):
            asyncio.run(server.Server(ca.authority, lambda *_: None).run(listening, asyncio.Event(), ask))
        assert time.monotonic() - began < PATIENCE / 2
        assert [answer["body"]["code"] for answer in answers(asked[0])] == ["ca_down"] * 2


def test_what_is_no_socket_is_left_alone(ca: Installation) -> None:
    ca.config.web_socket.write_text("somebody's file")
    with pytest.raises(Failed) as kept:
        sockets.listen(ca.config.web_socket, frozenset())
    assert kept.value.code == "not_a_socket"
    assert ca.config.web_socket.read_text() == "somebody's file"


def test_the_same_complaint_is_made_once_a_minute() -> None:
    now = [100.0]
    throttle = LogThrottle(lambda: now[0])
    assert [throttle.allows("web wrong_user") for _ in range(3)] == [True, False, False]
    assert throttle.allows("admin wrong_user")
    now[0] += 60
    assert throttle.allows("web wrong_user")


def test_users_for_whom_a_socket_cannot_be_opened_are_an_error_in_words(ca: Installation) -> None:
    """As in a container that has no such user."""
    with pytest.raises(Failed) as refused:
        sockets.listen(ca.config.web_socket, frozenset({0xFFFFFFFF}))
    assert refused.value.code == "not_listening"
    assert "web_users" in refused.value.hint
    assert not ca.config.web_socket.exists()

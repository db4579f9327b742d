"""Who waits for whom: nobody for a device that hangs, nor for what others ask that is slow."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Failed, Invalid
from sshjit_ca.authority import Answer
from sshjit_ca.machine import circuit_breaker
from sshjit_ca.operations import admin_client
from sshjit_ca.question import Question
from sshjit_ca.service import connection, server
from sshjit_ca.service.fair_queue import FairQueue
from tests.support import devices, slow_agent
from tests.support.ca_sockets import serving_sockets
from tests.support.devices import ssh_key
from tests.support.installation import ALICE, CAROL, Installation
from tests.support.keyring import fp
from tests.support.slow_agent import SlowAgent
from tests.support.waiting import PATIENCE
from tests.unit.ca.test_server import answers, connect, framed

MANY = 40


@contextmanager
def signing_by_an_agent(ca: Installation, folder: Path) -> Iterator[SlowAgent]:
    """The CA's key for certificates is an agent's, which is quick until it is told otherwise."""
    with devices.agent(folder / "real") as real, slow_agent.before(real.socket, folder / "agent") as agent:
        real.run(ssh_key(folder / "key", "ed25519"))
        reference = f"agent:{fp((folder / 'key.pub').read_text())}?socket={agent.path}"
        key = ca.say(m.AddKey("user_ca", reference, None, None), m.KeyReply, "admin").key.fingerprint
        ca.say(m.ActivateKey("user_ca", key, now=True), m.KeyReply, "admin")
        yield agent


@pytest.fixture
def agent(ca: Installation, tmp_path: Path) -> Iterator[SlowAgent]:
    with signing_by_an_agent(ca, tmp_path) as found:
        yield found


def frame(number: int, message: m.Message) -> bytes:
    return framed({"v": 1, "id": number, "type": wire.type_name(type(message)), "body": wire.encode(message)})


def asking(connection: socket.socket, message: m.Message, count: int = MANY) -> None:
    connection.sendall(b"".join(frame(number, message) for number in range(1, count + 1)))


def next_answer(connection: socket.socket) -> dict[str, Any]:
    """The next answer of a connection that goes on."""
    head = connection.recv(4, socket.MSG_WAITALL)
    found: dict[str, Any] = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
    return found


def codes(said: list[dict[str, Any]]) -> list[str]:
    return [each["body"].get("code", "") for each in said]


def test_a_key_that_hangs_keeps_locks_and_revocations_waiting_once(
    ca: Installation, agent: SlowAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty people want certificates of an agent that says nothing; the operator locks somebody out meanwhile."""
    monkeypatch.setattr(circuit_breaker, "SLOW", 0.2)
    monkeypatch.setattr(circuit_breaker, "PAUSE", 0.2)
    monkeypatch.setattr(ca.context.keys.key_store._agents[agent.path], "_patience", 0.5)
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1").request
    with serving_sockets(ca, frozenset({os.getuid()})), connect(ca) as crowd:
        agent.delay = 3600
        asking(crowd, m.SignUser(alice, request.id))
        began = time.monotonic()
        lock = admin_client.call(ca.config.admin_socket, m.Lock(None, "host", "db1", "odd"), m.LockReply).lock
        admin_client.call(ca.config.admin_socket, m.Revoke(None, request.id, None, None, "odd"), m.RevokeReply)
        assert time.monotonic() - began < MANY * 0.5 / 2, "every one of the crowd's was waited for"
        assert lock.target == "db1"
        assert ca.context.state.requests[request.id].state == "revoked"
        crowd.shutdown(socket.SHUT_WR)
        said = answers(crowd)
        assert len(said) == MANY
        assert set(codes(said)) <= {"not_signing", "wrong_state"}
        assert codes(said)[0] == "not_signing"
        agent.delay = 0
        again = ca_ask(ca, alice)
        assert again["type"] == "ok"


def ca_ask(ca: Installation, login: str) -> dict[str, Any]:
    """Asks anew until a certificate comes with the answer."""
    message = m.Ask(login, ("web1",), "deploy", "shell", None, None, "", certificate=True, address="")
    deadline = time.monotonic() + 10
    while True:
        with connect(ca) as connection:
            connection.sendall(frame(1, message))
            connection.shutdown(socket.SHUT_WR)
            (said,) = answers(connection)
        if said["body"].get("certificate") is not None:
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_what_is_slow_is_waited_for_by_who_asked_it(ca: Installation, agent: SlowAgent) -> None:
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1").request
    with serving_sockets(ca, frozenset({os.getuid()})), ExitStack() as stack:
        crowd = stack.enter_context(connect(ca))
        crowd.settimeout(30)
        agent.delay = 0.1
        asking(crowd, m.SignUser(alice, request.id))
        began = time.monotonic()
        for name in ("web", "admin"):
            with connect(ca, name) as other:
                other.sendall(frame(1, m.Health()))
                other.shutdown(socket.SHUT_WR)
                assert [each["type"] for each in answers(other)] == ["ok"]
        others = time.monotonic() - began
        crowd.shutdown(socket.SHUT_WR)
        said = answers(crowd)
        assert [each["id"] for each in said] == list(range(1, MANY + 1))
        assert others < (time.monotonic() - began) / 2, "the others waited for the crowd"


def test_sign_ins_that_wait_for_a_provider_keep_no_operator_waiting(ca: Installation) -> None:
    go_on = threading.Event()

    def before(message: m.Message) -> None:
        if isinstance(message, m.LoginWeb):
            go_on.wait(PATIENCE)

    with serving_sockets(ca, frozenset({os.getuid()}), before), connect(ca) as crowd:
        asking(crowd, m.LoginWeb("acme", "no token", "nonce", ""))
        assert admin_client.call(ca.config.admin_socket, m.Status(), m.StatusReply).ready
        assert not go_on.is_set()
        go_on.set()
        crowd.shutdown(socket.SHUT_WR)
        assert set(codes(answers(crowd))) == {"bad_token"}


def test_t77_sign_ins_beyond_what_is_prepared_soon_are_refused_at_once(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every one of the others is answered; whoever asks something else waits for none of them."""
    monkeypatch.setattr(server, "MAX_PREPARING", 12)
    go_on = threading.Event()
    alice = ca.web(ALICE)

    def before(message: m.Message) -> None:
        if isinstance(message, m.LoginWeb):
            go_on.wait(PATIENCE)

    with serving_sockets(ca, frozenset({os.getuid()}), before), connect(ca) as crowd, connect(ca) as other:
        asking(crowd, m.LoginWeb("acme", "no token", "nonce", ""))
        asking(other, m.ReadLogin(alice), 1)
        other.shutdown(socket.SHUT_WR)
        assert codes(answers(other)) == [""]
        assert not go_on.is_set()
        go_on.set()
        crowd.shutdown(socket.SHUT_WR)
        said = codes(answers(crowd))
    assert Counter(said) == {"busy": MANY - 12, "bad_token": 12}


def test_t77_a_sign_in_that_failed_makes_room_for_the_next(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_PREPARING", 2)
    with serving_sockets(ca, frozenset({os.getuid()})), connect(ca) as peer:
        for number in range(1, 6):
            peer.sendall(frame(number, m.LoginWeb("acme", "no token", "nonce", "")))
            assert codes([next_answer(peer)]) == ["bad_token"]


def test_a_defect_while_a_sign_in_is_prepared_is_answered_and_the_connection_goes_on(ca: Installation) -> None:
    def broken(message: m.Message) -> None:
        assert not isinstance(message, m.LoginNative), "a defect"

    with serving_sockets(ca, frozenset({os.getuid()}), broken), connect(ca) as connection:
        asking(connection, ca.native_message(ALICE), 1)
        assert next_answer(connection)["body"]["code"] == "defect"
        asking(connection, m.Health(), 1)
        assert next_answer(connection)["type"] == "ok"


def test_a_key_is_prepared_while_sign_ins_wait_for_a_provider(ca: Installation) -> None:
    """The operator's keys and devices are asked by other threads."""
    go_on = threading.Event()

    def before(message: m.Message) -> None:
        if isinstance(message, m.LoginWeb):
            go_on.wait(PATIENCE)

    with serving_sockets(ca, frozenset({os.getuid()}), before), connect(ca) as crowd:
        asking(crowd, m.LoginWeb("acme", "no token", "nonce", ""))
        with pytest.raises(Invalid) as unknown:
            admin_client.call(ca.config.admin_socket, m.ActivateKey("user_ca", "SHA256:none", now=True), m.KeyReply)
        assert unknown.value.code == "unknown_key"
        assert not go_on.is_set()
        go_on.set()
        crowd.shutdown(socket.SHUT_WR)
        assert len(answers(crowd)) == MANY


def test_who_waits_for_a_provider_is_read_on_as_soon_as_there_is_room(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A front end has one connection for many people: one's sign-in must not hold up what others ask on it."""
    monkeypatch.setattr(connection, "MAX_USER_BYTES", 1)
    go_on = threading.Event()

    def before(message: m.Message) -> None:
        if isinstance(message, m.LoginWeb):
            go_on.wait(PATIENCE)

    with serving_sockets(ca, frozenset({os.getuid()}), before), connect(ca) as peer:
        questions = (m.LoginWeb("acme", "no token", "nonce", ""), m.Health(), m.Health())
        peer.sendall(b"".join(frame(number, message) for number, message in enumerate(questions, start=1)))
        assert [next_answer(peer)["id"] for _ in range(2)] == [2, 3]
        assert not go_on.is_set()
        go_on.set()
        assert next_answer(peer)["id"] == 1


def test_t77_what_a_question_took_counts_as_its_asker_s_time(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = ca.web(ALICE), ca.web(CAROL)
    answer = ca.authority.answer

    def slowly(questions: Iterable[Question]) -> Iterator[Question]:
        for question in questions:
            yield question
            if isinstance(question.message, m.ReadLogin) and question.message.login_id == slow:
                time.sleep(0.05)

    monkeypatch.setattr(ca.authority, "answer", lambda questions: answer(slowly(questions)))
    with serving_sockets(ca, frozenset({os.getuid()})), connect(ca) as peer:
        peer.sendall(b"".join(frame(1, m.ReadLogin(slow)) + frame(2, m.ReadLogin(quick)) for _ in range(8)))
        peer.shutdown(socket.SHUT_WR)
        said = [each["id"] for each in answers(peer)]
    assert said.count(1) == said.count(2) == 8
    assert said[8:].count(2) <= 1, "who asks what is slow came as often as the other"


def test_what_waits_for_its_turn_when_a_ca_stops_is_answered(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_BATCH", 1)
    answer = ca.authority.answer

    def slowly(questions: Iterable[Question]) -> list[Answer]:
        time.sleep(0.01)
        return answer(questions)

    monkeypatch.setattr(ca.authority, "answer", slowly)
    with connecting() as peer:
        with serving_sockets(ca, frozenset({os.getuid()})):
            peer.connect(str(ca.config.web_socket))
            asking(peer, m.Health())
            assert codes([next_answer(peer)]) == [""]
        assert codes(answers(peer)) == [""] * (MANY - 1)


def test_a_sign_in_that_was_prepared_and_waits_when_a_ca_has_stopped_long_enough_is_told_so(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FINISH", 0.2)
    said = ca.native_message(ALICE)
    prepared = threading.Event()

    def before(_: m.Message) -> None:
        monkeypatch.setattr(server, "TURN", -1.0)  # no turn takes it any more
        prepared.set()

    with connecting() as peer:
        with serving_sockets(ca, frozenset({os.getuid()}), before):
            peer.connect(str(ca.config.web_socket))
            asking(peer, said, 1)
            assert prepared.wait(PATIENCE)
            time.sleep(0.1)
        assert codes(answers(peer)) == ["ca_down"]
    assert "login" not in ca.kinds()


@contextmanager
def connecting() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        yield peer


def test_a_batch_has_so_many_questions(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is durable together is forgotten together where something fails, so it is not everything that waits."""
    monkeypatch.setattr(server, "MAX_BATCH", 7)
    monkeypatch.setattr(server, "TURN", PATIENCE)
    sizes: list[int] = []
    answer = ca.authority.answer

    def counted(questions: Iterable[Question]) -> list[Answer]:
        replies = answer(questions)
        sizes.append(len(replies))
        return replies

    monkeypatch.setattr(ca.authority, "answer", counted)
    with serving_sockets(ca, frozenset({os.getuid()})), connect(ca) as peer:
        asking(peer, m.Health())
        peer.shutdown(socket.SHUT_WR)
        assert len(answers(peer)) == MANY
    assert max(sizes) == 7


def test_t68_a_flood_of_bad_tokens_is_one_line_of_the_daemon_s_log(
    ca: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    size = ca.context.journal.size
    with serving_sockets(ca, frozenset({os.getuid()})), connect(ca) as crowd:
        asking(crowd, m.LoginWeb("acme", "no token", "nonce", ""))
        asking(crowd, m.LoginWeb("nobody", "no token", "nonce", ""))
        crowd.shutdown(socket.SHUT_WR)
        assert len(answers(crowd)) == 2 * MANY
    lines = [each for each in caplog.messages if "was refused" in each]
    assert len(lines) == 2
    assert ca.context.journal.size == size


def order(waiting: FairQueue[int], seconds: dict[str, float] | None = None) -> list[int]:
    """Everything that waits, in its turn; a turn of each person takes so long, else one second."""
    found = []
    while (turn := waiting.take()) is not None:
        found.append(turn.question)
        waiting.spend(turn, (seconds or {}).get(turn.person, 1.0))
    return found


def test_the_operator_comes_first_and_then_one_of_each_person() -> None:
    waiting = FairQueue[int]()
    for number in range(3):
        waiting.put("web", 33, "greedy", number)
    waiting.put("web", 33, "modest", 10)
    waiting.put("admin", 0, "status", 20)
    assert order(waiting) == [20, 0, 10, 1, 2]
    assert not waiting


def test_who_comes_later_does_not_wait_for_all_that_was_there() -> None:
    waiting = FairQueue[int]()
    for number in range(4):
        waiting.put("web", 33, "greedy", number)
    turns = [waiting.take()]
    assert turns[0] is not None
    waiting.put("web", 33, "greedy", 4)
    waiting.put("web", 33, "late", 10)
    waiting.spend(turns[0], 1.0)
    assert order(waiting) == [10, 1, 2, 3, 4]


def test_t77_time_is_shared_out_and_not_the_number_of_questions() -> None:
    waiting = FairQueue[int]()
    for number in range(10):
        waiting.put("web", 33, "slow", number)
        waiting.put("web", 33, "quick", 100 + number)
    taken = order(waiting, {"slow": 1.0, "quick": 0.25})
    assert [number for number in taken[:11] if number < 100] == [0, 1, 2], "what is slow was asked four times as often"


def test_t77_who_asks_one_at_a_time_is_remembered() -> None:
    """A flood that keeps a single question waiting comes no sooner than one that piles them up."""
    waiting = FairQueue[int]()
    for number in range(20):
        waiting.put("web", 33, "quick", number)
    waiting.put("web", 33, "slow", 100)
    taken: list[int] = []
    while (turn := waiting.take()) is not None:
        taken.append(turn.question)
        if turn.person == "slow" and len(taken) < 20:
            waiting.put("web", 33, "slow", 100)
        waiting.spend(turn, 4.0 if turn.person == "slow" else 1.0)
    assert taken[:20].count(100) <= 5


def test_t77_who_was_away_has_saved_no_time_up() -> None:
    """Whoever comes begins where those are who used the least, and not where they themselves left off."""
    waiting = FairQueue[int]()
    for number in range(10):
        waiting.put("web", 33, "busy", number)
        waiting.put("web", 33, "steady", number)
    for _ in range(10):
        turn = waiting.take()
        assert turn is not None
        waiting.spend(turn, 1.0)
    for number in range(10):
        waiting.put("web", 33, "new", 100 + number)
    assert len([number for number in order(waiting)[:6] if number >= 100]) <= 3


def test_t77_who_comes_back_has_saved_no_time_up() -> None:
    """Nor whoever had asked something before."""
    waiting = FairQueue[int]()
    waiting.put("web", 33, "back", 0)
    for number in range(20):
        waiting.put("web", 33, "busy", number)
        waiting.put("web", 33, "steady", number)
    for _ in range(21):
        turn = waiting.take()
        assert turn is not None
        waiting.spend(turn, 1.0)
    for number in range(10):
        waiting.put("web", 33, "back", 100 + number)
    assert len([number for number in order(waiting)[:6] if number >= 100]) <= 3


def test_time_that_nobody_else_wanted_is_not_counted_later() -> None:
    waiting = FairQueue[int]()
    waiting.put("web", 33, "alone", 0)
    assert order(waiting, {"alone": 50.0}) == [0]
    for number in range(3):
        waiting.put("web", 33, "alone", number)
        waiting.put("web", 33, "new", 10 + number)
    assert order(waiting) == [0, 10, 1, 11, 2, 12]


def test_t77_who_used_much_is_remembered_while_others_come_and_go() -> None:
    """A front end cannot have somebody's time forgotten by making people up."""
    waiting = FairQueue[int]()
    waiting.put("web", 33, "greedy", 0)
    for number in range(300):
        waiting.put("web", 33, "steady", number)
    for number in range(200):
        turn = waiting.take()
        assert turn is not None
        waiting.spend(turn, 50.0 if turn.person == "greedy" else 0.01)
        waiting.put("web", 33, f"login-{number}", 1_000)
    waiting.put("web", 33, "greedy", 10_000)
    assert 10_000 not in order(waiting, {"steady": 0.01})[:100]


def test_t77_time_is_shared_out_between_unix_users_too() -> None:
    """Whatever people they name: one whose questions are slow is asked as much less often."""
    waiting = FairQueue[int]()
    for number in range(10):
        waiting.put("web", 33, f"slow-{number}", number)
        waiting.put("web", 34, "quick", 100 + number)
    seconds = {f"slow-{number}": 1.0 for number in range(10)} | {"quick": 0.25}
    assert [number for number in order(waiting, seconds)[:11] if number < 100] == [0, 1, 2]


def test_t77_many_who_wait_are_not_gone_through_at_every_turn() -> None:
    def took(people: int) -> float:
        times = []
        for _ in range(3):
            waiting = FairQueue[int]()
            for number in range(people):
                waiting.put("web", 33, f"login-{number}", number)
            began = time.process_time()
            order(waiting)
            times.append(time.process_time() - began)
        return min(times)

    assert took(4_000) < 9 * took(1_000), "four times as many take four times as long, and not sixteen times"


def test_t77_made_up_people_gain_nothing_against_another_unix_user() -> None:
    waiting = FairQueue[int]()
    for number in range(1_000):
        waiting.put("web", 33, f"login-{number}", number)
    for number in range(3):
        waiting.put("web", 34, "alice", 10_000 + number)
    assert [at for at, number in enumerate(order(waiting)) if number >= 10_000] == [1, 3, 5]


def test_nothing_is_kept_of_people_who_are_gone() -> None:
    waiting = FairQueue[int]()
    for number in range(10_000):
        waiting.put("web", 33, f"login-{number}", number)
        order(waiting)
    shares = waiting._users["web", 33].shares
    assert len(shares._used) < 1_000
    assert not waiting._users["web", 33].lines


def test_t77_nor_while_somebody_always_waits() -> None:
    """A front end that makes people up, one after the other, beside one who asks on and on."""
    waiting = FairQueue[int]()
    for number in range(5_000):
        waiting.put("web", 33, "steady", number)
        waiting.put("web", 33, "other", number)
        waiting.put("web", 33, f"login-{number}", number)
        for _ in range(2):
            turn = waiting.take()
            assert turn is not None
            waiting.spend(turn, 1.0)
        assert waiting
    assert len(waiting._users["web", 33].shares._used) < 1_000


def test_a_slip_in_a_name_is_found_among_ten_thousand_at_once(ca: Installation) -> None:
    carol = ca.native(CAROL)
    names = ca.context.state.host_names
    names.update({f"web-{number:05}.prod.example.com": "web1" for number in range(10_000)})
    slips = ("web-0123x.prod.example.com", "web-01235.prod.exmaple.com", "web-01235.prod.example.comm", "w" * 250)
    began = time.process_time()
    hints = []
    for slip in slips:
        with pytest.raises(Invalid) as unknown:
            ca.ask(carol, slip)
        assert unknown.value.code == "unknown_host"
        hints.append(unknown.value.hint)
    assert time.process_time() - began < 1
    assert all("did you mean web-0123" in hint for hint in hints[:3])
    assert "lists" in hints[3]


def test_a_device_that_is_away_and_says_so_is_asked_every_time() -> None:
    devices_ = circuit_breaker.CircuitBreaker()
    asked: list[int] = []

    def away() -> None:
        asked.append(1)
        raise Failed("not_signing", "it is out of reach")

    for _ in range(3):
        with pytest.raises(Failed, match="out of reach"):
            devices_.ask("the agent", away, away)
    assert len(asked) == 3

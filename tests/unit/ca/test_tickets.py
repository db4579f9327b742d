"""Tickets: the CA asks the operator's checker, sends it the ticket alone, and holds it to size and time."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeVar

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.api.views import RequestState
from sshjit.errors import Invalid, Refused
from sshjit.policy import TicketAnswer, load
from sshjit.policy.model import Checker
from sshjit_ca.access import ticket_errands
from sshjit_ca.access.grants import ticket_said
from sshjit_ca.source_config import CheckerFile, CheckerPlace, checker_place
from sshjit_ca.sources import tickets
from sshjit_ca.sources.http_exchange import Question, Unanswered, exchange
from sshjit_ca.sources.tickets import IN_A_MINUTE, IN_ALL, LARGEST, MINUTE, Tickets
from sshjit_web.ca_client import CaClient
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, BOB, DANA, POLICY, Installation, Person
from tests.support.issuer import Issuer
from tests.support.ticket_checker import APPROVED, TicketServer, ticket_program, ticket_server
from tests.support.waiting import PATIENCE

CHECKER = '[tickets.jira]\ntitle = "Jira"\nexpect.fields.status.name = ["Approved"]\n'
WANTED = 'reason = { pattern = "CHG-[0-9]+" }\nticket = "jira"\nextend = { count = 2, by = "1h" }\n'
RULES = POLICY.replace("[[allow]]", f"{CHECKER}[[allow]]", 1).replace('grant = "8h"', WANTED + 'grant = "8h"')
RULES = RULES.replace('Incident or change number" }\n', 'Incident or change number" }\nticket = "jira"\n')
JIRA = load(RULES).tickets["jira"]
NOTHING = (("fields.status.name", ""),)
YES = (("fields.status.name", '"Approved"'),)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TicketServer]:
    with ticket_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
        yield server


def place(server: TicketServer, **more: str) -> CheckerPlace:
    path = "/check" if "body" in more else "/issue/{ticket}?fields=status"
    return checker_place(CheckerFile(server.url + path, **more), "ca.toml: tickets.jira", plain_http=False)


def ask(server: TicketServer, ticket: str = "CHG-7", checker: Checker = JIRA, **more: str) -> TicketAnswer:
    return Tickets({"jira": place(server, **more)}).ask(checker, ticket)


# ---------------------------------------------------------------------------------------------- what is sent, and where


def test_the_answer_is_read_over_https(server: TicketServer) -> None:
    assert ask(server) == TicketAnswer("jira", "CHG-7", "answered", YES)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/issue/CHG-7?fields=status")
    assert asked.headers["Host"] == server.url.removeprefix("https://")
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("ticket", "segment"),
    [
        ("../../admin", "..%2F..%2Fadmin"),
        ("x?fields=none&y#z", "x%3Ffields%3Dnone%26y%23z"),
        ("@evil.example.com/", "%40evil.example.com%2F"),
        ("a b%2e%2e;c\\d", "a%20b%252e%252e%3Bc%5Cd"),
        ("/ünal", "%2F%C3%BCnal"),
        ("{ticket}", "%7Bticket%7D"),
    ],
)
def test_a_ticket_is_one_segment_whatever_is_in_it(server: TicketServer, ticket: str, segment: str) -> None:
    assert ask(server, ticket).state == "answered"
    assert server.asked[0].path == f"/issue/{segment}?fields=status"
    assert server.asked[0].headers["Host"] == server.url.removeprefix("https://")


@pytest.mark.parametrize("ticket", ['"}, "admin": {"x": "', "CHG-7\\", "</script>", "ünal\u2028", "{ticket}"])
def test_a_ticket_in_a_body_is_one_json_string(server: TicketServer, ticket: str) -> None:
    assert ask(server, ticket, body='{"change": "{ticket}", "list": [1, {"of": "{ticket} no"}]}').state == "answered"
    assert server.asked[0].method == "POST"
    assert json.loads(server.asked[0].body) == {"change": ticket, "list": [1, {"of": "{ticket} no"}]}
    assert server.asked[0].path == "/check"


def test_what_is_no_text_is_not_sent(server: TicketServer) -> None:
    assert ask(server, "\ud800").why == "the ticket is no text"
    assert server.asked == []


def test_a_program_at_a_unix_socket_answers_too(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sock"
    body = '{"change": "{ticket}"}'
    where = checker_place(CheckerFile("http://localhost/check", str(path), None, body), "x", plain_http=False)
    asked = Tickets({"jira": where})
    assert asked.ask(JIRA, "CHG-7") == TicketAnswer("jira", "CHG-7", "down", (), "No such file or directory")
    with ticket_program(path):
        assert asked.ask(JIRA, "CHG-7") == TicketAnswer("jira", "CHG-7", "answered", YES)
        assert asked.ask(JIRA, "INC-7").state == "missing"


def test_credentials_come_from_a_file_that_others_cannot_read(server: TicketServer, tmp_path: Path) -> None:
    secret = tmp_path / "jira.authorization"
    secret.write_text("Bearer s3cret\n")
    secret.chmod(0o600)
    assert ask(server, authorization=str(secret)).state == "answered"
    assert server.asked[0].headers["Authorization"] == "Bearer s3cret"
    for mode in (0o604, 0o602, 0o620):
        secret.chmod(mode)
        assert ask(server, authorization=str(secret)).why == f"others can read or write {secret}"
    secret.chmod(0o600)
    for text in ("", "Bearer a\r\nX-More: 1", "Bearer \u00fc"):
        secret.write_text(text)
        answer = ask(server, authorization=str(secret))
        assert answer.state == "down"
        assert str(secret) in answer.why
        assert "Bearer" not in answer.why
    secret.unlink()
    assert ask(server, authorization=str(secret)).why == f"{secret} cannot be read: No such file or directory"
    assert len(server.asked) == 1


# ------------------------------------------------------------------------------------------------- what is no answer


def test_nobody_is_asked_who_is_not_trusted(server: TicketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert ask(server).why.startswith("its TLS certificate is not trusted: ")
    assert server.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: TicketServer, status: int, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with ticket_server(tmp_path / "other") as other:

        def redirect(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Location", f"{other.url}/issue/CHG-7")
            request.send_header("Content-Length", "0")
            request.end_headers()

        server.act = redirect
        assert ask(server) == TicketAnswer("jira", "CHG-7", "answered", NOTHING, f"it answers {status}")
        assert other.asked == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *[
            (404, "missing"),
            (410, "missing"),
            (500, "down"),
            (503, "down"),
            (401, "down"),
            (408, "down"),
            (429, "down"),
        ],
        *[(403, "answered"), (400, "answered"), (201, "answered"), (204, "answered")],
    ],
)
def test_what_a_status_means(server: TicketServer, status: int, state: str) -> None:
    server.status = status
    answer = ask(server)
    assert answer.state == state
    assert answer.values == (NOTHING if state == "answered" else ())
    server.answer = "x" * LARGEST
    assert (ask(server).state == "down") == (state == "down"), "however much it says"


HALF = '{"fields": {"status": {"name": "Approved"}}, "summary": "\\ud800"}'


@pytest.mark.parametrize("text", ["", "{", "nothing", '{"a": 1, "a": 2}', "NaN", "[" * 5000, "\xff", HALF])
def test_what_is_not_json_is_no_yes(server: TicketServer, text: str) -> None:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(text.encode("latin-1"))

    server.act = act
    assert ask(server) == TicketAnswer("jira", "CHG-7", "answered", NOTHING, "its answer is not JSON")


def test_a_number_with_a_point_beside_what_is_expected_counts_for_nothing(server: TicketServer) -> None:
    server.answer = {**APPROVED, "estimate": 1.5}
    assert ask(server) == TicketAnswer("jira", "CHG-7", "answered", YES)


def test_an_answer_that_breaks_off_is_none(server: TicketServer) -> None:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b'{"fields"')

    server.act = act
    assert ask(server) == TicketAnswer("jira", "CHG-7", "down", (), "its answer breaks off")


@pytest.mark.parametrize("length", [None, 1 << 30])
def test_a_gigabyte_is_not_read(server: TicketServer, length: int | None) -> None:
    sent = 0

    def act(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        if length is not None:
            request.send_header("Content-Length", str(length))
        request.end_headers()
        while sent < 1 << 30:
            request.wfile.write(b" " * 65536)
            sent += 65536

    server.act = act
    why = f"its answer has more than {LARGEST} bytes"
    assert ask(server) == TicketAnswer("jira", "CHG-7", "answered", NOTHING, why)
    assert sent < 1 << 26, "what the buffers of the connection hold, and no more"


def test_an_answer_of_the_largest_size_is_read(server: TicketServer) -> None:
    for more, values in ((0, YES), (1, NOTHING)):
        server.answer = {**APPROVED, "pad": ""}
        server.answer["pad"] = "x" * (LARGEST - len(json.dumps(server.answer)) + more)
        assert ask(server).values == values


@pytest.mark.parametrize("what", ["status", "header", "body", "nothing", "goes on"])
def test_who_answers_byte_by_byte_is_cut_off(server: TicketServer, what: str) -> None:
    """Each byte comes in time; the whole does not."""
    lead = {
        "status": b"",
        "header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
        "body": b'HTTP/1.1 200 OK\r\n\r\n{"fields": {"status": {"name": "Approved"}}}',
        "nothing": b"",
        "goes on": b"",
    }[what]

    def act(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(lead)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            if what != "nothing":
                part = b"HTTP/1.1 100 Continue\r\n\r\n" if what == "goes on" else b" "
                request.wfile.write(part)
            time.sleep(0.05)

    server.act = act
    began = time.monotonic()
    with pytest.raises(Unanswered, match=r"it takes longer than 0\.5 seconds"):
        exchange(Question(f"{server.url}/x"), largest=LARGEST, deadline=0.5)
    assert time.monotonic() - began < 10


def test_a_checker_that_ca_toml_does_not_have_is_down() -> None:
    assert Tickets({}).ask(JIRA, "CHG-7").why == "ca.toml does not say where it is"


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (CheckerFile("https://x.example.com/{ticket}/{ticket}"), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/"), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/{ticket}?and={ticket}"), "must have {ticket} once"),
        (CheckerFile("https://{ticket}.example.com/{ticket}"), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/a{ticket}"), "must have {ticket} once"),
        (CheckerFile("https://{ticket}.example.com/"), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/?q={ticket}"), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/{ticket}", body='{"a": "{ticket}"}'), "must have {ticket} once"),
        (CheckerFile("https://x.example.com/", body='{"a": "x{ticket}"}'), "'body' must be JSON with {ticket} once"),
        (CheckerFile("https://x.example.com/", body='{"{ticket}": 1}'), "'body' must be JSON with {ticket} once"),
        (
            CheckerFile("https://x.example.com/", body='["{ticket}", "{ticket}"]'),
            "'body' must be JSON with {ticket} once",
        ),
        (CheckerFile("https://x.example.com/", body='{"a": {ticket}}'), "'body' is not JSON"),
        (CheckerFile("http://x.example.com/{ticket}"), "must begin with https://"),
        (CheckerFile("http://127.0.0.1/{ticket}"), "must begin with https://"),
        (CheckerFile("http://x.example.com/{ticket}", "/run/x.sock"), "must begin with https://"),
        (CheckerFile("https://user:word@x.example.com/{ticket}"), "carries user information"),
        (CheckerFile("https://x.example.com/{ticket}#x"), "'url' must have no fragment"),
        (CheckerFile("https://x.example.com/{ticket}", "x.sock"), "'socket' must be an absolute path"),
        (CheckerFile("https://x.example.com/{ticket}", None, "x"), "'authorization' must be an absolute path"),
    ],
)
def test_what_is_wrong_with_the_place_of_a_checker(file: CheckerFile, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        checker_place(file, "ca.toml: tickets.jira", plain_http=False)
    assert caught.value.code == "bad_config"
    assert caught.value.message.startswith("ca.toml: tickets.jira: ")
    assert problem in caught.value.message


def test_addresses_that_do_not_answer_have_one_deadline_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with many of them is not waited for as often."""
    with ExitStack() as stack:
        found = []
        for _ in range(12):
            silent = stack.enter_context(socket.socket())
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", silent.getsockname()))
            for _ in range(3):  # its queue is full: whoever comes next is not answered
                waiting = stack.enter_context(socket.socket())
                waiting.settimeout(0)
                waiting.connect_ex(silent.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        began = time.monotonic()
        with pytest.raises(Unanswered, match=r"longer than 0\.5 seconds"):
            exchange(Question("http://tickets.example/x"), largest=LARGEST, deadline=0.5)
        assert time.monotonic() - began < 3, "each of them on its own would take 6 seconds"


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's takes up to half a minute where its servers are away."""
    asked, over = threading.Event(), threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        asked.set()
        over.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        with pytest.raises(Unanswered, match=r"longer than 0\.3 seconds"):
            exchange(Question("http://tickets.example/x"), largest=LARGEST, deadline=0.3)
        assert asked.is_set()
        assert not over.is_set()
    finally:
        over.set()


def test_the_next_address_is_asked_if_one_refuses(server: TicketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (closed.getsockname(), ("127.0.0.1", port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert exchange(Question(f"{server.url}/CHG-1"), largest=LARGEST, deadline=PATIENCE).status


def test_how_many_questions_are_open_is_bounded_for_each_and_in_all() -> None:
    turns = Tickets({})
    turns.take_turn("a", 0)
    turns.take_turn("a", 0)
    with pytest.raises(Refused) as caught:
        turns.take_turn("a", 0)
    assert caught.value.code == "ticket_busy"
    assert ("in a minute" in caught.value.message, caught.value.hint) == (True, "try again in a minute")
    for number in range(IN_ALL - 2):
        turns.take_turn(f"b{number}", 0)
    with pytest.raises(Refused):
        turns.take_turn("c", 0)
    turns.end_turn("a")
    turns.take_turn("c", 0)


def test_one_person_asks_so_often_in_a_minute() -> None:
    turns = Tickets({})
    for _ in range(IN_A_MINUTE):
        turns.take_turn("a", 1000)
        turns.end_turn("a")
    with pytest.raises(Refused):
        turns.take_turn("a", 1000 + MINUTE - 1)
    turns.take_turn("b", 1000)
    turns.take_turn("a", 1000 + MINUTE)


# ------------------------------------------------------------------------------------------- the CA and its log


@pytest.fixture
def ca(server: TicketServer, issuers: dict[str, Issuer], tmp_path: Path) -> Iterator[Installation]:
    home = tmp_path / "home"
    home.mkdir()
    sources = f'[tickets.jira]\nurl = "{server.url}/issue/{{ticket}}"\n'
    installation = Installation(home, issuers, policy=RULES, sources=sources)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    yield installation
    installation.stop()


E = TypeVar("E", bound=events.Event)


def logged(ca: Installation, kind: type[E]) -> list[E]:
    return [event for row in ca.store.rows() if isinstance(event := entries.read(row.entry), kind)]


def test_what_was_said_of_a_ticket_is_in_the_log(ca: Installation, server: TicketServer) -> None:
    reply = ca.ask(ca.native(ALICE), "web1", reason="for CHG-7, thanks")
    assert reply.certificate is not None
    (asked,) = logged(ca, events.Asked)
    assert asked.ticket == events.TicketSaid("jira", "CHG-7", "answered", YES, "")
    assert [each.path for each in server.asked] == ["/issue/CHG-7"]
    ca.say(m.SignUser(next(reversed(ca.logins)), reply.request.id), m.CertificateReply)
    assert len(server.asked) == 1, "at a certificate nobody is asked"
    ca.ask(next(reversed(ca.logins)), "web1", reason="for CHG-7, thanks")
    assert len(server.asked) == 1, "nor for what is open already"


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (200, {"fields": {"status": {"name": "Draft"}}}, "ticket_refused"),
        (200, {"fields": {"status": {"name": True}}}, "ticket_refused"),
        (200, ["Approved"], "ticket_refused"),
        (404, {}, "unknown_ticket"),
        (503, APPROVED, "ticket_down"),
    ],
)
def test_without_a_yes_nothing_is_given(
    ca: Installation, server: TicketServer, status: int, answer: object, code: str
) -> None:
    server.status, server.answer = status, answer
    with pytest.raises(Refused) as caught:
        ca.ask(ca.native(ALICE), "web1")
    assert caught.value.code == code
    assert logged(ca, events.Asked) == []
    (turned,) = logged(ca, events.Turned)
    assert turned.code == code


@pytest.mark.parametrize("way", ["large", "half", "forbidden", "deep"])
def test_nobody_makes_the_checker_down_by_a_ticket_of_their_own(
    ca: Installation, server: TicketServer, way: str
) -> None:
    """Where a rule allows while the checker is down, a ticket that was turned down must not make it so."""
    ca.change_policy('ticket = "jira"\nextend', 'ticket = "jira"\nticket_down = "allow"\nextend')
    rejected: dict[str, object] = {"fields": {"status": {"name": "Rejected"}, "estimate": 1.5}}
    more: dict[str, object] = {"large": "x" * LARGEST, "half": "\ud800", "forbidden": "", "deep": [[[[[[[[[]]]]]]]]]}
    server.answer = {**rejected, "summary": more[way]}
    server.status = 403 if way == "forbidden" else 200
    login = ca.native(ALICE)
    with pytest.raises(Refused) as caught:
        ca.ask(login, "web1")
    assert caught.value.code == "ticket_refused"
    server.status = 503
    assert ca.ask(login, "web1").certificate is not None


def test_who_would_be_refused_anyway_asks_nobody(ca: Installation, server: TicketServer) -> None:
    for reason, host, code in (("no ticket", "web1", "bad_reason"), ("CHG-7", "db1", "no_rule")):
        with pytest.raises(Refused) as caught:
            ca.ask(ca.native(ALICE), host, reason=reason)
        assert caught.value.code == code
    with pytest.raises(Refused):
        ca.ask("login-of-nobody", "web1")
    assert server.asked == []


def test_who_is_at_their_limit_asks_nobody(ca: Installation, server: TicketServer) -> None:
    ca.change_policy('ticket = "jira"\nextend', 'ticket = "jira"\nlimits = { person = { open = 1 } }\nextend')
    ca.add_host("web2", env="staging")
    login = ca.native(ALICE)
    ca.ask(login, "web1")
    with pytest.raises(Refused) as caught:
        ca.ask(login, "web2")
    assert caught.value.code == "limit_reached"
    assert len(server.asked) == 1


def test_each_approval_asks_again(ca: Installation, server: TicketServer) -> None:

    request = ca.ask(ca.native(DANA), "db1").request
    bob = ca.native(BOB)
    server.answer = {"fields": {"status": {"name": "Closed"}}}
    with pytest.raises(Refused) as caught:
        ca.approve(bob, request)
    assert caught.value.code == "ticket_refused"
    assert 'Jira says "Closed" for fields.status.name of CHG-7' in caught.value.message
    server.answer = APPROVED
    assert ca.approve(bob, request).state == "approved"
    (decided,) = logged(ca, events.Decided)
    assert decided.ticket == events.TicketSaid("jira", "CHG-7", "answered", YES, "")
    assert len(server.asked) == 3


@pytest.mark.parametrize("strict", [True, False])
def test_what_opens_by_itself_has_a_ticket_that_counts_by_the_rule_of_now(ca: Installation, *, strict: bool) -> None:
    request = ca.ask(ca.native(DANA), "db1").request
    if strict:
        ca.change_policy('["Approved"]', '["Done"]')
    ca.change_policy('approvals = [{ from = "lead", count = 1 }]', "approvals = []")
    ca.authority.sweep()
    wanted = RequestState.PENDING if strict else RequestState.APPROVED
    assert ca.context.request(request.id).state is wanted


def test_two_accounts_of_one_person_ask_as_one(ca: Installation) -> None:
    """Who has many accounts has no more questions for it."""
    logins = [ca.native(ALICE), ca.native(Person("a-9", ("SRE",), "alice@example.com"))]
    errands = []
    for login in logins:
        message = m.Ask(login, ("web1",), None, "shell", None, None, "CHG-7 x", certificate=False, address="192.0.2.7")
        errand = ticket_errands.for_ask(ca.context, message)
        assert errand is not None
        errands.append(errand.person)
    assert len(set(errands)) == 1
    message = m.Ask(logins[1], ("web1",), None, "shell", None, None, "CHG-7 x", certificate=False, address="192.0.2.7")
    with pytest.raises(Refused) as caught:
        ticket_errands.for_ask(ca.context, message)
    assert caught.value.code == "ticket_busy"


def test_who_may_not_approve_asks_nobody(ca: Installation, server: TicketServer) -> None:

    request = ca.ask(ca.native(DANA), "db1").request
    for person in (ALICE, DANA):
        with pytest.raises((Refused, Invalid)):
            ca.approve(ca.native(person), request)
    assert len(server.asked) == 1


def test_more_time_wants_a_ticket_too(ca: Installation, server: TicketServer) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    server.status = 503
    extend = m.Extend(login, request.id, "CHG-8", "192.0.2.7")
    with pytest.raises(Refused) as caught:
        ca.say(extend, m.AskReply)
    assert caught.value.code == "ticket_down"
    server.status = 200
    ca.say(extend, m.AskReply)
    assert server.asked[-1].path == "/issue/CHG-8"


def test_what_was_asked_before_the_policy_changed_does_not_count(ca: Installation, server: TicketServer) -> None:
    """The answer is about the ticket that the rule of then took out of the reason."""
    login = ca.native(ALICE)
    message = m.Ask(login, ("web1",), None, "shell", None, None, "CHG-7 CHG-88", certificate=False, address="192.0.2.7")
    question = ca.prepared(message)
    ca.change_policy('pattern = "CHG-[0-9]+"', 'pattern = "CHG-[0-9][0-9]+"')
    (answer,) = ca.authority.answer([question])
    assert isinstance(answer, Refused)
    assert answer.code == "ticket_unchecked"
    assert len(server.asked) == 1


def test_nothing_is_written_down_of_a_ticket_that_nobody_was_asked_about() -> None:
    with pytest.raises(ValueError, match="nobody was asked"):
        ticket_said(TicketAnswer("jira", "CHG-7", "assumed"))


def test_an_explanation_asks_nobody(ca: Installation, server: TicketServer) -> None:
    login = ca.native(ALICE)
    message = m.Explain(login, None, ("web1",), (), None, "shell", None, None, "CHG-7", None, False, "192.0.2.7")  # noqa: FBT003
    assert ca.say(message, m.ExplainReply).verdict == "allow"
    assert server.asked == []


def test_a_policy_with_a_checker_that_is_nowhere_is_not_loaded(ca: Installation) -> None:
    text = ca.policy.replace("[tickets.jira]", "[tickets.other]\nexpect.ok = true\n[tickets.jira]")
    with pytest.raises(Invalid) as caught:
        ca.authority.change_policy(ca.authority.look_at_policy(text))
    assert caught.value.code == "no_source"
    assert "tickets.other" in caught.value.message


def test_the_limits_are_those_of_the_page() -> None:
    assert (LARGEST, tickets.OF_ONE, IN_ALL) == (64 * 1024, 2, 32)


def test_over_the_socket_a_checker_that_hangs_keeps_nobody_else_waiting(ca: Installation, server: TicketServer) -> None:
    go_on, arrived = threading.Event(), threading.Event()

    def act(request: BaseHTTPRequestHandler) -> None:
        arrived.set()
        go_on.wait(PATIENCE)
        body = json.dumps(APPROVED).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.act = act
    ca.context.tickets = Tickets(ca.config.tickets, deadline=PATIENCE)
    login = ca.native(ALICE)
    message = m.Ask(login, ("web1",), None, "shell", None, None, "CHG-7", certificate=True, address="192.0.2.7")
    with serving_sockets(ca, frozenset({os.getuid()})), ThreadPoolExecutor(1) as asking:
        client = CaClient(ca.config.web_socket)
        asked = asking.submit(client.call, message, m.AskReply)
        assert arrived.wait(PATIENCE)
        assert client.call(m.Health(), m.HealthReply).ready
        assert not asked.done()
        go_on.set()
        assert asked.result(PATIENCE).certificate is not None
        client.close()
    assert len(server.asked) == 1

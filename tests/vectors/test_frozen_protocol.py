"""What release 0.1.0 said and was answered (protocol version 1): the programs of every later version understand it.

``protocol-1`` holds each message, answer and body once with everything that may be left out, once with none of it, and
once as it was really said. The CA's reader takes the questions; the front end, the operator's command and ``ssh-jit``
read the answers that a peer of that release gives, over real sockets.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedRWPair
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.api.ask import AskBody
from sshjit.api.bodies import ExtendBody, HostBody, LabelsBody, LockBody, RemoveBody, RevokeBody, UnlockBody
from sshjit.api.explain import ExplainBody
from sshjit.api.sign_in import LoginBody
from sshjit.errors import FAMILIES, Failed, Invalid, SshJitError
from sshjit_ca.operations import admin_client
from sshjit_ca.service import frames
from sshjit_client.api.full import FullApi
from sshjit_web.ca_client import CaClient
from tests.support.frozen_log import as_json, includes
from tests.support.frozen_protocol import (
    ANSWERS,
    BODIES,
    ERRORS,
    HTTP,
    HTTP_ANSWERS,
    QUESTIONS,
    SIGNED,
    Said,
    signed_text,
)
from tests.support.in_process_ca import CommandLine, FrontEnd, front_end, policy
from tests.support.installation import BOB
from tests.support.issuer import serving

REQUEST = "req-0123456789abcdef"
PATIENCE = 10
"""Seconds that a peer waits for what is said to it: a question that never comes fails the test, and holds up none."""


def named(said: Said) -> str:
    return "-".join(said.heading).replace("/", "_")


# ----------------------------------------------------------------------------------------------------- the CA's sockets


def test_no_message_of_the_release_is_gone_and_each_is_there_with_its_answer() -> None:
    assert len({said.heading[0] for said in QUESTIONS}) == 49
    assert {said.heading[0] for said in QUESTIONS} == {said.heading[0] for said in ANSWERS} <= m.MESSAGES.keys()
    for name in {said.heading[0] for said in QUESTIONS}:
        variants = {said.heading[2] for said in QUESTIONS if said.heading[0] == name}
        assert {"full", "real"} <= variants


@pytest.mark.parametrize("said", QUESTIONS, ids=named)
def test_the_ca_understands_every_question(said: Said) -> None:
    origin, message = frames.read(said.text.encode(), lambda _: True)
    assert origin == (said.value["id"], 1, "")
    assert not isinstance(message, Invalid), message
    assert type(message) is m.MESSAGES[said.heading[0]]
    assert includes(as_json(message), said.value["body"])


_UNKNOWN = (
    '{"v":1,"id":1,"type":"error","body":{"family":"invalid","code":"bad_message",'
    """"message":"field 'version' is unknown","hint":""}}"""
)


@contextmanager
def peer(path: Path, answer: str) -> Iterator[list[bytes]]:
    """A CA of the release at a socket, which answers one question with ``answer``; what it was asked.

    Asked for its version first, it says what it says of every field that it does not know.
    """
    asked: list[bytes] = []
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()
    listening.settimeout(PATIENCE)

    def serve() -> None:
        connection, _ = listening.accept()
        connection.settimeout(PATIENCE)
        with connection, connection.makefile("rwb") as stream:
            frame = stream.read(int.from_bytes(stream.read(4), "big"))
            if b'"version"' in frame:
                say(stream, frame, _UNKNOWN)
                frame = stream.read(int.from_bytes(stream.read(4), "big"))
            asked.append(frame)
            say(stream, frame, answer)

    def say(stream: BufferedRWPair, frame: bytes, answer: str) -> None:
        text = answer.replace(f'"id":{json.loads(answer)["id"]},', f'"id":{json.loads(frame)["id"]},', 1).encode()
        stream.write(len(text).to_bytes(4, "big") + text)
        stream.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        thread.join()
        listening.close()
        path.unlink()


def question_of(name: str) -> m.Message:
    """The question that was really said."""
    said = next(said for said in QUESTIONS if said.heading[0] == name and said.heading[2] == "real")
    return wire.decode(m.MESSAGES[name], said.value["body"])


@pytest.mark.parametrize("said", ANSWERS, ids=named)
def test_the_front_end_and_the_operator_s_command_understand_every_answer(said: Said, tmp_path: Path) -> None:
    message, path = question_of(said.heading[0]), tmp_path / "ca.sock"
    reply: type[m.Reply] = m.REPLIES[type(message)]
    client = CaClient(path)
    for call in (client.call, lambda *it: admin_client.call(path, *it)):
        with peer(path, said.text) as asked:
            found = call(message, reply)
            client.close()
        assert type(found) is reply
        assert includes(as_json(found), said.value["body"])
        assert json.loads(asked[0])["type"] == said.heading[0]
    with peer(path, said.text):
        carried = client.carry(message, reply, 1)
        client.close()
    assert json.loads(carried.text) == said.value["body"]


@pytest.mark.parametrize("said", ERRORS, ids=named)
def test_they_understand_every_error(said: Said, tmp_path: Path) -> None:
    path, body = tmp_path / "ca.sock", said.value["body"]
    client = CaClient(path)
    for call in (client.call, lambda *it: admin_client.call(path, *it)):
        with peer(path, said.text):
            with pytest.raises(SshJitError) as error:
                call(m.Health(), m.HealthReply)
            client.close()
        found = error.value
        assert (found.family, found.code, found.message, found.hint) == tuple(
            body[name] for name in ("family", "code", "message", "hint")
        )


@pytest.mark.parametrize("said", SIGNED, ids=named)
def test_what_people_and_hosts_sign_is_the_same_text(said: Said) -> None:
    """A laptop or a host of the release signs its own text; a CA of today builds it again, to the byte."""
    assert signed_text(said) == said.value


# ----------------------------------------------------------------------------------------------------------------- HTTP


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    """A front end and a CA of today."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        yield stack.enter_context(front_end(tmp_path_factory.mktemp("world"), issuers, policy()))


@pytest.mark.parametrize("said", BODIES, ids=named)
def test_the_front_end_understands_every_body(said: Said, world: FrontEnd) -> None:
    """What it makes of it is another matter: most of these requests and hosts do not exist."""
    line = CommandLine(world, BOB)
    before = len(world.authority.messages)
    path = said.heading[1].replace("ID", REQUEST).replace("NAME", "web1")
    answer = line.client.post(path, headers=line.headers, data=said.text, content_type="application/json")
    assert answer.status_code < 500, answer.text
    (message,) = world.authority.messages[before:]
    known = as_json(message)
    told = {name: value for name, value in said.value.items() if name in known}
    assert includes(known, told)
    assert told == said.value or said.heading[3] == "UnlockBody"


@contextmanager
def server(said: Said) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A front end of the release, which answers everything with one text; its address, and what it was asked."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((f"{self.command} {self.path}", self.rfile.read(int(self.headers["Content-Length"] or 0))))
            body = said.text.encode()
            self.send_response(403 if said.heading[0] == "error" else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", asked
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def body_of(call: str) -> Any:
    """The fullest body of a call."""
    return next(said.value for said in BODIES if " ".join(said.heading[:2]) == call)


CALLS: dict[str, Callable[[FullApi], Any]] = {
    "POST /api/v1/login": lambda api: api.login(wire.decode(LoginBody, body_of("POST /api/v1/login"))),
    "GET /api/v1/whoami": lambda api: api.whoami(),
    "GET /api/v1/hosts": lambda api: api.hosts(),
    "POST /api/v1/hosts": lambda api: api.add_host(wire.decode(HostBody, body_of("POST /api/v1/hosts"))),
    "POST /api/v1/hosts/NAME/labels": lambda api: api.label_host(
        "web1", wire.decode(LabelsBody, body_of("POST /api/v1/hosts/NAME/labels"))
    ),
    "POST /api/v1/requests": lambda api: api.ask(wire.decode(AskBody, body_of("POST /api/v1/requests"))),
    "GET /api/v1/requests": lambda api: api.requests("all"),
    "GET /api/v1/requests/ID": lambda api: api.shown(REQUEST),
    "POST /api/v1/requests/ID/approve": lambda api: api.approve(shown(), "as agreed", None, 600),
    "POST /api/v1/requests/ID/comment": lambda api: api.comment(REQUEST, "why not at night?"),
    "POST /api/v1/requests/ID/review": lambda api: api.review(REQUEST, "justified", "it was"),
    "POST /api/v1/requests/ID/extend": lambda api: api.extend(REQUEST, ExtendBody("CHG-7 takes longer")),
    "POST /api/v1/explain": lambda api: api.explain(wire.decode(ExplainBody, body_of("POST /api/v1/explain"))),
    "POST /api/v1/challenge": lambda api: api.challenge(),
    "POST /api/v1/requests/ID/certificate": lambda api: api.certificate(REQUEST),
    "GET /api/v1/locks": lambda api: api.locks(),
    "POST /api/v1/locks": lambda api: api.lock(wire.decode(LockBody, body_of("POST /api/v1/locks"))),
    "POST /api/v1/revoke": lambda api: api.revoke(wire.decode(RevokeBody, body_of("POST /api/v1/revoke"))),
}
"""How ``ssh-jit`` asks for each answer that it reads."""
WITHOUT_ANSWER: dict[str, Callable[[FullApi], Any]] = {
    "POST /api/v1/hosts/NAME/remove": lambda api: api.remove_host(
        "web1", wire.decode(RemoveBody, body_of("POST /api/v1/hosts/NAME/remove"))
    ),
    "POST /api/v1/locks/ID/unlock": lambda api: api.unlock(
        "lock-0123456789abcdef", wire.decode(UnlockBody, body_of("POST /api/v1/locks/ID/unlock"))
    ),
}
NOT_THE_CLIENT_S = {"GET /api/v1/log", "GET /bundle", "POST /api/v1/host/join", "POST /api/v1/host/renew"}


def shown() -> Any:
    """A request as the release showed it."""
    text = next(said for said in HTTP_ANSWERS if said.heading[3] == "RequestView" and said.heading[4] == "full")
    return wire.decode(m.RequestView, text.value)


def test_every_answer_has_a_reader() -> None:
    calls = {" ".join(said.heading[:2]) for said in HTTP_ANSWERS}
    assert calls == CALLS.keys() | NOT_THE_CLIENT_S


@pytest.mark.parametrize("said", [said for said in HTTP_ANSWERS if " ".join(said.heading[:2]) in CALLS], ids=named)
def test_ssh_jit_understands_every_answer(said: Said) -> None:
    with server(said) as (address, asked):
        found = as_json(CALLS[" ".join(said.heading[:2])](FullApi(address, "token")))
    value = said.value
    if not includes(found, value):  # some calls hand on one field alone
        assert any(includes(found, part) for part in value.values())
    method, path = said.heading[:2]
    assert asked[-1][0].partition("?")[0] == f"{method} {path.replace('ID', REQUEST).replace('NAME', 'web1')}"


@pytest.mark.parametrize("said", [said for said in HTTP if said.heading[0] == "error"], ids=named)
def test_ssh_jit_understands_every_error(said: Said) -> None:
    with server(said) as (address, _), pytest.raises(SshJitError) as error:
        FullApi(address).whoami()
    told = said.value["error"]
    assert type(error.value) is FAMILIES[told["family"]]
    assert (error.value.code, error.value.message, error.value.hint) == (told["code"], told["message"], told["hint"])


@pytest.mark.parametrize("call", [*CALLS, *WITHOUT_ANSWER])
def test_what_ssh_jit_sends_has_no_field_that_the_release_lacks_and_lacks_none(call: str) -> None:
    """A front end of the release refuses a body with a field that it does not know, and one in which one is missing."""
    known = [said for said in BODIES if " ".join(said.heading[:2]) == call]
    answer = next((said for said in HTTP_ANSWERS if " ".join(said.heading[:2]) == call), Said(("",), "{}"))
    with server(answer) as (address, asked):
        {**CALLS, **WITHOUT_ANSWER}[call](FullApi(address, "token"))
    sent = asked[-1][1]  # a body that has grown goes out when the server has said its version
    assert bool(sent) == bool(known)
    assert not sent or json.loads(sent).keys() == known[0].value.keys()


@pytest.mark.parametrize("said", QUESTIONS, ids=named)
def test_what_the_front_end_and_the_operator_s_command_send_has_just_the_fields_of_the_release(
    said: Said, tmp_path: Path
) -> None:
    """A CA of the release refuses a field that it does not know, and one that is missing."""
    message, path = wire.decode(m.MESSAGES[said.heading[0]], said.value["body"]), tmp_path / "ca.sock"
    answer = next(each for each in ANSWERS if each.heading[0] == said.heading[0])
    client = CaClient(path)
    for call in (client.call, lambda *it: admin_client.call(path, *it)):
        with peer(path, answer.text) as asked:
            call(message, m.REPLIES[type(message)])
            client.close()
        assert {**json.loads(asked[0]), "id": said.value["id"]} == said.value


@pytest.mark.parametrize("body", ["{}", '{"ready":"yes","problems":[],"size":1,"policy":"","time":1}', "[]"])
def test_nonsense_is_still_told_from_what_an_older_ca_says(body: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.sock"
    client = CaClient(path)
    with peer(path, f'{{"v":1,"id":1,"type":"ok","body":{body}}}'):
        with pytest.raises(Failed) as error:
            client.call(m.Health(), m.HealthReply)
        client.close()
    assert error.value.code == "ca_protocol"

"""The calls of the API that the event loop answers are answered by Flask's threads in the same way, and the other way.

Both get the same script before a whole CA at its socket: every call of the table, well and in every wrong way that
there is. Ids, keys and signatures are random, and so is a failure's id; all else has to be the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, wire
from sshjit.api.ask import AskBody
from sshjit.api.host_sessions import ReportSessions
from sshjit.events import Issued
from sshjit_web import api, services
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient
from sshjit_web.proxies import Proxies
from sshjit_web.security import MAX_BODY
from sshjit_web.server.admission import Admission
from sshjit_web.server.api_calls import ApiCalls
from sshjit_web.server.application import Application
from sshjit_web.server.rsgi import HTTPProtocol
from sshjit_web.wsgi_middleware import Middleware
from tests.support import in_process_ca
from tests.support.ca_sockets import serving_sockets
from tests.support.in_process_ca import KEY, CommandLine, FrontEnd
from tests.support.installation import ALICE, BOB
from tests.support.issuer import Issuer
from tests.support.signatures import host_keys, join, leave, renew, report, report_sessions, session_event
from tests.unit.webapp.test_requests_on_the_loop import Caller, scope

TRACE = "0af7651916cd43dd8448eb211c80319c"
JSON = {"content_type": "application/json"}
RANDOM = (
    (r"\b(req|login|host|sub)-[\w-]{8,}", r"\1-*"),
    (r"AAAA[\w+/=]{20,}", "AAAA*"),
    (r"[0-9a-f]{32,}", "*"),
    (r"[\w+/=-]{40,}", "*"),
)
RATE = 4


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


class Sender(Caller):
    """Somebody who sends a whole body, and keeps the answer."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body
        self.text = b""

    async def _never(self) -> bytes:
        return self.body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().response_bytes(status, headers, body)
        self.text = body


@dataclass
class Side:
    """One way to answer, before a CA of its own."""

    world: FrontEnd
    made: Application
    on_loop: bool
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """What the metrics are told."""
    alice: CommandLine = field(init=False)
    bob: CommandLine = field(init=False)

    async def ask(self, name: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(wire.encode(body)).encode()
        if body is not None:
            headers = {**JSON, "content_length": str(len(content)), **headers}
        sender, headers = Sender(content), {"x_forwarded_for": "198.51.100.9", **headers}
        await self.made.__rsgi__(scope(method, path, **headers), cast("HTTPProtocol", sender))
        answer = Answer(sender.statuses[0], sender.headers, sender.text.decode())
        assert name not in self.answers
        self.answers[name] = answer
        return answer

    def told(self) -> dict[str, tuple[int, dict[str, str], str]]:
        """Every answer without what is random in it."""
        return {name: _plain(answer) for name, answer in self.answers.items()}


def _plain(answer: Answer) -> tuple[int, dict[str, str], str]:
    headers = {name: _unrandom(value) for name, value in answer.headers.items()}
    assert int(headers.pop("Content-Length", "0")) == len(answer.text.encode()) or not answer.text
    if "Ssh-Jit-Reference" in headers:
        assert re.fullmatch("[0-9a-f]{8}", headers["Ssh-Jit-Reference"])
        headers["Ssh-Jit-Reference"] = "*"
    return answer.status, headers, _unrandom(answer.text)


def _unrandom(text: str) -> str:
    for pattern, other in RANDOM:
        text = re.sub(pattern, other, text)
    return text


@contextmanager
def side(folder: Path, issuers: dict[str, Issuer], *, on_loop: bool, admission: bool = False) -> Iterator[Side]:
    folder.mkdir()
    with ExitStack() as stack:
        world = stack.enter_context(in_process_ca.front_end(folder, issuers, in_process_ca.policy()))
        client = CaClient(world.ca.config.web_socket)
        stack.callback(client.close)
        app = create_app(world.config, client, world.store, {}, key=KEY, clock=world.authority.clock)
        outermost = cast("Middleware", app.wsgi_app)
        calls = ApiCalls(services.of(app).sessions, client) if on_loop else None
        if calls is not None:
            stack.callback(calls.close)
        made = Application(
            outermost.inner,
            outermost.gateway,
            threads=2,
            proxies=Proxies(networks=("192.0.2.1/32",)),
            admission=Admission(0, RATE if admission else 0, "session"),
            api_calls=calls,
        )
        one = Side(world, made, on_loop)
        outermost.gateway.observers.append(lambda head, status, _: one.seen.append((head.method, head.path, status)))
        one.alice, one.bob = CommandLine(world, ALICE), CommandLine(world, BOB)
        yield one


def play(one: Side, script: Any) -> None:
    async def run() -> None:
        one.made._threads.start(asyncio.get_running_loop())
        await script(one)
        one.made._threads.stop()
        if one.made._api_calls is not None:
            one.made._api_calls.close()

    with serving_sockets(one.world.ca, frozenset({os.getuid()})):
        asyncio.run(run())


def signed_in(who: CommandLine, **headers: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who.token}", "ssh_jit_version": "2", **headers}


ASK = AskBody(("web1",), None, "shell", None, None, "", certificate=False)


async def everything(one: Side) -> None:
    alice = signed_in(one.alice)
    asked = await one.ask("ask", "POST", "/api/v1/requests", replace(ASK, certificate=True), **alice)
    request_id = json.loads(asked.text)["request"]["id"]
    request = f"/api/v1/requests/{request_id}"
    await one.ask("ask again", "POST", "/api/v1/requests", ASK, **alice)
    await one.ask("ask as version 1", "POST", "/api/v1/requests", ASK, **{**alice, "ssh_jit_version": "1"})
    await one.ask("read", "GET", request, **alice)
    await one.ask("read of somebody else", "GET", request, **signed_in(one.bob))
    await one.ask("certificate", "POST", f"{request}/certificate", content_length="0", **alice)
    traced = {**alice, "traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "x_forwarded_for": "198.51.100.7"}
    await one.ask("certificate with an empty object", "POST", f"{request}/certificate", b" {} ", **traced)
    await one.ask("certificate with something", "POST", f"{request}/certificate", b"{1}", **alice)
    await one.ask("extend", "POST", f"{request}/extend", {"reason": "CHG-7 goes on"}, **alice)
    for name in ("read", "certificate"):
        method, path = ("GET", "{}") if name == "read" else ("POST", "{}/certificate")
        unknown = path.format("/api/v1/requests/req-unknown")
        await one.ask(f"{name} of nothing", method, unknown, **alice)
        await one.ask(f"{name} of nonsense", method, path.format("/api/v1/requests/é\x00'\"\n "), **alice)
        await one.ask(f"{name} by nobody", method, path.format(request))
        await one.ask(f"{name} by a page", method, path.format(request), cookie=f"{one.world.cookie}=x")
        await one.ask(f"{name} by no token of ours", method, path.format(request), authorization="Bearer x")
        await one.ask(f"{name} with a slash", method, path.format(request) + "/", **alice)
        await one.ask(f"{name} twice slashed", method, path.format(request).replace("/v1/", "/v1//"), **alice)
        await one.ask(f"{name} slashed in front", method, "/" + path.format(request), **alice)
    await one.ask("head", "HEAD", request, **alice)
    await one.ask("options", "OPTIONS", f"{request}/certificate", **alice)
    await one.ask("delete", "DELETE", f"{request}/certificate", **alice)
    await hosts(one)
    for path in ("requests", f"requests/{request_id}/extend", *(f"host/{name}" for name in HOST_CALLS)):
        await wrong_bodies(one, f"/api/v1/{path}", path.replace(request_id, "*"))
    for forwarded in ("nonsense", "", "192.0.2.1", "198.51.100.7, 192.0.2.1", "::ffff:198.51.100.7"):
        headers = {**alice, "x_forwarded_for": forwarded}
        await one.ask(f"behind proxies: {forwarded}", "GET", request, **headers)
    await one.ask("end", "POST", f"{request}/end", b"{}", **alice)
    await one.ask("certificate of what is over", "POST", f"{request}/certificate", **alice)
    await one.ask("sign out", "POST", "/api/v1/logout", **alice)
    await one.ask("certificate after that", "POST", f"{request}/certificate", **alice)


HOST_CALLS = ("join", "renew", "report", "sessions", "leave")


async def hosts(one: Side) -> None:
    ca = one.world.ca
    keys = host_keys(ca, "ed25519")
    invitation = ca.add_host("web9", env="staging").invitation
    assert invitation is not None
    await one.ask("join", "POST", "/api/v1/host/join", join(ca, "web9", invitation.token, keys))
    await one.ask("join again", "POST", "/api/v1/host/join", join(ca, "web9", invitation.token, keys))
    await one.ask("renew", "POST", "/api/v1/host/renew", renew(ca, "web9", keys))
    await one.ask("report", "POST", "/api/v1/host/report", report(ca, "web9", keys[0]))
    events: ReportSessions = report_sessions(ca, keys[0], session_event(1))
    await one.ask("sessions", "POST", "/api/v1/host/sessions", events)
    await one.ask("leave", "POST", "/api/v1/host/leave", leave(ca, "web9", keys[0]))


async def wrong_bodies(one: Side, path: str, name: str) -> None:
    alice = signed_in(one.alice)
    for kind in ("text/plain", "application/jsonx", "", "application/json; charset=utf-8", "APPLICATION/JSON"):
        await one.ask(f"{name} as {kind!r}", "POST", path, b"{}", **{**alice, "content_type": kind})
    for body in (b"", b"{", b"[]", b'{"a": 1}', b'{"a": 1, "a": 1}', b'"\\ud800"', b"\xff", b"[" * 100):
        await one.ask(f"{name} with {body!r}", "POST", path, body, **alice)
    await one.ask(f"{name}, nothing at all", "POST", path, **alice)
    large = {**alice, **JSON, "content_length": str(MAX_BODY + 1)}
    await one.ask(f"{name}, too large", "POST", path, **large)


def test_every_call_is_answered_alike(
    tmp_path: Path, issuers: dict[str, Issuer], caplog: pytest.LogCaptureFixture
) -> None:
    told, seen, logged, traces = {}, {}, {}, {}
    for on_loop in (True, False):
        caplog.clear()
        with side(tmp_path / str(on_loop), issuers, on_loop=on_loop) as one, caplog.at_level(logging.INFO):
            play(one, everything)
            told[on_loop], seen[on_loop] = one.told(), one.seen
            logged[on_loop] = [
                {key: record.__dict__["fields"][key] for key in ("address", "method", "status", "trace")}
                for record in caplog.records
                if record.name == "sshjit_web.access"
            ]
            events = [entries.read(row.entry) for row in one.world.ca.store.rows()]
            traces[on_loop] = [event.trace == TRACE for event in events if isinstance(event, Issued)]
    for name, answer in told[True].items():
        assert (name, answer) == (name, told[False][name])
    assert told[True].keys() == told[False].keys()
    assert [status for _, _, status in seen[True]] == [status for _, _, status in seen[False]]
    assert traces[True] == traces[False]
    assert traces[True].count(True) == 1
    statuses = {name: status for name, (status, _, _) in told[True].items()}
    assert statuses["ask"] == statuses["certificate"] == statuses["join"] == 201
    assert {statuses[name] for name in ("report", "leave")} == {204}
    assert statuses["extend"] == 403, "this rule gives no more time: so the CA was asked"
    assert '"login_needed"' in told[True]["certificate after that"][2], (
        "the session was forgotten, before the CA is asked"
    )
    assert statuses["certificate after that"] == statuses["read by nobody"] == 401
    used = {(method, path) for method, path, status in seen[True] if status in {200, 201, 204, 403}}
    for route in api.calls:
        pattern = re.sub("<[^>]*>", "[^/]+", route.rule)
        assert any(method == route.method and re.fullmatch(pattern, path) for method, path in used), route
    for ours, theirs in zip(logged[True], logged[False], strict=True):
        assert (ours["address"], ours["status"]) == (theirs["address"], theirs["status"])
    assert {"192.0.2.1", "198.51.100.7", "198.51.100.9", "nonsense"} <= {line["address"] for line in logged[True]}
    assert TRACE in {line["trace"] for line in logged[True]}


def both(folder: Path, issuers: dict[str, Issuer], script: Any, **options: bool) -> dict[str, tuple[int, Any, str]]:
    """What the script is told, which is the same on both ways."""
    told = {}
    for on_loop in (True, False):
        with side(folder / str(on_loop), issuers, on_loop=on_loop, **options) as one:
            play(one, script)
            told[on_loop] = one.told()
    assert told[True] == told[False]
    return told[True]


async def more_than_may_be(one: Side) -> None:
    for number in range(RATE + 1):
        await one.ask(f"{number}", "GET", "/api/v1/requests/req-unknown", **signed_in(one.alice))
    await one.ask("somebody else", "GET", "/api/v1/requests/req-unknown", **signed_in(one.bob))


def test_whoever_comes_too_often_is_refused_alike(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    told = both(tmp_path, issuers, more_than_may_be, admission=True)
    assert [status for status, _, _ in told.values()] == [404] * RATE + [429, 404]


async def ended_elsewhere(one: Side) -> None:
    path, alice, bob = "/api/v1/requests/req-unknown", signed_in(one.alice), signed_in(one.bob)
    await one.ask("alive", "GET", path, **alice)
    one.world.store.drop_session(one.alice.token)
    one.world.ca.later(2)
    await one.ask("another front end forgot the session", "GET", path, **alice)
    await one.ask("alive too", "GET", path, **bob)
    with closing(CaClient(one.world.ca.config.web_socket)) as another:
        another.call(m.Logout(one.bob.login), m.Done)
    await one.ask("the CA ended the login, and nobody told us", "GET", path, **bob)


def test_t05_whose_session_is_over_is_refused_at_once(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    told = both(tmp_path, issuers, ended_elsewhere)
    assert [status for status, _, _ in told.values()] == [404, 401, 404, 401]


async def without_a_ca(one: Side) -> None:
    one.world.ca.config.web_socket.unlink()
    for name, method, path in (("poll", "GET", "/api/v1/requests/req-x"), ("ask", "POST", "/api/v1/requests")):
        await one.ask(name, method, path, ASK if name == "ask" else None, **signed_in(one.alice))


def test_a_ca_that_is_away_is_told_alike_and_the_log_has_the_number(
    tmp_path: Path, issuers: dict[str, Issuer], caplog: pytest.LogCaptureFixture
) -> None:
    told = both(tmp_path, issuers, without_a_ca)
    assert {(status, "ca_down" in text) for status, _, text in told.values()} == {(503, True)}
    noted = [record.getMessage() for record in caplog.records if record.name == "sshjit_web.errors"]
    assert [re.sub(r"\[\w+\]", "", line) for line in noted[:2]] == [re.sub(r"\[\w+\]", "", line) for line in noted[2:]]
    assert all(re.fullmatch(r"(GET|POST) '/api/v1/requests.*ca_down.* \[[0-9a-f]{8}\]", line) for line in noted)


async def broken_call(one: Side) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    one.world.store.find_session = fails  # type: ignore[method-assign,assignment]
    await one.ask("a defect", "GET", "/api/v1/requests/req-x", **signed_in(one.alice))


def test_a_defect_is_an_answer_alike(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    assert both(tmp_path, issuers, broken_call)["a defect"][0] == 500

"""The rarer calls of the JSON API over a whole CA: real policy, real signatures, real log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit import signed_actions, wire
from sshjit.errors import Failed, Invalid, Refused
from sshjit_web import errors, services
from sshjit_web.ca_client import Carried
from tests.support.installation import ALICE, BOB, DANA, Person, ssh_sign
from tests.support.installation import POLICY as PLAIN
from tests.support.issuer import Issuer
from tests.unit.webapp.realca import InProcess, RealWorld, build, policy

ASK: dict[str, Any] = {
    "hosts": [],
    "login": None,
    "action": "shell",
    "command": None,
    "duration": None,
    "reason": "CHG-7 add index",
    "certificate": False,
    "labels": [],
    "start": None,
    "break_glass": False,
}
EXPLAIN = {key: value for key, value in ASK.items() if key != "certificate"} | {"person": None}


class Carrying(InProcess):
    """The authority without the socket, whose answers are handed on as the socket's are."""

    def carry(self, message: m.Message, reply: type[m.Reply]) -> Carried:
        text = json.dumps(wire.encode(self.call(message, reply)))
        return Carried(text, msgspec.json.decode(text, type=dict[str, msgspec.Raw]))


class Caller:
    """A command line with a token and a key."""

    def __init__(self, world: RealWorld, person: Person) -> None:
        self.world, self.person = world, person
        self.login = world.ca.native(person)
        token, expires = f"api-{self.login}-" + "t" * 30, world.ca.logins[self.login].expires
        world.store.add_session(token, "api", self.login, now=int(world.ca.time), expires=expires)
        self.client, self.headers = world.app.test_client(), {"Authorization": f"Bearer {token}"}

    def get(self, path: str, status: int = 200) -> Any:
        return self._read(self.client.get(f"/api/v1/{path}", headers=self.headers), status)

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        return self._read(self.client.post(f"/api/v1/{path}", headers=self.headers, json=body), status)

    def signed(self, act: signed_actions.Act) -> dict[str, str]:
        """A consent to this act, by the login's key."""
        challenge = self._read(self.client.post("/api/v1/challenge", headers=self.headers), 201)["challenge"]
        text = signed_actions.act_text(act, challenge, self.world.ca.config.installation)
        return {"challenge": challenge, "signature": ssh_sign(self.world.ca.key(self.person), "act@ssh-jit", text)}

    @staticmethod
    def _read(answer: TestResponse, status: int) -> Any:
        assert answer.status_code == status, answer.text
        body: Any = answer.get_json() if answer.data else None
        return body["error"]["code"] if status >= 400 else body


@pytest.fixture
def world(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[RealWorld]:
    text = policy(PLAIN).replace('unlock = ["lead"]\n', 'unlock = ["lead"]\nhosts = ["lead"]\n')
    with build(tmp_path, issuers, text) as made:
        have = made.app.extensions["ssh-jit"]
        services.install(made.app, replace(have, ca=Carrying(made.ca)))
        yield made


def test_by_label_for_later_shorter_and_longer(world: RealWorld) -> None:
    dana, bob = Caller(world, DANA), Caller(world, BOB)
    start = int(world.ca.time) + 600
    asked = dana.post("requests", {**ASK, "labels": [["role", "db"]], "start": start}, 201)["request"]
    assert (asked["hosts"], asked["start"]) == (["db1"], start)
    path = f"requests/{asked['id']}"
    assert dana.post(f"{path}/comment", {"text": "for the release"})["comments"][0]["text"] == "for the release"
    decision = {"digest": asked["digest"], "comment": "", "consent": None, "duration": 900}
    assert bob.post(f"{path}/deny", decision, 400) == "bad_message"
    assert bob.post(f"{path}/approve", {**decision, "duration": 7200}, 400) == "bad_duration"
    approved = bob.post(f"{path}/approve", decision)
    assert (approved["ends"], approved["decisions"][0]["duration"]) == (start + 900, 900)
    assert dana.post(f"{path}/extend", {"reason": "CHG-7"}, 409) == "not_yet"
    world.ca.later(601)
    more = dana.post(f"{path}/extend", {"reason": "CHG-7 still at it"}, 201)["request"]
    assert (more["extends"], more["duration"]) == (asked["id"], 1800)
    assert dana.post(f"{path}/extend", {"reason": "CHG-7"})["existing"], "it waits already"
    assert dana.post(f"requests/{more['id']}/extend", {"reason": "CHG-7"}, 409) == "wrong_state"


def test_a_request_comes_with_its_requester_for_whoever_decides(world: RealWorld) -> None:
    dana, bob = Caller(world, DANA), Caller(world, BOB)
    asked = dana.post("requests", {**ASK, "hosts": ["db1"]}, 201)["request"]
    assert dana.get(f"requests/{asked['id']}")["about"] is None
    seen = bob.get(f"requests/{asked['id']}")
    assert wire.decode(m.RequestReply, seen).about is not None
    assert (seen["about"]["provider"], seen["because"]) == ("partner", ["lead"])


def test_lists_are_filtered(world: RealWorld) -> None:
    alice = Caller(world, ALICE)
    for host in ("web1", "web2"):
        alice.post("requests", {**ASK, "hosts": [host], "reason": f"for {host}"}, 201)
        world.ca.later(10)
    late = int(world.ca.time) - 10

    def found(query: str) -> list[str]:
        return [each["hosts"][0] for each in alice.get(f"requests?{query}")["requests"]]

    assert found("scope=mine") == ["web2", "web1"]
    assert found("find=for+web1") == ["web1"]
    assert found(f"since={late}") == ["web2"]
    assert found(f"before={late}") == ["web1"]
    assert found("state=pending") == []
    assert alice.get("requests?limit=1")["next"] is not None
    for query in ("scope=everybody", "state=odd", "since=1.5", "limit=x"):
        assert alice.get(f"requests?{query}", 400) == "bad_parameter"
    assert alice.get("requests?scope=all", 403) == "not_permitted"


def test_an_explanation_records_nothing(world: RealWorld) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    before = len(world.ca.kinds())
    found = wire.decode(m.ExplainReply, alice.post("explain", {**EXPLAIN, "hosts": ["web1"]}))
    assert (found.verdict, found.rule, found.login) == ("allow", "staging", "deploy")
    other = bob.post("explain", {**EXPLAIN, "hosts": ["db1"], "person": "acme/alice@example.com"})
    assert other["verdict"] == "denied"
    assert len(world.ca.kinds()) == before
    assert alice.post("explain", {**EXPLAIN, "hosts": ["web1"], "person": "acme/bob@example.com"}, 403)


def test_break_glass_and_its_review(world: RealWorld) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    asked = alice.post("requests", {**ASK, "hosts": ["db1"], "break_glass": True, "reason": "INC-9 it is down"}, 201)
    path = f"requests/{asked['request']['id']}"
    assert asked["request"]["break_glass"] is True
    assert [each["id"] for each in bob.get("requests?scope=review")["requests"]] == [asked["request"]["id"]]
    justified = {"verdict": "justified", "comment": "it was"}
    assert alice.post(f"{path}/review", justified, 403) == "not_permitted"
    assert bob.post(f"{path}/review", {**justified, "verdict": "fine"}, 400) == "bad_message"
    assert bob.post(f"{path}/review", justified)["review"]["verdict"] == "justified"
    assert bob.post(f"{path}/review", justified, 409) == "already_reviewed"


def test_locks_are_taken_on_a_word_and_given_back_on_a_signature(world: RealWorld) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    lock = {"kind": "everything", "target": None, "reason": "intruder"}
    assert alice.post("locks", lock, 403) == "not_permitted"
    made = bob.post("locks", lock, 201)["lock"]
    assert bob.post("locks", lock, 409) == "already_locked"
    assert alice.post("requests", {**ASK, "hosts": ["web1"]}, 403) == "locked"
    assert bob.get("locks")["locks"] == [made]
    assert alice.get("locks", 403) == "not_permitted"
    path = f"locks/{made['id']}/unlock"
    assert bob.post(path, {"reason": "over", "consent": None}, 403) == "signature_needed"
    given = bob.signed(m.Unlock(bob.login, made["id"], "something else", None))
    assert bob.post(path, {"reason": "over", "consent": given}, 403) == "signature_refused"
    given = bob.signed(m.Unlock(bob.login, made["id"], "over", None))
    bob.post(path, {"reason": "over", "consent": given}, 204)
    assert bob.get("locks")["locks"] == []
    assert bob.post(path, {"reason": "over", "consent": given}, 404) == "unknown_lock"


def test_revoking(world: RealWorld) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    asked = alice.post("requests", {**ASK, "hosts": ["web1"], "certificate": True}, 201)
    body = {"request": asked["request"]["id"], "serial": None, "sign_in": None, "reason": "over"}
    assert bob.post("revoke", {**body, "request": None}, 400) == "bad_message"
    assert bob.post("revoke", body)["requests"][0]["state"] == "revoked"
    assert bob.post("revoke", body, 409) == "wrong_state"
    assert bob.post("revoke", {**body, "request": None, "serial": 7}, 404) == "unknown_certificate"


def test_t53_hosts_are_kept_with_signatures(world: RealWorld) -> None:
    bob = Caller(world, BOB)
    host = {"name": "web9", "aliases": [], "address": "192.0.2.9", "port": 22, "labels": [["env", "staging"]]}
    body = {**host, "host_keys": []}
    assert bob.post("hosts", {**body, "consent": None}, 403) == "signature_needed"
    add = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), (), bob.login, None)
    added = bob.post("hosts", {**body, "consent": bob.signed(add)}, 201)
    assert (added["host"]["id"], added["invitation"]) == ("web9", None)
    assert bob.post("hosts", {**body, "consent": bob.signed(add)}, 409) == "name_taken"
    label = m.LabelHost("web9", (("env", "prod"),), bob.login, None)
    staged = {"labels": [["env", "staging"]], "consent": bob.signed(label)}
    assert bob.post("hosts/web9/labels", staged, 403) == "signature_refused"
    labelled = bob.post("hosts/web9/labels", {"labels": [["env", "prod"]], "consent": bob.signed(label)})
    assert labelled["host"]["labels"] == [["env", "prod"]]
    remove = m.RemoveHost("web9", "scrapped", bob.login, None)
    bob.post("hosts/web9/remove", {"reason": "scrapped", "consent": bob.signed(remove)}, 204)
    assert "web9" not in [each["name"] for each in bob.get("hosts")["hosts"]]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("bad_duration", "x"), 400),
        (Invalid("unknown_lock", "x"), 404),
        (Invalid("no_such_hosts", "x"), 404),
        (Invalid("already_decided", "x"), 409),
        (Invalid("nothing_to_review", "x"), 409),
        (Invalid("not_permitted", "x"), 403),
        (Refused("review_overdue", "x"), 403),
        (Refused("nobody_can_approve", "x"), 403),
        (Refused("too_many", "x"), 429),
        (Failed("ca_down", "x"), 503),
    ],
)
def test_every_error_has_its_status(error: Invalid | Refused | Failed, status: int) -> None:
    assert errors.status_of(error) == status

"""The rarer calls of the JSON API over a whole CA: real policy, real signatures, real log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit import signed_actions, wire
from sshjit.errors import Failed, Invalid, Refused
from sshjit_web import errors
from tests.support.in_process_ca import CommandLine, FrontEnd, front_end, policy
from tests.support.installation import ALICE, BOB, DANA, ssh_sign
from tests.support.issuer import Issuer

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


class Caller(CommandLine):
    """A command line whose answers are read: the body, or the code of the error."""

    def read(self, path: str, status: int = 200) -> Any:
        return _read(self.get(path), status)

    def send(self, path: str, body: Any, status: int = 200) -> Any:
        return _read(self.post(path, body), status)

    def signed(self, act: signed_actions.Act) -> dict[str, str]:
        """A consent to this act, by the login's key."""
        challenge = _read(self.post("challenge"), 201)["challenge"]
        text = signed_actions.act_text(act, challenge, self.world.ca.config.installation)
        return {"challenge": challenge, "signature": ssh_sign(self.world.ca.key(self.person), "act@ssh-jit", text)}


def _read(answer: TestResponse, status: int) -> Any:
    assert answer.status_code == status, answer.text
    body: Any = answer.get_json() if answer.data else None
    return body["error"]["code"] if status >= 400 else body


@pytest.fixture
def world(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[FrontEnd]:
    text = policy().replace('unlock = ["lead"]\n', 'unlock = ["lead"]\nhosts = ["lead"]\n')
    with front_end(tmp_path, issuers, text) as made:
        yield made


def test_by_label_for_later_shorter_and_longer(world: FrontEnd) -> None:
    dana, bob = Caller(world, DANA), Caller(world, BOB)
    start = int(world.ca.time) + 600
    asked = dana.send("requests", {**ASK, "labels": [["role", "db"]], "start": start}, 201)["request"]
    assert (asked["hosts"], asked["start"]) == (["db1"], start)
    path = f"requests/{asked['id']}"
    assert dana.send(f"{path}/comment", {"text": "for the release"})["comments"][0]["text"] == "for the release"
    decision = {"digest": asked["digest"], "comment": "", "consent": None, "duration": 900}
    assert bob.send(f"{path}/deny", decision, 400) == "bad_message"
    assert bob.send(f"{path}/approve", {**decision, "duration": 7200}, 400) == "bad_duration"
    approved = bob.send(f"{path}/approve", decision)
    assert (approved["ends"], approved["decisions"][0]["duration"]) == (start + 900, 900)
    assert dana.send(f"{path}/extend", {"reason": "CHG-7"}, 409) == "not_yet"
    world.ca.later(601)
    more = dana.send(f"{path}/extend", {"reason": "CHG-7 still at it"}, 201)["request"]
    assert (more["extends"], more["duration"]) == (asked["id"], 1800)
    assert dana.send(f"{path}/extend", {"reason": "CHG-7"})["existing"], "it waits already"
    assert dana.send(f"requests/{more['id']}/extend", {"reason": "CHG-7"}, 409) == "wrong_state"


def test_a_request_comes_with_its_requester_for_whoever_decides(world: FrontEnd) -> None:
    dana, bob = Caller(world, DANA), Caller(world, BOB)
    asked = dana.send("requests", {**ASK, "hosts": ["db1"]}, 201)["request"]
    assert dana.read(f"requests/{asked['id']}")["about"] is None
    seen = bob.read(f"requests/{asked['id']}")
    assert wire.decode(m.RequestReply, seen).about is not None
    assert (seen["about"]["provider"], seen["because"]) == ("partner", ["lead"])


def test_lists_are_filtered(world: FrontEnd) -> None:
    alice = Caller(world, ALICE)
    for host in ("web1", "web2"):
        alice.send("requests", {**ASK, "hosts": [host], "reason": f"for {host}"}, 201)
        world.ca.later(10)
    late = int(world.ca.time) - 10

    def found(query: str) -> list[str]:
        return [each["hosts"][0] for each in alice.read(f"requests?{query}")["requests"]]

    assert found("scope=mine") == ["web2", "web1"]
    assert found("find=for+web1") == ["web1"]
    assert found(f"since={late}") == ["web2"]
    assert found(f"before={late}") == ["web1"]
    assert found("state=pending") == []
    assert alice.read("requests?limit=1")["next"] is not None
    for query in ("scope=everybody", "state=odd", "since=1.5", "limit=x"):
        assert alice.read(f"requests?{query}", 400) == "bad_parameter"
    assert alice.read("requests?scope=all", 403) == "not_permitted"


def test_an_explanation_records_nothing(world: FrontEnd) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    before = len(world.ca.kinds())
    found = wire.decode(m.ExplainReply, alice.send("explain", {**EXPLAIN, "hosts": ["web1"]}))
    assert (found.verdict, found.rule, found.login) == ("allow", "staging", "deploy")
    other = bob.send("explain", {**EXPLAIN, "hosts": ["db1"], "person": "acme/alice@example.com"})
    assert other["verdict"] == "denied"
    assert len(world.ca.kinds()) == before
    assert alice.send("explain", {**EXPLAIN, "hosts": ["web1"], "person": "acme/bob@example.com"}, 403)


def test_break_glass_and_its_review(world: FrontEnd) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    asked = alice.send("requests", {**ASK, "hosts": ["db1"], "break_glass": True, "reason": "INC-9 it is down"}, 201)
    path = f"requests/{asked['request']['id']}"
    assert asked["request"]["break_glass"] is True
    assert [each["id"] for each in bob.read("requests?scope=review")["requests"]] == [asked["request"]["id"]]
    justified = {"verdict": "justified", "comment": "it was"}
    assert alice.send(f"{path}/review", justified, 403) == "not_permitted"
    assert bob.send(f"{path}/review", {**justified, "verdict": "fine"}, 400) == "bad_message"
    assert bob.send(f"{path}/review", justified)["review"]["verdict"] == "justified"
    assert bob.send(f"{path}/review", justified, 409) == "already_reviewed"


def test_locks_are_taken_on_a_word_and_given_back_on_a_signature(world: FrontEnd) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    lock = {"kind": "everything", "target": None, "reason": "intruder"}
    assert alice.send("locks", lock, 403) == "not_permitted"
    made = bob.send("locks", lock, 201)["lock"]
    assert bob.send("locks", lock, 409) == "already_locked"
    assert alice.send("requests", {**ASK, "hosts": ["web1"]}, 403) == "locked"
    assert bob.read("locks")["locks"] == [made]
    assert alice.read("locks", 403) == "not_permitted"
    path = f"locks/{made['id']}/unlock"
    assert bob.send(path, {"reason": "over", "consent": None}, 403) == "signature_needed"
    given = bob.signed(m.Unlock(bob.login, made["id"], "over", None))
    assert bob.send(path, {"reason": "over", "consent": given}, 426) == "too_old"
    shown = wire.fill(m.ShownLock, wire.decode(m.LockView, made))
    given = bob.signed(m.Unlock(bob.login, made["id"], "something else", None, shown))
    over = {"reason": "over", "consent": given, "shown": wire.encode(shown)}
    assert bob.send(path, over, 403) == "signature_refused"
    given = bob.signed(m.Unlock(bob.login, made["id"], "over", None, shown))
    over = {"reason": "over", "consent": given, "shown": wire.encode(shown)}
    assert bob.send(path, {**over, "shown": {**over["shown"], "reason": "a drill"}}, 409) == "shown_differs"
    bob.send(path, over, 204)
    assert bob.read("locks")["locks"] == []
    assert bob.send(path, over, 404) == "unknown_lock"


def test_revoking(world: FrontEnd) -> None:
    alice, bob = Caller(world, ALICE), Caller(world, BOB)
    asked = alice.send("requests", {**ASK, "hosts": ["web1"], "certificate": True}, 201)
    body = {"request": asked["request"]["id"], "serial": None, "sign_in": None, "reason": "over"}
    assert bob.send("revoke", {**body, "request": None}, 400) == "bad_message"
    assert bob.send("revoke", body)["requests"][0]["state"] == "revoked"
    assert bob.send("revoke", body, 409) == "wrong_state"
    assert bob.send("revoke", {**body, "request": None, "serial": 7}, 404) == "unknown_certificate"


def test_t53_hosts_are_kept_with_signatures(world: FrontEnd) -> None:
    bob = Caller(world, BOB)
    host = {"name": "web9", "aliases": [], "address": "192.0.2.9", "port": 22, "labels": [["env", "staging"]]}
    body = {**host, "host_keys": []}
    assert bob.send("hosts", {**body, "consent": None}, 403) == "signature_needed"
    add = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), (), bob.login, None)
    added = bob.send("hosts", {**body, "consent": bob.signed(add)}, 201)
    assert (added["host"]["id"], added["invitation"]) == ("web9", None)
    assert bob.send("hosts", {**body, "consent": bob.signed(add)}, 409) == "name_taken"
    shown = wire.fill(m.ShownHost, wire.decode(m.HostView, added["host"]))
    label = m.LabelHost("web9", (("env", "prod"),), bob.login, None, shown)
    body = {"labels": [["env", "prod"]], "consent": bob.signed(label), "shown": wire.encode(shown)}
    assert bob.send("hosts/web9/labels", {**body, "labels": [["env", "staging"]]}, 403) == "signature_refused"
    labelled = bob.send("hosts/web9/labels", {**body, "consent": bob.signed(label)})
    assert labelled["host"]["labels"] == [["env", "prod"]]
    scrapped = {"reason": "scrapped", "shown": wire.encode(shown)}
    remove = m.RemoveHost("web9", "scrapped", bob.login, None, shown)
    assert bob.send("hosts/web9/remove", {**scrapped, "consent": bob.signed(remove)}, 409) == "shown_differs"
    shown = wire.fill(m.ShownHost, wire.decode(m.HostView, labelled["host"]))
    remove, scrapped["shown"] = replace(remove, shown=shown), wire.encode(shown)
    bob.send("hosts/web9/remove", {**scrapped, "consent": bob.signed(remove)}, 204)
    assert "web9" not in [each["name"] for each in bob.read("hosts")["hosts"]]


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
        (Invalid("too_many", "a list is too long"), 400),
        (Failed("ca_down", "x"), 503),
    ],
)
def test_every_error_has_its_status(error: Invalid | Refused | Failed, status: int) -> None:
    assert errors.status_of(error) == status

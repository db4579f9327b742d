"""Reading the log: filters, pages that go on where they said, exports with positions and the checkpoint."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, merkle
from sshjit.errors import Invalid, SshJitError
from sshjit.events.table import KINDS
from sshjit_ca.log import export, ocsf, pages
from sshjit_ca.state import State
from tests.support import ocsf_schema
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation


@pytest.fixture
def told(ca: Installation) -> Installation:
    """Two people, two hosts, some time apart."""
    alice, bob, dana = ca.native(ALICE), ca.web(BOB), ca.native(DANA)
    ca.ask(alice, "web1")
    ca.later(600)
    other = ca.ask(dana, "db1").request
    ca.approve(bob, other, "go")
    ca.later(600)
    with pytest.raises(SshJitError):
        ca.ask(ca.web(CAROL), "db1")
    ca.say(m.Revoke(None, other.id, None, None, "over"), m.RevokeReply, "admin")
    return ca


def read(ca: Installation, limit: int = 500, **wanted: Any) -> m.LogReply:
    before, after = wanted.pop("before", None), wanted.pop("after", None)
    question = m.ReadLog(None, before, limit, after=after, **wanted)
    return ca.say(question, m.LogReply, "admin")


def kinds(reply: m.LogReply) -> list[str]:
    return [entry.kind for entry in reply.entries]


@pytest.mark.parametrize("who", ["d-4", "DANA@example.com", "partner/d-4", "partner/Dana@example.com", "id"])
def test_a_person_is_found_by_name_address_subject_and_id(told: Installation, who: str) -> None:
    subject = told.context.state.subjects["partner/d-4"]
    found = read(told, person=subject if who == "id" else who)
    assert kinds(found) == ["close", "grant", "ask", "login"]
    assert read(told, person="nobody@example.com").entries == ()
    assert read(told, person="acme/dana@example.com").entries == ()


def test_a_host_is_found_where_it_is_named_and_where_a_request_is_about_it(told: Installation) -> None:
    about = kinds(read(told, host="db1"))
    assert [kind for kind in about if not kind.startswith("host")] == ["close", "grant", "decision", "ask"]
    assert about[-1] == "host"
    assert "certificate" in kinds(read(told, host="web1"))
    assert "ask" in kinds(read(told, host="web1"))
    assert read(told, host="nohost").entries == ()
    assert read(told, host='web1"').entries == ()


def test_kinds_and_times_narrow(told: Installation) -> None:
    assert set(kinds(read(told, kind="login"))) == {"login"}
    start = int(told.time) - 1200
    assert {entry.time for entry in read(told, since=start + 1, until=start + 601).entries} == {start + 600}
    assert kinds(read(told, since=start + 601)) == ["close", "refusal", "login"]
    assert read(told, since=start + 1201).entries == ()
    assert len(read(told, until=start + 1201).entries) == told.context.state.size
    assert kinds(read(told, person="d-4", kind="ask", host="db1", since=start)) == ["ask"]
    with pytest.raises(Invalid) as unknown:
        read(told, kind="certificates")
    assert unknown.value.code == "unknown_kind"


@pytest.mark.parametrize("wanted", [{}, {"kind": "login"}, {"host": "web1"}, {"person": "a-1"}])
def test_pages_go_on_where_they_said_in_both_directions(
    told: Installation, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(told, **wanted).entries
    monkeypatch.setattr(pages, "SCANNED", 3)
    back: list[m.EntryView] = []
    position: int | None = None
    while True:
        reply = read(told, 2, **wanted, **({} if position is None else {"before": position}))
        back += reply.entries
        position = reply.next
        if position is None:
            break
    assert tuple(back) == whole
    forth: list[m.EntryView] = []
    position = -1
    while position is not None:
        reply = read(told, 2, after=position, **wanted)
        forth += reply.entries
        position = reply.next
    assert tuple(reversed(forth)) == whole


def test_a_follower_sees_what_comes_and_nothing_twice(told: Installation) -> None:
    size = read(told, 1).size
    assert read(told, after=size - 1).entries == ()
    told.native(ALICE)
    assert kinds(read(told, after=size - 1)) == ["login"]


def test_somebody_without_audit_sees_their_own_whatever_they_ask_for(told: Installation) -> None:
    login = told.native(DANA)
    question = m.ReadLog(login, None, 500, person="a-1")
    assert told.say(question, m.LogReply).entries == ()
    found = told.say(m.ReadLog(login, None, 500, host="db1"), m.LogReply)
    assert found.own_only
    assert {entry.kind for entry in found.entries} == {"ask", "grant", "close"}


def test_an_export_is_enough_to_verify_every_entry_and_the_head(told: Installation) -> None:
    lines = [json.loads(line) for line in export.jsonl(told.store, 0)]
    *entries, last = lines
    assert [each["entry"] for each in entries] == list(range(told.context.state.size))
    tree = merkle.Frontier()
    for each in entries:
        committed = hashlib.sha256(base64.b64decode(each["salt"]) + each["detail"].encode()).hexdigest()
        assert json.loads(each["fact"])["detail"] == committed
        tree.append(merkle.leaf_hash(each["fact"].encode()))
    origin, size, root = last["checkpoint"].split("\n")[:3]
    assert (origin, int(size), base64.b64decode(root)) == ("test/ssh-jit", tree.size, tree.head())
    assert [json.loads(line) for line in export.jsonl(told.store, 5)] == lines[5:]


def test_ocsf_events_are_of_the_classes_that_they_say(told: Installation) -> None:
    events = [json.loads(line) for line in export.as_ocsf(told.store, 3)]
    assert [each["unmapped"]["entry"] for each in events] == list(range(3, told.context.state.size))
    for each in events:
        ocsf_schema.check(each)
        assert each["message"]
    by_kind = {each["metadata"]["event_code"]: each for each in events}
    assert (by_kind["login"]["class_uid"], by_kind["login"]["user"]["name"]) == (3002, "c-3")
    assert (by_kind["grant"]["class_uid"], by_kind["grant"]["activity_id"]) == (3005, 1)
    assert (by_kind["close"]["class_uid"], by_kind["close"]["activity_id"]) == (3005, 2)
    assert by_kind["close"]["resources"] == [{"uid": "db1", "name": "db1", "type": "host"}]
    assert by_kind["refusal"]["status_id"] == 2
    assert by_kind["certificate"]["entity"]["type"] == "SSH user certificate"


def test_every_kind_of_entry_has_its_place_in_the_schema() -> None:
    for kind, (what, activity, name) in ocsf._ENTITIES.items():
        assert what
        assert activity == ocsf_schema.OTHER or ocsf_schema.CLASSES[3004].activities[activity] == name, kind
    assert set(ocsf._ENTITIES) <= set(KINDS)


def test_ocsf_events_of_erased_details_are_whole_too(told: Installation) -> None:
    for row in told.store.rows():
        ocsf_schema.check(ocsf.event_of(row.entry, None, State(), "its detail was erased"))
        if (event := entries.read(row.entry)) is not None:
            ocsf_schema.check(ocsf.event_of(row.entry, event, State(), "of somebody who is not known any more"))

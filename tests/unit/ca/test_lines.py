"""Every kind of entry has its line for people, and its place in OCSF."""

from __future__ import annotations

from sshjit import ca_protocol as m
from sshjit import events
from sshjit_ca.log import history, ocsf, summaries
from tests.support.break_glass import GLASS, break_glass, review
from tests.support.installation import ALICE, BOB, DANA, Installation


def test_every_kind_of_entry_has_a_line() -> None:
    assert summaries.LINES.keys() == set(events.KINDS.values())


def test_a_story_in_lines(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    ca.change_policy('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')
    dana, bob, alice = ca.native(DANA), ca.web(BOB), ca.native(ALICE)
    request = ca.ask(dana, "db1", start=int(ca.time) + 600).request
    ca.say(m.Comment(bob, request.id, "which index?"), m.RequestReply)
    ca.say(m.Comment(dana, request.id, "on orders"), m.RequestReply)
    ca.say(m.Approve(bob, request.id, request.digest, "go", None, 1800), m.RequestReply)
    ca.later(600)
    longer = ca.say(m.Extend(dana, request.id, "INC-1 slow", ""), m.AskReply).request
    ca.approve(bob, longer)
    review(ca, bob, break_glass(ca, alice).request, "unjustified", "no fire")
    ca.later(24 * 3600)
    ca.authority.sweep()
    said = [each.summary for each in ca.say(m.ReadLog(None, None, 100), m.LogReply, "admin").entries]
    for line in (
        'd-4 (partner) requested postgres@db1, 1 h from 2027-01-15 08:10 UTC, not signed: "CHG-7 add index"',
        'b-2 (acme) commented on the request of d-4 (partner): "which index?"',
        'd-4 (partner) commented on their own request: "on orders"',
        f'b-2 (acme) approved (not signed) {request.id}: postgres@db1, 30 min, for d-4 (partner): "go"',
        "postgres@db1 from 2027-01-15 08:10 UTC on is open to d-4 (partner) until 08:40:00: all approvals were given",
        'd-4 (partner) requested 30 min more for postgres@db1, not signed: "INC-1 slow"',
        "postgres@db1 stays open to d-4 (partner) until 09:10:00: all approvals were given",
        'a-1 (acme) used EMERGENCY ACCESS (break-glass) to root@db1, 30 min, not signed: "the database is on fire"',
        'b-2 (acme) reviewed the emergency access of a-1 (acme): unjustified: "no fire"',
        "root@db1 for a-1 (acme) is over, by time",
        "postgres@db1 for d-4 (partner) is approved, but not used in time, by time",
    ):
        assert line in said, (line, said)


def test_remarks_and_reviews_are_changes_of_the_request_and_broken_glass_is_severe(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    alice, bob = ca.native(ALICE), ca.web(BOB)
    request = break_glass(ca, alice).request
    ca.say(m.Comment(alice, request.id, "the disk"), m.RequestReply)
    review(ca, bob, request)
    told = {}
    for row in ca.store.rows():
        event = history.read(row)
        told[row.entry.kind] = ocsf.event_of(row.entry, event, ca.context.state, "")
    for kind, who in (("comment", ALICE), ("review", BOB)):
        assert (told[kind]["class_uid"], told[kind]["entity"]["type"]) == (3004, "access request")
        assert told[kind]["entity"]["uid"] == request.id
        assert told[kind]["actor"]["user"]["name"] == who.sub
    assert (told["ask"]["severity_id"], told["grant"]["severity_id"]) == (4, 4)
    ca.ask(ca.native(ALICE), "web1")
    ordinary = [row for row in ca.store.rows() if row.entry.kind == "grant"][-1]
    assert ocsf.event_of(ordinary.entry, history.read(ordinary), ca.context.state, "")["severity_id"] == 1

"""The queue of an approver: what expires first in front, counted, with who asks; page by page."""

from __future__ import annotations

from sshjit import ca_protocol as m
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

ERIN = Person("e-9", ("SRE Leads",), "erin@example.com")
PEOPLE = [Person(f"p-{number}", ("Database",), f"p{number}@example.com") for number in range(4)]


def queue(ca: Installation, *, limit: int = 10, **fields: object) -> m.RequestsReply:
    """What waits for Bob, most urgent first."""
    login = ca.web(BOB)
    wanted: dict[str, object] = {"before": None, "after": "", "order": "urgent", **fields}
    return ca.say(m.ReadRequests(login, "approve", limit, **wanted), m.RequestsReply)  # type: ignore[arg-type]


def asked(ca: Installation, person: Person, **fields: str) -> m.RequestView:
    return ca.ask(ca.native(person), "db1", **fields).request


def test_what_expires_first_comes_first_however_long_the_queue_is(ca: Installation) -> None:
    oldest = asked(ca, DANA)
    ca.later(600)
    others = [asked(ca, person) for person in PEOPLE]
    first = queue(ca, limit=2)
    assert (first.requests[0].id, first.total) == (oldest.id, 5)
    ids, page = [each.id for each in first.requests], first
    while page.next is not None:
        page = queue(ca, limit=2, before=page.next, after=page.next_after)
        ids += [each.id for each in page.requests]
        assert page.total == 5
    assert sorted(ids) == sorted([oldest.id, *(each.id for each in others)])
    newest = ca.say(m.ReadRequests(ca.web(BOB), "approve", 10, None), m.RequestsReply)
    assert (newest.requests[-1].id, newest.queued, newest.total) == (oldest.id, (), None)


def test_the_queue_says_who_asks_and_what_it_takes(ca: Installation) -> None:
    asked(ca, DANA)
    (queued,) = queue(ca).queued
    assert (queued.because, queued.signature_needed, queued.workload) == (("lead",), False, False)
    assert queued.signed_in is not None
    assert queued.signed_in <= int(ca.time)


def test_what_was_answered_or_is_ones_own_is_not_counted(ca: Installation) -> None:
    mine, theirs = asked(ca, DANA), [asked(ca, person) for person in PEOPLE]
    ca.approve(ca.web(BOB), mine)
    ca.say(m.Deny(ca.web(ERIN), theirs[0].id, theirs[0].digest, "no", None), m.RequestReply)
    reply = queue(ca)
    assert {each.id for each in reply.requests} == {each.id for each in theirs[1:]}
    assert reply.total == 3
    nobody = m.ReadRequests(ca.web(ALICE), "approve", 10, None, after="", order="urgent")
    assert ca.say(nobody, m.RequestsReply) == m.RequestsReply((), total=0)


def test_the_queue_is_searched_by_person_reason_and_label(ca: Installation) -> None:
    asked(ca, DANA, reason="CHG-7 the orders")
    asked(ca, PEOPLE[0], reason="CHG-8 the invoices")
    counts = {words: queue(ca, find=words).total for words in ("ORDERS", "p0@example", "role=db", "env=nowhere", "CHG")}
    assert counts == {"ORDERS": 1, "p0@example": 1, "role=db": 2, "env=nowhere": 0, "CHG": 2}

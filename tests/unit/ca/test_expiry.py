"""What time has ended is written down soon, and nothing depends on it."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit_ca.access import expiry
from tests.support import published_bundle
from tests.support.installation import ALICE, DANA, Installation


def closed(ca: Installation) -> list[events.Closed]:
    """The endings in the log, in order."""
    found = (entries.read(row.entry) for row in ca.store.rows())
    return [each for each in found if isinstance(each, events.Closed)]


def test_what_nobody_answered_used_or_ended_is_written_down_once(ca: Installation) -> None:
    ca.native(DANA)
    unanswered = ca.ask(ca.native(DANA), "db1").request
    alice = ca.native(ALICE)
    used = ca.ask(alice, "web1", duration=3600).request
    ca.say(m.End(alice, used.id), m.RequestReply)
    window = ca.ask(alice, "web1", duration=3600).request
    unused = ca.ask(ca.web(ALICE), "web1", duration=7200, start=int(ca.time) + 60).request
    assert ca.authority.sweep() == 0
    ca.later(4 * 3600)
    assert ca.authority.sweep() == 3
    assert ca.authority.sweep() == 0
    by_time = {each.request: each for each in closed(ca) if each.by is None}
    assert {each: said.state for each, said in by_time.items()} == {
        unanswered.id: "expired",
        window.id: "ended",
        unused.id: "lapsed",
    }


def test_how_a_request_stands_is_the_same_before_and_after(ca: Installation) -> None:
    ca.ask(ca.native(DANA), "db1")
    ca.ask(ca.native(ALICE), "web1", duration=3600)
    ca.later(4 * 3600)
    login = {person.sub: ca.native(person) for person in (ALICE, DANA)}

    def standing() -> list[object]:
        read = (ca.say(m.ReadRequests(each, "mine", 10, None), m.RequestsReply) for each in login.values())
        return [
            (each.id, each.state, each.ends, each.use_by, each.certificates) for page in read for each in page.requests
        ]

    before, hosts_told = standing(), published_bundle.newest(ca)
    assert ca.authority.sweep() == 2
    assert standing() == before
    assert (published_bundle.newest(ca).ended, published_bundle.newest(ca).krl) == (hosts_told.ended, hosts_told.krl)


def test_many_take_several_ticks_and_a_restart_changes_nothing(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "MOST", 3)
    alice = ca.native(ALICE)
    for number in range(7):
        ca.ask(alice, "web1", start=int(ca.time) + 60 * (number + 1))
    assert ca.authority.sweep() == 0
    ca.later(20 * 3600)
    assert ca.authority.sweep() == 3
    ca.restart()
    assert [ca.authority.sweep() for _ in range(3)] == [3, 1, 0]
    assert len({each.request for each in closed(ca)}) == 7


def test_nothing_is_written_while_the_clock_is_not_believed(ca: Installation) -> None:
    ca.ask(ca.native(DANA), "db1")
    ca.time += 24 * 3600  # the wall clock alone
    assert ca.authority.sweep() == 0
    assert closed(ca) == []
    ca.say(m.ConfirmClock("a battery was dead"), m.ClockReply, "admin")
    assert ca.authority.sweep() == 1

"""Hosts tell of sessions: each event once, by the host's key, held against the log; what does not fit is an alarm."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events, sshcert, wire
from sshjit.errors import Invalid, Refused
from sshjit_ca.access import session_reports
from sshjit_ca.log import ocsf, summaries
from sshjit_ca.service import alerts
from sshjit_host.sessions import reports as host_side
from tests.support import ocsf_schema
from tests.support.installation import ALICE, Installation, make_key
from tests.support.signatures import host_keys, join, report_sessions, session_event

NEW = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), ())


@pytest.fixture
def key(ca: Installation) -> Path:
    """The key of web9, which has joined."""
    keys = host_keys(ca, "ed25519")
    reply = ca.say(NEW, m.HostReply, "admin")
    assert reply.invitation is not None
    ca.say(join(ca, "web9", reply.invitation.token, keys), m.HostReply, "web")
    return keys[0]


def drawn(ca: Installation, host: str = "web9") -> dict[str, Any]:
    """What a host says of a session by a certificate that the CA has just issued."""
    reply = ca.ask(ca.native(ALICE), host, certificate=True)
    assert reply.certificate is not None
    return described(reply.certificate.text, grant=reply.request.id, login=reply.request.login)


def described(line: str, **more: Any) -> dict[str, Any]:
    certificate, blob = sshcert.parse_line(line)[0], base64.b64decode(line.split()[1])
    return {
        "serial": certificate.serial,
        "certificate": hashlib.sha256(blob).hexdigest(),
        "key_id": certificate.key_id,
        "login": "deploy",
        "grant": "",
        **more,
    }


def say(ca: Installation, key: Path, *told: m.SessionEvent, **changed: Any) -> int:
    return ca.say(report_sessions(ca, key, *told, **changed), m.SessionsReply, "web").taken


def recorded(ca: Installation) -> list[events.SessionStarted | events.SessionEnded]:
    read = [entries.read(row.entry) for row in ca.store.rows()]
    return [each for each in read if isinstance(each, events.SessionStarted | events.SessionEnded)]


def test_a_session_stands_in_the_log_with_its_grant_and_is_no_alarm(ca: Installation, key: Path) -> None:
    session = drawn(ca)
    assert say(ca, key, session_event(5, **session), session_event(9, **session, kind="end", why="window")) == 9
    start, end = recorded(ca)
    assert isinstance(start, events.SessionStarted)
    assert (start.known, start.request, start.name, start.source) == ("granted", session["grant"], "web9", "192.0.2.7")
    assert isinstance(end, events.SessionEnded)
    assert (end.request, end.why) == (session["grant"], "window")
    lines = [summaries.summary(ca.context.state, each) for each in (start, end)]
    assert lines == [
        f"session on deploy@web9 from 192.0.2.7: certificate {session['serial']}",
        f"session on deploy@web9 is over, the time of the access was over: certificate {session['serial']}",
    ]
    assert [alerts.kind_of(each) for each in (start, end)] == [None, None]


def test_each_event_is_taken_once_however_often_it_is_sent_and_over_a_restart(ca: Installation, key: Path) -> None:
    session = drawn(ca)
    first, second = session_event(5, **session), session_event(6, **session, kind="end", why="logout")
    assert say(ca, key, first) == 5
    assert say(ca, key, first, second) == 6
    ca.restart()
    assert say(ca, key, first, second) == 6
    assert len(recorded(ca)) == 2


def test_a_certificate_that_the_log_does_not_know_is_an_alarm(ca: Installation, key: Path) -> None:
    session = drawn(ca)
    forged = {**session, "certificate": "f" * 64}
    say(ca, key, session_event(1, **forged), session_event(2, serial=2**60), session_event(3, serial=17))
    assert [each.known for each in recorded(ca) if isinstance(each, events.SessionStarted)] == ["unknown"] * 3
    assert {alerts.kind_of(each) for each in recorded(ca)} == {"session_unknown"}
    assert "DOES NOT KNOW" in summaries.summary(ca.context.state, recorded(ca)[0])
    due, _ = alerts.find(ca.store, 0, ca.context.journal.durable)
    assert len(due) == 3


@pytest.mark.parametrize("other", ["host", "login"])
def test_one_for_another_host_or_account_too(ca: Installation, key: Path, other: str) -> None:
    session = drawn(ca, "web1" if other == "host" else "web9")
    say(ca, key, session_event(1, **{**session, **({"login": "root"} if other == "login" else {})}))
    (start,) = recorded(ca)
    assert isinstance(start, events.SessionStarted)
    assert (start.known, start.request) == ("elsewhere", None)
    assert alerts.kind_of(start) == "session_elsewhere"


def test_an_emergency_certificate_is_known_and_an_alarm(ca: Installation, key: Path) -> None:
    public = make_key(ca.home / "urgent").with_suffix(".pub").read_text()
    reply = ca.say(m.SignEmergency("root", ("web9",), public, "provider down", 600), m.EmergencyReply, "admin")
    said = described(reply.text, login="root", emergency=True)
    say(ca, key, session_event(1, **said), session_event(2, **{**said, "login": "deploy"}))
    assert [each.known for each in recorded(ca) if isinstance(each, events.SessionStarted)] == [
        "emergency",
        "elsewhere",
    ]
    assert alerts.kind_of(recorded(ca)[0]) == "session_emergency"


def test_what_the_host_program_signs_is_what_the_ca_reads(ca: Installation, key: Path) -> None:
    message = report_sessions(ca, key, session_event(1), session_event(2, kind="end", why="logout"), lost=3)
    said = json.loads(json.dumps(wire.encode(message)))
    assert host_side.text(ca.config.installation, said) == session_reports.text(ca.config.installation, message)
    assert host_side.NAMESPACE == session_reports.NAMESPACE
    assert host_side.MOST == m.MOST_SESSION_EVENTS


def test_a_report_is_by_the_host_s_key_fresh_and_seldom(ca: Installation, key: Path) -> None:
    message = report_sessions(ca, key, session_event(1))
    thief = make_key(ca.home / "thief")
    for changed, code in (
        (replace(message, lost=1), "signature_refused"),
        (report_sessions(ca, thief, session_event(1)), "unknown_host_key"),
        (report_sessions(ca, key, session_event(1), name="web1"), "unknown_host_key"),
        (report_sessions(ca, key, session_event(1), time=int(ca.time) - 600), "not_fresh"),
    ):
        with pytest.raises(Refused) as error:
            ca.say(changed, m.SessionsReply, "web")
        assert error.value.code == code
    assert "session" not in ca.kinds()
    say(ca, key, session_event(1))
    with pytest.raises(Refused) as soon:
        say(ca, key, session_event(2), later=1)
    assert soon.value.code == "too_soon"


def passed_over(ca: Installation) -> list[tuple[int, int, str]]:
    read = [entries.read(row.entry) for row in ca.store.rows()]
    return [(each.number, each.count, each.problem) for each in read if isinstance(each, events.SessionReportRefused)]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"number": 7}, "number is not higher"),
        ({"number": -1}, "out of range"),
        ({"number": 2**53}, "out of range"),
        ({"time": -5}, "out of range"),
        ({"serial": 2**64}, "out of range"),
        ({"session": "../x"}, "id"),
        ({"login": "x y"}, "account"),
        ({"login": "jürgen"}, "account"),
        ({"certificate": "zz"}, "no certificate"),
        ({"source": "\x1b[2J"}, "something else"),
        ({"grant": "ü"}, "something else"),
        ({"key_id": "a\nb"}, "something else"),
        ({"kind": "end", "why": "boredom"}, "an end that there is not"),
    ],
    ids=str,
)
def test_what_no_host_says_is_passed_over_and_alarms_and_the_host_goes_on(
    ca: Installation, key: Path, told: dict[str, Any], why: str
) -> None:
    """Its spool is sent in order, so one event that the CA never takes would be the last thing that it hears."""
    odd = session_event(**{"number": 8, **told})
    last = say(ca, key, session_event(7), odd, session_event(9, session="ses-0000000000000009"))
    assert last == 9
    assert [each.number for each in recorded(ca)] == [7, 9]
    ((number, count, problem),) = passed_over(ca)
    assert (number, count) == (9, 1)
    assert why in problem
    ca.restart()
    assert say(ca, key, odd, session_event(10)) == 10, "nothing is told twice"
    assert [each.number for each in recorded(ca)] == [7, 9, 10]


def test_an_event_that_no_host_says_is_an_alarm_also_where_it_is_the_last_one(ca: Installation, key: Path) -> None:
    assert say(ca, key, session_event(3, login="x y"), session_event(4, certificate="zz")) == 4
    assert passed_over(ca) == [(4, 2, passed_over(ca)[0][2])]
    assert say(ca, key, session_event(4)) == 4
    assert recorded(ca) == []
    assert say(ca, key, session_event(2**53)) == 2**53
    assert say(ca, key, session_event(5)) == 5, "a number that no event has does not shut the host out"
    assert say(ca, key, session_event(2**60), session_event(6)) == 6
    assert [each.number for each in recorded(ca)] == [5, 6], "nor does it make those after it old"
    event = events.SessionReportRefused(4, 2, "it names no certificate", "web9", "web9")
    assert alerts.kind_of(event) == "session_refused"
    assert "web9" in summaries.summary(ca.context.state, event)


def test_a_report_of_nothing_is_refused(ca: Installation, key: Path) -> None:
    with pytest.raises(Invalid):
        say(ca, key)


def test_a_recovery_certificate_is_another_alarm_than_one_that_nobody_knows(ca: Installation, key: Path) -> None:
    """By the host's word: its CA is one of ``recovery.pub``, or its key id says so. The log has neither."""
    say(ca, key, session_event(1, emergency=True, key_id="safe in Zug"), session_event(2, key_id="who is this"))
    kinds = [alerts.kind_of(each) for each in recorded(ca)]
    assert kinds == ["session_recovery", "session_unknown"]
    lines = [summaries.summary(ca.context.state, each) for each in recorded(ca)]
    assert "RECOVERY" in lines[0]
    assert "'safe in Zug'" in lines[0]
    assert "'who is this'" in lines[1]
    rows = [row for row in ca.store.rows() if row.entry.kind == "session"]
    told = [ocsf.event_of(row.entry, each, ca.context.state, "x") for row, each in zip(rows, recorded(ca), strict=True)]
    assert [each["severity_id"] for each in told] == [4, 4]


def test_what_the_host_says_of_a_certificate_that_the_log_knows_does_not_count(ca: Installation, key: Path) -> None:
    say(ca, key, session_event(1, **{**drawn(ca), "emergency": True}))
    assert [alerts.kind_of(each) for each in recorded(ca)] == [None]


def test_t68_a_host_cannot_fill_the_log(ca: Installation, key: Path) -> None:
    ca.context.session_budget.most = 3
    assert say(ca, key, session_event(1), session_event(2)) == 2
    with pytest.raises(Refused) as error:
        say(ca, key, session_event(3), session_event(4))
    assert error.value.code == "too_many"
    assert ca.kinds().count("session") == 2
    ca.later(3600)
    assert say(ca, key, session_event(3), session_event(4)) == 4


def test_a_host_that_is_gone_is_not_believed_and_a_later_one_begins_anew(ca: Installation, key: Path) -> None:
    say(ca, key, session_event(7))
    ca.say(m.RemoveHost("web9", "broken", None, None), m.Done, "admin")
    with pytest.raises(Refused) as error:
        say(ca, key, session_event(8))
    assert error.value.code == "unknown_host_key"
    assert ca.context.state.session_events == {}


def test_they_are_ocsf_events(ca: Installation, key: Path) -> None:
    session = drawn(ca)
    say(ca, key, session_event(1, **session), session_event(2, **session, kind="end", why="logout"), session_event(3))
    rows = [row for row in ca.store.rows() if row.entry.kind in ("session", "session-end")]
    exported = [
        ocsf.event_of(row.entry, told, ca.context.state, "x") for row, told in zip(rows, recorded(ca), strict=True)
    ]
    for each in exported:
        ocsf_schema.check(each)
    assert [(each["class_uid"], each["activity_id"], each["severity_id"]) for each in exported] == [
        (3002, 1, 1),
        (3002, 2, 1),
        (3002, 1, 4),
    ]
    assert exported[0]["src_endpoint"] == {"ip": "192.0.2.7"}

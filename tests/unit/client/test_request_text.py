"""How requests read: lists on wide and narrow terminals, where each stands, and what is said when it is over."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from sshjit import ask_again
from sshjit.api.details import ExtensionView, PastView, RequesterView, RequestReply
from sshjit.api.views import DecisionView, PersonView, RequestState, RequestView, StepView
from sshjit.styles import Styles
from sshjit.terminal_text import width
from sshjit_client.api.basic import BasicApi
from sshjit_client.console import exit_codes
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.times import at
from sshjit_client.requests import request_text, waiting
from sshjit_client.requests.request_details import request_details

ALICE = PersonView("sub-alice0001", "acme", "Alice", "alice@example.com")
BOB = PersonView("sub-bob000001", "acme", "Bob", "bob@example.com")
NOW = int(time.time())
PAGE = "https://ssh-jit.example.com/requests/req-7k2m7k2m7k2m7k2m"
PLAIN = Styles(colour=False, columns=200)
LONGER = f"extended by Bob: req-0 is open until {at(NOW)}"


def request(**changed: Any) -> RequestView:
    """Alice's request for db1, which waits for Bob, or what is changed of that."""
    step = StepView("sre-lead", 1, signed=False, missing=1, candidates=("Bob",))
    plain = RequestView(
        id="req-7k2m7k2m7k2m7k2m",
        digest="d" * 64,
        state=RequestState.PENDING,
        how=None,
        requester=ALICE,
        hosts=("db1",),
        host_ids=("db1",),
        login="postgres",
        action="shell",
        command=None,
        duration=3600,
        reason="CHG-7 add the index that the report of every morning waits for",
        rule="prod-database",
        policy="0" * 64,
        asked=NOW - 60,
        channel="native",
        address="192.0.2.7",
        pending_until=NOW + 1740,
        approved=None,
        use_by=None,
        ends=None,
        certificate=300,
        certificates=0,
        steps=(step,),
        decisions=(),
        closing="",
        start=None,
        break_glass=False,
        review_by=None,
        review=None,
        comments=(),
        extends=None,
        extend_by=None,
    )
    return replace(plain, **changed)


def yes(duration: int | None) -> DecisionView:
    return DecisionView(BOB, "approve", "", NOW, "native", signed=True, duration=duration)


OPEN: dict[str, Any] = {"state": RequestState.APPROVED, "approved": NOW, "ends": NOW + 3600}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "pending, 29 min left"),
        (OPEN, f"open until {at(NOW + 3600)}"),
        ({**OPEN, "use_by": NOW + 900}, f"open until {at(NOW + 3600)}, to be used by {at(NOW + 900)}"),
        ({**OPEN, "use_by": NOW + 900, "certificates": 1}, f"open until {at(NOW + 3600)}"),
        ({**OPEN, "use_by": NOW + 3600}, f"open until {at(NOW + 3600)}"),
        ({**OPEN, "start": NOW + 600}, f"approved, opens {at(NOW + 600)}"),
        ({**OPEN, "start": NOW - 600}, f"open until {at(NOW + 3600)}"),
        ({**OPEN, "extends": "req-0"}, f"granted, until {at(NOW + 3600)}"),
        ({**OPEN, "review_by": NOW + 86400}, f"not reviewed; open until {at(NOW + 3600)}"),
        ({"state": RequestState.LAPSED}, "lapsed"),
    ],
)
def test_where_a_request_stands(changed: dict[str, Any], said: str) -> None:
    assert request_text.state_text(request(**changed), NOW) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "postgres@db1, 1 h"),
        ({"action": "migrate"}, "postgres@db1, migrate, 1 h"),
        ({"break_glass": True}, "BREAK-GLASS postgres@db1, 1 h"),
        ({"extends": "req-0"}, "postgres@db1, 1 h more"),
        ({"hosts": ("a", "b", "c", "d")}, "postgres@a,b,c,d, 1 h"),
        ({"hosts": tuple("abcdefgh")}, "postgres@a,b,c +5, 1 h"),
    ],
)
def test_what_a_request_is_for(changed: dict[str, Any], said: str) -> None:
    assert request_text.what(request(**changed)) == said


def test_a_list_takes_a_line_each_where_there_is_room_and_two_where_there_is_not() -> None:
    found = (request(), request(break_glass=True, hosts=tuple("abcdefgh"), **OPEN))
    everything, wide, narrow = (
        request_text.requests(found, NOW, theirs=True, columns=columns) for columns in (0, 140, 60)
    )
    assert [line.split()[0] for line in everything.splitlines()] == ["ID", "req-7k2m7k2m", "req-7k2m7k2m"]
    assert found[0].reason in everything
    assert len(wide.splitlines()) == 3
    assert len(narrow.splitlines()) == 7
    for columns, text in ((140, wide), (60, narrow)):
        assert max(map(width, text.splitlines())) <= columns
    assert "requested" in narrow
    assert "CHG-7 add the index" in narrow
    assert request_text.state_text(found[1], NOW) in narrow, "no time is cut"
    middle = request_text.requests(found[:1], NOW, theirs=False, columns=80)
    assert len(middle.splitlines()) == 3
    assert request_text.state_text(found[0], NOW) in middle


def test_a_request_that_waits_says_for_when_it_is() -> None:
    later = NOW + 7200
    assert f"pending, for {at(later)}, " in request_text.state_text(request(start=later), NOW)
    assert "for" not in request_text.state_text(request(start=NOW - 60), NOW)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"reason": "CHG-7 it's"}, """ssh-jit request --reason 'CHG-7 it'"'"'s' postgres@db1"""),
        ({"reason": "", "action": "migrate"}, "ssh-jit request --action migrate postgres@db1"),
        (
            {"reason": "", "action": "command", "command": "id -u"},
            "ssh-jit request --action command postgres@db1 'id -u'",
        ),
        ({"reason": "", "hosts": ("a", "b")}, "ssh-jit request postgres@a b"),
        ({"reason": "INC-1", "break_glass": True}, "ssh-jit break-glass --reason INC-1 postgres@db1"),
        ({"reason": "INC-1", "extends": "req-0"}, "ssh-jit extend --reason INC-1 req-0"),
    ],
)
def test_what_is_out_of_date_says_what_to_type(changed: dict[str, Any], line: str) -> None:
    blocked = request(blocked="req-7 is out of date", **changed)
    assert ask_again.line(blocked) == line
    text = request_details(RequestReply(blocked), NOW, PLAIN, PAGE)
    assert f"next step  {line} (what the rules are now: ssh-jit explain {blocked.hosts[0]})" in text


def test_a_card_is_as_wide_as_the_terminal_and_hides_nothing() -> None:
    asked = request(hosts=tuple(f"web{number}" for number in range(60)), start=NOW + 600)
    text = request_details(RequestReply(asked), NOW, Styles(colour=False, columns=80), PAGE)
    assert max(map(width, text.splitlines())) <= 80
    assert "web59" in text
    assert "begins" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"decisions": (yes(None),)}, "approved by Bob"),
        ({"decisions": (yes(1800),)}, "approved by Bob, for 30 min"),
        (
            {"decisions": (yes(None),), "extends": "req-0", "ends": NOW},
            LONGER,
        ),
    ],
)
def test_a_yes_is_told_with_what_is_different(changed: dict[str, Any], said: str) -> None:
    assert waiting.granted(request(**{**OPEN, **changed})) == said


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (RequestState.DENIED, ExitCode.DENIED, "denied: why not"),
        (RequestState.CANCELLED, ExitCode.DENIED, "is cancelled: why not"),
        (RequestState.REVOKED, ExitCode.DENIED, "is revoked: why not"),
        (RequestState.EXPIRED, ExitCode.EXPIRED, "nobody decided in time"),
        (RequestState.LAPSED, ExitCode.EXPIRED, "is lapsed"),
        (RequestState.ENDED, ExitCode.EXPIRED, "is ended"),
    ],
)
def test_every_end_is_told_and_has_its_exit_code(state: RequestState, code: ExitCode, said: str) -> None:
    ended = request(state=state, closing="why not")
    error = waiting.over(BasicApi("https://jit.example"), ended)
    assert said in error.message
    assert error.page == f"https://jit.example/requests/{ended.id}"
    assert exit_codes.of(error) is code


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize("filler", ["x" * 120, "CHG-7 " + "東" * 60, "a b " * 40])
def test_t29_a_reason_cannot_write_a_line_of_its_own(columns: int, filler: str) -> None:
    reason = f"{filler}rule:staging"
    past = PastView("req-0", RequestState.ENDED, "automatic", ("web1",), "deploy", "shell", reason, "r", NOW, NOW)
    about = RequesterView(
        "acme", ("SRE",), ("sre",), NOW, NOW, mfa=False, hardware_key=False, address="::1", live=(past,), recent=(past,)
    )
    lines = request_details(
        RequestReply(request(reason=reason), about), NOW, Styles(colour=False, columns=columns), PAGE
    ).split("\n")
    assert max(map(width, lines)) <= columns
    assert not [line for line in lines if line.startswith(("rule:", "x", "東", "a b"))]


def about(**changed: Any) -> RequesterView:
    """What is known of a requester who has nothing else."""
    plain = RequesterView(
        "github", (), ("deployer",), NOW, None, mfa=False, hardware_key=False, address="::1", live=(), recent=()
    )
    return replace(plain, **changed)


def test_an_approver_reads_that_it_is_a_workload_and_by_which_claims() -> None:
    claims = ("environment=production", "ref=refs/heads/evil\u202e\x1b[2J\nrule: staging", "sub=repo:acme/app")
    shown = request_details(RequestReply(request(), about(workload=True, claims=claims)), NOW, PLAIN, PAGE)
    for line in (
        "  kind       a workload: a CI job or a machine, not a person",
        "  claim      environment=production",
        "  claim      ref=refs/heads/evil\\u202e\\x1b[2J\\x0arule: staging",
        "  claim      sub=repo:acme/app",
        "  token      was made for the key that signed in",
    ):
        assert line in shown.splitlines(), shown
    for of_people in ("  groups", "  with", "second factor"):
        assert of_people not in shown
    unbound = request_details(
        RequestReply(request(), about(workload=True, claims=claims, unbound=True)), NOW, PLAIN, PAGE
    )
    assert "  token      named no key (unbound): whoever saw it" in unbound
    person = request_details(RequestReply(request(), about(groups=("SRE",))), NOW, PLAIN, PAGE)
    assert "  groups     SRE" in person
    assert not {"workload", "claim", "token"} & set(person.split())


def test_a_grants_card_tells_every_ask_for_more_time_and_what_became_of_it() -> None:
    asked = ExtensionView(
        id="req-2",
        state=RequestState.DENIED,
        how=None,
        person=ALICE,
        duration=1800,
        reason="CHG-7 takes longer",
        asked=NOW,
        pending_until=NOW + 600,
        ends=None,
        decisions=(replace(yes(None), verdict="deny", comment="not now"),),
        closing="not now",
        signed=True,
    )
    given = replace(asked, state=RequestState.ENDED, how="reviewed", ends=NOW + 1800, decisions=(yes(600),))
    by_rule = replace(given, how="automatic", decisions=())
    waits = replace(asked, state=RequestState.PENDING, decisions=(), closing="", reason="", signed=False)
    back = replace(asked, state=RequestState.CANCELLED, decisions=(), closing="the grant is over")
    now, later = at(NOW), at(NOW + 1800)
    text = request_details(
        RequestReply(request(**OPEN), extensions=(asked, given, by_rule, waits, back)), NOW, PLAIN, PAGE
    )
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("extensions"))
    assert [line[10:].strip() for line in lines[begin : begin + 10]] == [
        f"30 min more, requested {now} by Alice: CHG-7 takes longer",
        f"denied by Bob, signed, {now}: not now",
        f"30 min more, requested {now} by Alice: CHG-7 takes longer",
        f"approved by Bob, signed, for 10 min at most, {now}; open until {later}",
        f"30 min more, requested {now} by Alice: CHG-7 takes longer",
        f"approved by the rule; open until {later}",
        f"30 min more, requested {now} by Alice, not signed",
        "pending, 10 min left",
        f"30 min more, requested {now} by Alice: CHG-7 takes longer",
        "cancelled: the grant is over",
    ]
    assert "extensions" not in request_details(RequestReply(request(**OPEN)), NOW, PLAIN, PAGE)


def test_who_may_decide_is_told_so_only_while_there_is_something_to_decide() -> None:
    waiting = request_details(RequestReply(request(), because=("lead",)), NOW, PLAIN, PAGE)
    assert "you can approve  you have the role lead" in waiting
    assert "you can approve" not in request_details(RequestReply(request(**OPEN), because=("lead",)), NOW, PLAIN, PAGE)

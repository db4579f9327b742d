"""Break-glass, reviews, locks, history and log by the pages, over a whole CA."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from tests.support.in_process_ca import EVE, FrontEnd
from tests.support.installation import ALICE, BOB, DANA

REASON = "INC-13 the orders database is down"


def broken(world: FrontEnd) -> str:
    answer = world.post(ALICE, "/break-glass", host="db1", again="db1", reason=REASON)
    assert answer.status_code == 303, answer.text
    return str(answer.location.rpartition("/")[2])


def test_the_break_glass_page_says_what_it_sets_off(world: FrontEnd) -> None:
    page = world.page(ALICE, "/break-glass")
    for shown in ("on-call", "30 min", "pager", "lead", "auditor", "reviewed within", "Type the host's name again"):
        assert shown in page
    assert "You have no emergency access" in world.page(DANA, "/break-glass")


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "db1", "again": "db1", "reason": "too short"},
        {"host": "db1", "again": "db2", "reason": REASON},
        {"host": "db1", "reason": REASON},
        {"host": ["db1", "web1"], "again": "db1", "reason": REASON},
        {"again": "", "host": "", "reason": REASON},
    ],
)
def test_breaking_the_glass_needs_one_host_twice_and_a_reason(
    world: FrontEnd, fields: dict[str, str | list[str]]
) -> None:
    answer = world.post(ALICE, "/break-glass", **fields)
    assert answer.status_code == 400
    assert "bad_form_field" in answer.text
    assert "ask" not in world.ca.kinds()


def test_the_page_names_each_kind_of_hosts_that_a_rule_opens(world: FrontEnd) -> None:
    old = 'hosts = { env = "prod" }\nlogins = ["root"]'
    world.ca.change_policy(old, 'hosts = [{ env = "prod", role = "db" }, { env = "staging" }]\nlogins = ["root"]')
    page = re.sub(r"<[^>]*>", "", world.page(ALICE, "/break-glass"))
    assert re.search(r"on hosts with env=prod\s+role=db\s+or\s+env=staging", page)


def test_who_presses_return_in_a_box_of_several_lines_is_not_refused_for_it(world: FrontEnd) -> None:
    answer = world.post(
        ALICE, "/break-glass", host="db1", again="db1", reason="INC-13\r\nthe database is \r\n\r\ndown\r\n"
    )
    assert answer.status_code == 303, answer.text
    request_id = answer.location.rpartition("/")[2]
    assert "INC-13 the database is down" in world.page(BOB, f"/requests/{request_id}")
    answer = world.post(BOB, f"/requests/{request_id}/review", verdict="justified", comment="looked at it\r\nall fine")
    assert answer.status_code == 303, answer.text
    assert "looked at it all fine" in world.page(BOB, f"/requests/{request_id}")


def test_an_open_break_glass_access_marks_every_page_of_its_owner(world: FrontEnd) -> None:
    request_id = broken(world)
    for path in ("/requests", "/requests/new", "/history", "/log", f"/requests/{request_id}", "/explain"):
        assert "Emergency access active:" in world.page(ALICE, path), path
    for path in ("/requests", "/history?whose=mine"):
        assert re.search(r'class="(card )?red"', world.page(ALICE, path)), path
    missing = world.get(ALICE, "/requests/req-00000000")
    assert missing.status_code == 404
    assert "Emergency access active:" in missing.text
    assert "EMERGENCY ACCESS" in world.page(EVE, "/log")
    world.post(ALICE, f"/requests/{request_id}/end")
    assert "Emergency access active:" not in world.page(ALICE, "/requests")


def test_reviewers_are_nagged_until_somebody_else_has_looked(world: FrontEnd) -> None:
    request_id = broken(world)
    for person in (BOB, EVE):
        assert "1 emergency access needs a review" in world.page(person, "/requests")
    assert "needs a review" not in world.page(DANA, "/requests")
    assert request_id in world.page(BOB, "/reviews")
    silent = world.post(BOB, f"/requests/{request_id}/review", verdict="unjustified", comment=" ")
    assert silent.status_code == 400
    assert world.post(BOB, f"/requests/{request_id}/review", comment="fine").status_code == 400
    own = world.post(ALICE, f"/requests/{request_id}/review", verdict="justified")
    assert own.status_code == 403
    done = world.post(BOB, f"/requests/{request_id}/review", verdict="unjustified", comment="the pager was quiet")
    assert done.status_code == 303
    assert "Nothing to review" in world.page(BOB, "/reviews")
    page = world.page(ALICE, f"/requests/{request_id}")
    assert "Not justified" in page
    assert "the pager was quiet" in page
    world.ca.later(10)
    assert "needs a review" not in world.page(EVE, "/requests")


def test_an_overdue_review_says_so_and_stops_the_next_one(world: FrontEnd) -> None:
    broken(world)
    world.ca.later(90_000)
    world.browsers.clear()
    assert "overdue since" in world.page(BOB, "/reviews")
    again = world.post(ALICE, "/break-glass", host="db1", again="db1", reason=REASON)
    assert again.status_code == 403
    assert "review_overdue" in again.text


def test_an_approver_sees_who_asks_and_may_give_less(world: FrontEnd) -> None:
    world.browser(DANA, amr=["mfa"])
    old = world.ask(DANA, "db1", login="postgres", reason="CHG-1 the first")
    world.post(DANA, f"/requests/{old}/cancel")
    request_id = world.ask(DANA, "db1", login="postgres", reason="CHG-7 the second")
    page = world.page(BOB, f"/requests/{request_id}")
    for shown in (
        "partner, just now",
        "192.0.2.7",
        "(MFA)",
        "CHG-1 the first",
        "You can decide as",
    ):
        assert shown in page
    digest = world.view(BOB, request_id).digest
    sure = world.post(BOB, f"/requests/{request_id}/approve", digest=digest, duration="30m", comment="be quick")
    assert "You approve 30 min instead of 1 h." in sure.text
    assert 'name="duration" value="30m"' in sure.text
    world.post(BOB, f"/requests/{request_id}/approve", digest=digest, duration="30m", confirmed="yes")
    view = world.view(BOB, request_id)
    assert view.ends is not None
    assert view.ends - (view.approved or 0) == 1800
    assert "approved for 30 min" in world.page(DANA, f"/requests/{request_id}")


def test_a_denial_needs_its_reason_on_both_pages(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    digest = world.view(DANA, request_id).digest
    for fields in ({}, {"confirmed": "yes"}):
        answer = world.post(BOB, f"/requests/{request_id}/deny", digest=digest, denial=" ", **fields)
        assert answer.status_code == 400
        assert "The reason for the denial is missing" in answer.text
    assert world.view(DANA, request_id).state is m.RequestState.PENDING


def test_both_sides_comment(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    world.post(BOB, f"/requests/{request_id}/comment", text="is there a <b>rollback</b>?")
    page = world.page(DANA, f"/requests/{request_id}")
    assert "is there a &lt;b&gt;rollback&lt;/b&gt;?" in page
    assert world.post(DANA, f"/requests/{request_id}/comment", text=" ").status_code == 400
    assert world.post(ALICE, f"/requests/{request_id}/comment", text="hello").status_code == 404


def test_a_lock_is_confirmed_and_says_what_it_took(world: FrontEnd) -> None:
    world.ask(ALICE, "web1", login="deploy")
    sure = world.post(BOB, "/locks", kind="host", target="web1", reason="rootkit found")
    assert "Lock <bdi>web1</bdi>" in sure.text
    assert "lock" not in world.ca.kinds()
    done = world.post(BOB, "/locks", kind="host", target="web1", reason="rootkit found", confirmed="yes")
    assert "revoked 1 grant" in done.text
    lock_id = re.search(r"ssh-jit unlock (lock-\w+) --reason", world.page(BOB, "/locks"))
    assert lock_id is not None
    for fields in (
        {"kind": "host", "reason": "x"},
        {"kind": "moon", "target": "x", "reason": "x"},
        {"kind": "everything"},
    ):
        assert world.post(BOB, "/locks", confirmed="yes", **fields).status_code == 400
    refused = world.post(DANA, "/locks", kind="everything", reason="because", confirmed="yes")
    assert refused.status_code == 403
    assert "not_permitted" in refused.text
    assert 'id="target"' not in world.page(EVE, "/locks")


def test_a_grant_is_revoked_after_a_second_look(world: FrontEnd) -> None:
    request_id = world.ask(ALICE, "web1", login="deploy")
    assert world.post(DANA, f"/requests/{request_id}/revoke", reason="enough").status_code == 404  # dana may not see it
    request_id = world.ask(DANA, "db1", login="postgres")
    digest = world.view(DANA, request_id).digest
    world.post(BOB, f"/requests/{request_id}/approve", digest=digest, confirmed="yes")
    assert world.post(BOB, f"/requests/{request_id}/revoke").status_code == 400
    sure = world.post(BOB, f"/requests/{request_id}/revoke", reason="the change was called off")
    assert "Revoke access" in sure.text
    assert world.view(DANA, request_id).state is m.RequestState.APPROVED
    world.post(BOB, f"/requests/{request_id}/revoke", reason="the change was called off", confirmed="yes")
    assert world.view(DANA, request_id).state is m.RequestState.REVOKED
    assert "the change was called off" in world.page(DANA, f"/requests/{request_id}")


def test_who_may_lock_and_nothing_else_looks_at_a_grant_and_ends_it(world: FrontEnd) -> None:
    request_id = world.ask(ALICE, "web1", login="deploy", reason="CHG-1 look at the queue")
    path = f"/requests/{request_id}"
    page = world.page(BOB, path)
    for shown in ("<bdi>Alice</bdi>", "CHG-1 look at the queue", "Revoke this access", "No other active access."):
        assert shown in page
    for hidden in ("Add a comment", "<h2>Decision</h2>", "<h3>Recent</h3>"):
        assert hidden not in page
    assert world.get(DANA, path).text.replace(request_id, "") == world.get(DANA, "/requests/req-none").text.replace(
        "req-none", ""
    )
    assert world.post(BOB, f"{path}/comment", text="who are you?").status_code == 404
    assert world.post(BOB, f"{path}/revoke", reason="odd commands", confirmed="yes").status_code == 303
    assert "odd commands" in world.page(BOB, path)
    over = world.ask(ALICE, "web2", login="deploy")
    world.page(BOB, f"/requests/{over}")
    world.post(ALICE, f"/requests/{over}/end")
    late = world.post(BOB, f"/requests/{over}/revoke", reason="odd commands", confirmed="yes")
    assert (late.status_code, "wrong_state" in late.text) == (409, True)
    assert world.get(BOB, f"/requests/{over}").status_code == 404


def test_the_history_is_searched_and_paged_for_auditors_and_for_oneself(world: FrontEnd) -> None:
    for number in range(35):
        request_id = world.ask(
            ALICE, "web1", login="deploy", reason=f"CHG-{number} needle" if number == 3 else f"CHG-{number}"
        )
        world.post(ALICE, f"/requests/{request_id}/end")
        world.ca.later(60)
    other = world.ask(DANA, "db1", login="postgres")
    page = world.page(EVE, "/history")
    assert other in page
    older = re.search(r'href="(/history\?before=\d+&amp;after=req-[a-z0-9]+)"', page)
    assert older is not None
    assert "CHG-0" in world.page(EVE, html.unescape(older[1]))
    found = world.page(EVE, "/history?find=needle")
    assert found.count('href="/requests/req-') == 1
    assert world.page(EVE, "/history?state=pending").count('href="/requests/req-') == 1
    assert "No requests found" in world.page(EVE, "/history?since=2027-02-01")
    assert other not in world.page(ALICE, "/history")
    assert other not in world.page(ALICE, "/history?whose=all")
    for wrong in ("since=yesterday", "state=asleep"):
        assert world.get(EVE, f"/history?{wrong}").status_code == 400


def test_the_log_is_filtered(world: FrontEnd) -> None:
    world.ask(ALICE, "web1", login="deploy")
    world.ask(DANA, "db1", login="postgres")
    by_kind = world.page(EVE, "/log?kind=ask")
    assert by_kind.count('<span class="kind">ask</span>') == by_kind.count('<span class="kind">') == 2
    by_person = world.page(EVE, "/log?kind=ask&person=Dana")
    assert by_person.count('<span class="kind">') == 1
    assert world.page(EVE, "/log?kind=ask&host=web1").count('<span class="kind">') == 1
    assert "No entries found" in world.page(EVE, "/log?until=2026-01-01T00:00")
    wrong = world.get(EVE, "/log?since=then")
    assert wrong.status_code == 400
    assert "bad_form_field" in wrong.text


@pytest.mark.parametrize("act", ["extend", "comment", "review", "revoke", "approve", "deny"])
def test_t29_no_link_does_anything(world: FrontEnd, act: str) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    before = world.ca.kinds()
    answer = world.get(BOB, f"/requests/{request_id}/{act}?confirmed=yes&verdict=justified&reason=x&text=x")
    assert answer.status_code == 405
    assert world.get(BOB, "/locks?kind=everything&reason=x&confirmed=yes").status_code == 200
    assert world.get(ALICE, f"/break-glass?host=db1&again=db1&reason={REASON}").status_code == 200
    assert [kind for kind in world.ca.kinds()[len(before) :] if kind not in ("login", "provider")] == []


def test_every_page_of_a_busy_installation_is_small(world: FrontEnd) -> None:
    for number in range(100):
        world.ca.add_host(f"app{number}", env="prod", role="app")
    for _ in range(31):
        request_id = world.ask(ALICE, "web1", login="deploy", reason="x" * 490)
        world.post(ALICE, f"/requests/{request_id}/end")
        world.ca.later(1)
    waiting, glass = world.ask(DANA, "db1", login="postgres"), broken(world)
    assets = sum(file.stat().st_size for file in Path(world.app.static_folder or "").iterdir())
    seen = [(ALICE, path) for path in ("/requests", "/requests/new?host=db1", "/break-glass", "/history")]
    seen += [(EVE, path) for path in ("/history", "/log", "/reviews", "/locks", f"/requests/{glass}")]
    seen += [(BOB, path) for path in ("/approvals", "/locks", "/explain?more=db1", f"/requests/{waiting}")]
    for person, path in seen:
        answer = world.get(person, path)
        assert answer.status_code == 200, path
        assert len(answer.data) + assets <= 60_000, path

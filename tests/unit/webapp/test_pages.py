"""The pages, seen by the people who use them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TypeVar

import pytest

from sshjit import ca_protocol as m
from sshjit_web import services
from sshjit_web.pages import history
from tests.support.in_process_ca import BEA, EVE, ORIGIN, FrontEnd, InProcessCa, form_token
from tests.support.installation import ALICE, BOB, CAROL, DANA, Person

R = TypeVar("R")
BAD_REASON = "<script>alert(1)</script>\x1b[2J \u202egnp.exe\u2066 \u200b\r\nX: y\x00"


GRACE = Person("g-7", ("SRE", "Database", "SRE Leads"), "grace@example.com")
"""Somebody with every role."""


class CarelessCa(InProcessCa):
    """A CA that lets through what the real one refuses, so that the front end has to make it harmless by itself."""

    def call(self, message: m.Message, reply: type[R]) -> R:
        answer: object = super().call(message, reply)
        if isinstance(answer, m.RequestReply):
            answer = replace(answer, request=_spoil(answer.request))
        elif isinstance(answer, m.RequestsReply):
            answer = replace(answer, requests=tuple(_spoil(view) for view in answer.requests))
        elif isinstance(answer, m.LogReply):
            answer = replace(answer, entries=tuple(replace(entry, summary=BAD_REASON) for entry in answer.entries))
        assert isinstance(answer, reply)
        return answer


def _spoil(view: m.RequestView) -> m.RequestView:
    requester = replace(view.requester, name=BAD_REASON)
    return replace(view, reason=BAD_REASON, requester=requester, command=BAD_REASON, action="command")


def decide(world: FrontEnd, person: Person, request_id: str, verdict: str, **fields: str) -> int:
    """Approves or denies what the requester sees; the status of the answer."""
    digest = world.view(DANA, request_id).digest
    path = f"/requests/{request_id}/{verdict}"
    return world.post(person, path, digest=digest, confirmed="yes", **fields).status_code


def test_a_stranger_is_sent_to_the_sign_in_and_back(world: FrontEnd) -> None:
    answer = world.stranger().get("/requests/req-1?x=1")
    assert answer.status_code == 303
    assert answer.location == "/sign-in?next=/requests/req-1?x%3D1"
    assert world.stranger().post("/requests/new").status_code == 403


def test_an_automatic_request_opens_at_once_and_shows_what_to_type(world: FrontEnd) -> None:
    request_id = world.ask(ALICE, "web1")
    page = world.browser(ALICE).get(f"/requests/{request_id}").text
    assert "ssh-jit deploy@web1" in page
    assert "Approved by rule" in page
    assert "env=staging" in page
    assert "ssh-jit deploy@web1" in world.browser(ALICE).get("/requests").text


def test_what_the_server_chose_is_said(world: FrontEnd) -> None:
    answer = world.post(ALICE, "/requests/new", host=["web1"])
    assert answer.status_code == 200
    assert "You log in as deploy" in answer.text


def test_a_second_in_which_more_was_asked_than_a_page_shows_comes_by_the_page(
    world: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "REQUESTS_SHOWN", 2)
    made = set()
    for _ in range(5):
        request_id = world.ask(ALICE, "web1")
        world.post(ALICE, f"/requests/{request_id}/end")
        made.add(request_id)
    browser, address, pages = world.browser(ALICE), "/history", []
    while address:
        page = browser.get(address).text
        pages.append(set(re.findall(r'href="/requests/(req-[a-z0-9]+)"', page)))
        link = re.search(r'href="([^"]+)">Older requests', page)
        address = html.unescape(link[1]) if link else ""
    assert [len(page) for page in pages] == [2, 2, 1]
    assert set().union(*pages) == made


def test_asking_twice_says_that_it_is_the_same_request(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    again = world.post(DANA, "/requests/new", host=["db1"], reason="CHG-8 something else")
    assert again.status_code == 200
    assert request_id in again.text
    assert "Already requested just now, reason “<bdi>CHG-7 add index</bdi>”." in again.text
    assert "Your new reason was not recorded." in again.text


def test_an_approver_sees_everything_and_confirms(world: FrontEnd) -> None:
    world.browser(BEA)
    request_id = world.ask(DANA, "db1", action="migrate", duration="1h")
    assert request_id in world.browser(BOB).get("/approvals").text
    page = world.browser(BOB).get(f"/requests/{request_id}").text
    view = world.view(DANA, request_id)
    for shown in (
        "Dana",
        "dana@example.com",
        "partner",
        "db1",
        "env=prod",
        "postgres",
        "migrate",
        "/opt/app/bin/migrate",
    ):
        assert shown in page
    for shown in ("1 h", "CHG-7 add index", "database", view.digest, "127.0.0.1", "lead", "Bea"):
        assert shown in page
    first = world.post(BOB, f"/requests/{request_id}/approve", digest=view.digest, comment="go")
    assert first.status_code == 200
    assert "Approve this request?" in first.text
    assert world.view(DANA, request_id).state is m.RequestState.PENDING
    done = world.post(BOB, f"/requests/{request_id}/approve", digest=view.digest, comment="go", confirmed="yes")
    assert done.status_code == 303
    assert world.view(DANA, request_id).state is m.RequestState.APPROVED
    assert "Bob" in world.browser(DANA).get(f"/requests/{request_id}").text


def test_t52_where_a_signature_is_needed_the_page_names_the_command_and_offers_no_approval(world: FrontEnd) -> None:
    world.ca.change_policy("count = 1 }]\npending", "count = 1, signed = true }]\npending")
    request_id = world.ask(DANA, "db1")
    page = world.browser(BOB).get(f"/requests/{request_id}").text
    assert "needs a signature by your key" in page
    assert f"ssh-jit approve {request_id}" in page
    assert "Approve…" not in page
    assert "Deny…" in page


def test_t52_where_only_a_signature_is_missing_the_page_offers_no_approval_either(world: FrontEnd) -> None:
    """A step without a signature that lacks somebody else does not count for Lea, nor one that is complete."""
    erin, lea = Person("e-5", ("SRE Leads",)), Person("l-1", ("SRE Leads", "Database"))
    owners = '[owners.kind]\nlabel = "role"\nroles = { db = "dba" }\n[actions.migrate]'
    world.ca.change_policy("[actions.migrate]", owners)
    both = 'count = 1, not_own = "kind" }, { from = "lead", count = 1, signed = true }]\npending'
    world.ca.change_policy("count = 1 }]\npending", both)
    request_id = world.ask(DANA, "db1")
    path = f"/requests/{request_id}"
    assert "Approve…" not in world.page(lea, path)
    assert "Your approval needs a signature by your key" in world.page(lea, path)
    assert world.page(lea, path).count(f"ssh-jit approve {request_id}") == 1
    for person in (BOB, erin):
        assert "Approve…" in world.page(person, path)
        assert "Your approval needs a signature" not in world.page(person, path)
    digest = world.view(DANA, request_id).digest
    assert world.post(BOB, f"{path}/approve", digest=digest, confirmed="yes").status_code == 303
    assert "Approve…" not in world.page(erin, path)
    assert f"ssh-jit approve {request_id}" in world.page(erin, path)
    assert "Deny…" in world.page(erin, path)


def test_t73_what_policy_blocks_is_said_and_is_not_offered_to_approvers(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    assert "Approve…" in world.page(BOB, f"/requests/{request_id}")
    digest = world.view(DANA, request_id).digest
    world.ca.change_policy("count = 1 }]\npending", "count = 2 }]\npending")
    page = world.page(BOB, f"/requests/{request_id}")
    assert "Nobody can approve it now" in page
    assert "now needs approval by 2 of lead" in page
    assert "<h2>Decision</h2>" not in page
    assert request_id not in world.page(BOB, "/approvals")
    assert "Send a new request" in world.page(DANA, f"/requests/{request_id}")
    answer = world.post(BOB, f"/requests/{request_id}/approve", digest=digest, comment="", confirmed="yes")
    assert answer.status_code == 403
    assert "policy_changed" in answer.text


def test_t73_access_that_gives_no_more_certificates_is_not_called_active(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    assert decide(world, BOB, request_id, "approve") == 303
    assert "ssh-jit postgres@db1" in world.page(DANA, "/requests")
    world.ca.change_policy("count = 1 }]\npending", "count = 2 }]\npending")
    page = world.page(DANA, "/requests")
    assert "No certificate is issued now" in page
    assert "Out of date" in page
    assert "ssh-jit postgres@db1" not in page


def test_denying_carries_the_comment(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    assert decide(world, BOB, request_id, "deny", denial="not today") == 303
    page = world.browser(DANA).get(f"/requests/{request_id}").text
    assert "not today" in page
    assert "Denied" in page


def test_t21_the_requester_gets_no_button_and_the_authoritys_no(world: FrontEnd) -> None:
    world.browser(BOB)
    request_id = world.ask(GRACE, "db1")
    assert "<h2>Decision</h2>" not in world.browser(GRACE).get(f"/requests/{request_id}").text
    digest = world.view(GRACE, request_id).digest
    answer = world.post(GRACE, f"/requests/{request_id}/approve", digest=digest, comment="", confirmed="yes")
    assert answer.status_code == 403
    assert "own_request" in answer.text


def test_t23_another_digest_is_refused_before_and_after_the_confirmation(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    for fields in ({}, {"confirmed": "yes"}):
        answer = world.post(BOB, f"/requests/{request_id}/approve", digest="0" * 64, comment="", **fields)
        assert answer.status_code == 409
        assert "digest_differs" in answer.text


def test_t24_the_slower_approver_is_told(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    outcomes = [
        decide(world, person, request_id, verdict, denial="no")
        for person, verdict in ((BOB, "approve"), (BEA, "deny"), (BOB, "approve"))
    ]
    assert outcomes == [303, 409, 303], "the same answer twice is no error"


@pytest.mark.parametrize("path", ["approve", "deny", "cancel", "end"])
def test_t29_get_never_decides(world: FrontEnd, path: str) -> None:
    request_id = world.ask(DANA, "db1")
    answer = world.browser(BOB).get(f"/requests/{request_id}/{path}?confirmed=yes")
    assert answer.status_code == 405
    assert "GET" not in answer.headers["Allow"]
    assert world.view(DANA, request_id).state is m.RequestState.PENDING


def test_t29_what_a_requester_wrote_is_inert_everywhere(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    world.browser(BOB)
    services.install(world.app, replace(world.app.extensions["ssh-jit"], ca=CarelessCa(world.ca)))
    digest = world.view(DANA, request_id).digest
    browser = world.browser(BOB)
    pages = [browser.get(path).text for path in (f"/requests/{request_id}", "/approvals", "/log")]
    pages.append(world.post(BOB, f"/requests/{request_id}/approve", digest=digest, comment=BAD_REASON).text)
    pages.append(world.post(DANA, "/requests/new", host=[BAD_REASON], reason=BAD_REASON, login=BAD_REASON).text)
    for page in pages:
        assert "<script>alert" not in page
        assert "⟨U+202E⟩" in page
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\u2028]", html.unescape(page))


def test_a_refusal_is_shown_on_the_form_with_what_was_typed(world: FrontEnd) -> None:
    answer = world.post(CAROL, "/requests/new", host=["web1"], reason="because of Monday")
    assert answer.status_code == 403
    for shown in ("No rule allows logging in to web1", "no_rule", "because of Monday", "checked"):
        assert shown in answer.text
    assert "needs the role" in answer.text


def test_a_form_without_a_host_says_so(world: FrontEnd) -> None:
    answer = world.post(ALICE, "/requests/new", reason="x")
    assert answer.status_code == 400
    assert "No host is chosen" in answer.text


def test_one_takes_back_and_ends(world: FrontEnd) -> None:
    world.browser(BOB)
    waiting, live = world.ask(GRACE, "db1"), world.ask(GRACE, "web1")
    assert world.post(GRACE, f"/requests/{waiting}/cancel").status_code == 303
    assert world.post(GRACE, f"/requests/{live}/end").status_code == 303
    assert world.post(GRACE, f"/requests/{live}/end").status_code == 409
    page = world.browser(GRACE).get("/requests").text
    assert "Cancelled" in page
    assert "Ended" in page


def test_somebody_elses_request_does_not_exist(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    answer = world.browser(CAROL).get(f"/requests/{request_id}")
    assert answer.status_code == 404
    assert "unknown_request" in answer.text


def test_the_script_notices_changes(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1")
    address = f"/requests/{request_id}/state"
    before = world.browser(DANA).get(address).get_json()
    assert decide(world, BOB, request_id, "approve") == 303
    after = world.browser(DANA).get(address).get_json()
    assert before != after
    assert f'data-version="{after["version"]}"' in world.browser(DANA).get(f"/requests/{request_id}").text


def test_empty_pages_say_what_to_do(world: FrontEnd) -> None:
    assert "You have not requested anything yet" in world.browser(CAROL).get("/requests").text
    assert "No requests to approve" in world.browser(CAROL).get("/approvals").text
    for name in ("db1", "web1", "web2"):
        world.ca.say(m.RemoveHost(name, "scrapped", None, None), m.Done, "admin")
    assert "There are no hosts yet" in world.browser(CAROL).get("/requests/new").text


def fill_log(world: FrontEnd, entries: int) -> None:
    """Adds so many entries, comments on a request of Dana's."""
    request_id = world.ask(DANA, "db1")
    login = next(login for login in world.ca.logins.values() if login.person.email == DANA.email)
    for number in range(entries):
        world.ca.later(10)
        world.ca.say(m.Comment(login.id, request_id, f"remark number {number} " + "x" * 200), m.RequestReply)


def test_the_log_is_paged_and_says_when_it_is_only_ones_own(world: FrontEnd) -> None:
    fill_log(world, 40)
    first = world.page(EVE, "/log")
    assert f'<span class="index">{len(world.ca.kinds()) - 1}</span>' in first
    older = re.search(r'href="(/log\?before=(\d+))"', first)
    assert older is not None
    next_index = f'<span class="index">{int(older[2]) - 1}</span>'
    assert next_index not in first
    assert next_index in world.page(EVE, older[1])
    assert "only entries about you" not in first
    assert "only entries about you" in world.page(CAROL, "/log")


def test_many_hosts_are_searched(world: FrontEnd) -> None:
    for number in range(1000):
        world.ca.add_host(f"app{number}", env="prod" if number % 2 else "staging")
    page = world.page(ALICE, "/requests/new?q=app77&host=app1")
    assert 'value="app777"' in page
    assert 'value="app1" checked' in page
    assert len(page) < 40_000


def test_every_page_is_small(world: FrontEnd) -> None:
    fill_log(world, 40)
    request_id = world.view(DANA, world.ask(DANA, "db1")).id
    browser = world.browser(BOB)
    page = browser.get(f"/requests/{request_id}").text
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(set(files)) == 3
    shared = 0
    for file in set(files):
        with browser.get(file) as answer:
            shared += len(answer.data)
            assert "immutable" in answer.headers["Cache-Control"]
    for path in ("/requests", "/requests/new", "/approvals", "/log", f"/requests/{request_id}", "/sign-in"):
        assert len(browser.get(path).data) + shared <= 60_000, path


def test_forms_of_other_sites_are_refused(world: FrontEnd) -> None:
    client = world.browser(ALICE)
    good = {"form_token": form_token(client), "host": "web1"}
    cases = [
        ({**good, "form_token": "0" * 64}, {"Origin": ORIGIN}),
        ({"host": "web1"}, {"Origin": ORIGIN}),
        ({**good, "form_token": form_token(world.browser(BOB))}, {"Origin": ORIGIN}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Sec-Fetch-Site": "same-site"}),
    ]
    for data, headers in cases:
        answer = client.post("/requests/new", data=data, headers=headers)
        assert answer.status_code == 403
        assert "bad_form" in answer.text
    assert "ask" not in world.ca.kinds()
    assert client.post("/requests/new", data=good, headers={"Origin": ORIGIN}).status_code == 200

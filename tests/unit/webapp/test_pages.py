"""The pages, seen by the people who use them."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from tests.unit.webapp.conftest import ORIGIN, World

BAD_REASON = "<script>alert(1)</script>\x1b[2J \u202egnp.exe\u2066 \u200b\r\nX: y\x00"


def ask(world: World, name: str, host: str, **more: str) -> str:
    answer = world.post(name, "/requests/new", host=[host], reason="CHG-7 add index", login="deploy", **more)
    assert answer.status_code == 303, answer.text
    return answer.location.rpartition("/")[2]


def test_a_stranger_is_sent_to_the_sign_in_and_back(world: World) -> None:
    answer = world.anybody().get("/requests/req-1?x=1")
    assert answer.status_code == 303
    assert answer.location == "/sign-in?next=/requests/req-1?x%3D1"
    assert world.anybody().post("/requests/new").status_code == 403


def test_an_automatic_request_opens_at_once_and_shows_what_to_type(world: World) -> None:
    request_id = ask(world, "alice", "web1")
    page = world.browser("alice").get(f"/requests/{request_id}").text
    assert "ssh-jit deploy@web1" in page
    assert "Approved by rule" in page
    assert "env=staging" in page
    assert "ssh-jit deploy@web1" in world.browser("alice").get("/requests").text


def test_what_the_server_chose_is_said(world: World) -> None:
    answer = world.post("alice", "/requests/new", host=["web1"])
    assert answer.status_code == 200
    assert "You log in as deploy" in answer.text


def test_asking_twice_says_that_it_is_the_same_request(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    again = world.post("dana", "/requests/new", host=["db1"], reason="CHG-8 something else", login="deploy")
    assert again.status_code == 200
    assert request_id in again.text
    assert "You had asked for this before" in again.text


def test_an_approver_sees_everything_and_confirms(world: World) -> None:
    request_id = ask(world, "dana", "db1", action="migrate", duration="1h")
    assert request_id in world.browser("bob").get("/approvals").text
    page = world.browser("bob").get(f"/requests/{request_id}").text
    view = world.standin.requests[request_id]
    for shown in ("Dana", "dana@example.com", "acme", "db1", "env=prod", "deploy", "migrate", "/opt/app/bin/migrate"):
        assert shown in page
    for shown in ("1 h", "CHG-7 add index", "prod-database", view.digest, "127.0.0.1", "sre-lead", "Bea"):
        assert shown in page
    first = world.post("bob", f"/requests/{request_id}/approve", digest=view.digest, comment="go")
    assert first.status_code == 200
    assert "Approve this request?" in first.text
    assert world.standin.requests[request_id].state is m.RequestState.PENDING
    done = world.post("bob", f"/requests/{request_id}/approve", digest=view.digest, comment="go", confirmed="yes")
    assert done.status_code == 303
    assert world.standin.requests[request_id].state is m.RequestState.APPROVED
    assert "Bob" in world.browser("dana").get(f"/requests/{request_id}").text


def test_t52_where_a_signature_is_needed_the_page_names_the_command_and_offers_no_approval(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    view = world.standin.requests[request_id]
    world.standin.requests[request_id] = replace(view, steps=tuple(replace(each, signed=True) for each in view.steps))
    page = world.browser("bob").get(f"/requests/{request_id}").text
    assert "counts only with a signature by your key" in page
    assert f"ssh-jit approve {request_id}" in page
    assert "Approve…" not in page
    assert "Deny…" in page


def test_denying_carries_the_comment(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    digest = world.standin.requests[request_id].digest
    world.post("bob", f"/requests/{request_id}/deny", digest=digest, denial="not today", confirmed="yes")
    page = world.browser("dana").get(f"/requests/{request_id}").text
    assert "not today" in page
    assert "Denied" in page


def test_t21_the_requester_gets_no_button_and_the_authoritys_no(world: World) -> None:
    request_id = ask(world, "bob", "db1")
    assert "Your answer" not in world.browser("bob").get(f"/requests/{request_id}").text
    digest = world.standin.requests[request_id].digest
    answer = world.post("bob", f"/requests/{request_id}/approve", digest=digest, comment="", confirmed="yes")
    assert answer.status_code == 403
    assert "you cannot answer this request" in answer.text.lower()


def test_t23_another_digest_is_refused_before_and_after_the_confirmation(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    for fields in ({}, {"confirmed": "yes"}):
        answer = world.post("bob", f"/requests/{request_id}/approve", digest="0" * 64, comment="", **fields)
        assert answer.status_code == 409
        assert "digest_differs" in answer.text


def test_t24_the_slower_approver_is_told(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    digest = world.standin.requests[request_id].digest
    outcomes = [
        world.post(name, f"/requests/{request_id}/{verdict}", digest=digest, denial="no", confirmed="yes").status_code
        for name, verdict in (("bob", "approve"), ("bea", "deny"), ("bob", "approve"))
    ]
    assert outcomes == [303, 409, 409]


@pytest.mark.parametrize("path", ["approve", "deny", "cancel", "end"])
def test_t29_get_never_decides(world: World, path: str) -> None:
    request_id = ask(world, "dana", "db1")
    answer = world.browser("bob").get(f"/requests/{request_id}/{path}?confirmed=yes")
    assert answer.status_code == 405
    assert "GET" not in answer.headers["Allow"]
    assert world.standin.requests[request_id].state is m.RequestState.PENDING


def test_t29_what_a_requester_wrote_is_inert_everywhere(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    view = world.standin.requests[request_id]
    evil = replace(
        view,
        reason=BAD_REASON,
        requester=replace(view.requester, name=BAD_REASON),
        command=BAD_REASON,
        action="command",
    )
    world.standin.requests[request_id] = evil
    world.standin.record("ask", BAD_REASON, {"reason": BAD_REASON})
    browser = world.browser("bob")
    pages = [browser.get(path).text for path in (f"/requests/{request_id}", "/approvals", "/log")]
    pages.append(world.post("bob", f"/requests/{request_id}/approve", digest=evil.digest, comment=BAD_REASON).text)
    pages.append(world.post("dana", "/requests/new", host=[BAD_REASON], reason=BAD_REASON, login=BAD_REASON).text)
    for page in pages:
        assert "<script>alert" not in page
        assert "⟨U+202E⟩" in page
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\u2028]", html.unescape(page))


def test_a_refusal_is_shown_on_the_form_with_what_was_typed(world: World) -> None:
    answer = world.post("carol", "/requests/new", host=["web1"], reason="because of Monday")
    assert answer.status_code == 403
    for shown in ("No rule allows logging in to web1", "no_rule", "because of Monday", "checked"):
        assert shown in answer.text
    assert "allows deploy on web1 to" in answer.text
    assert not any(isinstance(message, m.Ask) for message in world.standin.heard)


def test_a_form_without_a_host_says_so(world: World) -> None:
    answer = world.post("alice", "/requests/new", reason="x")
    assert answer.status_code == 400
    assert "No host is chosen" in answer.text


def test_one_takes_back_and_ends(world: World) -> None:
    waiting, live = ask(world, "dana", "db1"), ask(world, "dana", "web1")
    assert world.post("dana", f"/requests/{waiting}/cancel").status_code == 303
    assert world.post("dana", f"/requests/{live}/end").status_code == 303
    assert world.post("dana", f"/requests/{live}/end").status_code == 409
    page = world.browser("dana").get("/requests").text
    assert "Cancelled" in page
    assert "Ended" in page


def test_somebody_elses_request_does_not_exist(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    answer = world.browser("carol").get(f"/requests/{request_id}")
    assert answer.status_code == 404
    assert "unknown_request" in answer.text


def test_the_script_notices_changes(world: World) -> None:
    request_id = ask(world, "dana", "db1")
    address = f"/requests/{request_id}/state"
    before = world.browser("dana").get(address).get_json()
    digest = world.standin.requests[request_id].digest
    world.post("bob", f"/requests/{request_id}/approve", digest=digest, comment="", confirmed="yes")
    after = world.browser("dana").get(address).get_json()
    assert before != after
    assert f'data-version="{after["version"]}"' in world.browser("dana").get(f"/requests/{request_id}").text


def test_empty_pages_say_what_to_do(world: World) -> None:
    assert "You have not asked for anything yet" in world.browser("carol").get("/requests").text
    assert "Nothing waits for you" in world.browser("carol").get("/approvals").text
    world.standin.hosts = ()
    assert "No host is enrolled yet" in world.browser("carol").get("/requests/new").text


def test_the_log_is_paged_and_says_when_it_is_only_ones_own(world: World) -> None:
    world.browser("bob")
    for number in range(40):
        world.standin.record("note", f"entry number {number}", {})
    first = world.browser("bob").get("/log").text
    assert "entry number 39" in first
    assert "entry number 0<" not in first
    older = re.search(r'href="(/log\?before=\d+)"', first)
    assert older is not None
    assert "entry number 0<" in world.browser("bob").get(older[1]).text
    assert "concern you" not in first
    assert "concern you" in world.browser("carol").get("/log").text


def test_many_hosts_are_searched(world: World) -> None:
    world.standin.hosts = tuple(
        m.HostView(f"app{n}", f"app{n}", (), "127.0.0.1", 22, (("env", "prod" if n % 2 else "staging"),))
        for n in range(10_000)
    )
    page = world.browser("alice").get("/requests/new?q=app777&host=app1").text
    assert 'value="app7770"' in page
    assert 'value="app1" checked' in page
    assert len(page) < 40_000


def test_every_page_is_small(world: World) -> None:
    for number in range(40):
        world.standin.record("note", "x" * 200, {"text": "y" * 300, "n": number})
    request_id = ask(world, "dana", "db1")
    browser = world.browser("bob")
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


def test_forms_of_other_sites_are_refused(world: World) -> None:
    client = world.browser("alice")
    good = {"form_token": world.form_token(client), "host": "web1"}
    cases = [
        ({**good, "form_token": "0" * 64}, {"Origin": ORIGIN}),
        ({"host": "web1"}, {"Origin": ORIGIN}),
        ({**good, "form_token": world.form_token(world.browser("bob"))}, {"Origin": ORIGIN}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Sec-Fetch-Site": "same-site"}),
    ]
    for data, headers in cases:
        answer = client.post("/requests/new", data=data, headers=headers)
        assert answer.status_code == 403
        assert "bad_form" in answer.text
    assert not world.standin.requests
    assert client.post("/requests/new", data=good, headers={"Origin": ORIGIN}).status_code == 200

"""A rule that needs a newer or better sign-in: the person signs in again and goes on; nothing typed is lost or sent."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit_web.services import services
from sshjit_web.sessions import Limits
from tests.support.in_process_ca import EVE, CommandLine, FrontEnd, form_token, named, outdated
from tests.support.installation import ALICE, BOB, DANA, Person

LONG = "CHG-7 " + "the orders of March are counted twice, since the job ran in both regions & " * 6
TYPED: dict[str, str | list[str]] = {
    "host": ["web1", "web2"],
    "login": "deploy",
    "action": "command",
    "command": "systemctl restart 'orders & more'",
    "duration": "30m",
    "start": "2027-01-16T09:30",
    "reason": LONG.strip(),
}


@pytest.fixture
def strict(world: FrontEnd) -> FrontEnd:
    """Where the rule for staging asks for a sign-in of the last ten minutes."""
    world.ca.change_policy('grant = "8h"', 'actions = ["shell", "command"]\nfresh_login = "10m"\ngrant = "8h"')
    world.browser(ALICE)
    world.ca.later(1200)
    return world


def signs_in_again(world: FrontEnd, person: Person, browser: FlaskClient) -> None:
    """A new sign-in in the same browser, as after the provider."""
    browser.set_cookie(world.cookie, world.session(world.ca.web(named(person))), domain="127.0.0.1")


def goes_to_sign_in(answer: TestResponse) -> str:
    """Where the answer leads after the sign-in to which it leads now."""
    parts = urlsplit(answer.location)
    assert (answer.status_code, parts.path) == (303, "/sign-in"), answer.text
    query = parse_qs(parts.query)
    assert query["fresh"] == ["1"]
    return query["next"][0]


def link_of(answer: TestResponse) -> str:
    """The address after the sign-in to which the page's link leads."""
    link = re.search(r'href="(/sign-in[^"]*)"', answer.text)
    assert link is not None, answer.text
    return parse_qs(urlsplit(html.unescape(link[1])).query)["next"][0]


def value(page: str, name: str) -> str | None:
    field = re.search(rf'<input id="{name}"[^>]* value="([^"]*)"', page)
    return None if field is None else html.unescape(field[1])


def test_a_step_up_brings_back_all_that_was_typed_and_asks_nothing_by_itself(strict: FrontEnd) -> None:
    refused = strict.post(ALICE, "/requests/new", **TYPED)
    assert "Code <code>step_up</code>" in refused.text
    assert 'formaction="/continue" formnovalidate name="form" value="pages.ask"' in refused.text
    back = goes_to_sign_in(strict.post(ALICE, "/continue", form="pages.ask", **TYPED))
    assert "What you typed is kept" in strict.page(ALICE, f"/sign-in?{urlencode({'next': back})}")
    browser = strict.browser(ALICE)
    signs_in_again(strict, ALICE, browser)
    page = browser.get(back).text
    for host in ("web1", "web2"):
        assert f'value="{host}" checked' in page
    for name in ("login", "command", "start", "reason"):
        assert value(page, name) == TYPED[name]
    assert '<option value="30m" selected>' in page
    assert '<option value="command" selected>' in page
    assert "Granted immediately" in page
    assert strict.ca.kinds().count("ask") == 0, "the person sends it"
    assert strict.post(ALICE, "/requests/new", **TYPED).status_code in (200, 303)
    assert strict.ca.kinds().count("ask") == 1


def test_the_preview_offers_the_way_with_all_that_stands_in_the_form_then(strict: FrontEnd) -> None:
    preview = strict.post(ALICE, "/requests/new", dry="yes", **TYPED).text.split('id="preview"')[1]
    assert "Needs a new sign-in" in preview
    assert 'form="ask" formaction="/continue"' in preview
    with closing(sqlite3.connect(strict.folder / "web.db")) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (0,), "looking keeps nothing"


def test_emergency_access_goes_on_too_and_is_confirmed_anew(world: FrontEnd) -> None:
    world.browser(ALICE)
    typed = {"host": "db1", "again": "db1", "reason": "the orders database is down"}
    back = goes_to_sign_in(world.post(ALICE, "/continue", form="pages.take", **typed))
    page = world.page(ALICE, back)
    assert "Emergency access (break-glass)</h1>" in page
    assert value(page, "host") == "db1"
    assert ">the orders database is down</textarea>" in page
    assert '<input id="again" name="again" required' in page


def test_what_waits_for_a_word_asks_whether_it_is_still_meant(world: FrontEnd) -> None:
    """A decision, a comment, more time, a review, a lock: the session was over when the form came."""
    request_id = world.ask(DANA, "db1", login="postgres")
    view = world.view(DANA, request_id)
    for person, path, fields, meant in (
        (BOB, f"/requests/{request_id}/approve", {"comment": "go on", "digest": view.digest}, "Approve the request"),
        (BOB, f"/requests/{request_id}/deny", {"denial": "not today", "digest": view.digest}, "Deny the request"),
        (DANA, f"/requests/{request_id}/comment", {"text": "it is <urgent>"}, "Add a comment"),
        (DANA, f"/requests/{request_id}/cancel", {}, "Cancel your request"),
        (BOB, "/locks", {"kind": "person", "target": "alice@example.com", "reason": "lost laptop"}, "Lock"),
    ):
        browser = world.browser(person)
        sent = {"form_token": outdated(form_token(browser)), **fields, "confirmed": "yes"}
        refused = browser.post(path, data=sent, headers={"Origin": world.origin})
        assert "bring back what you typed" in refused.text, path
        page = browser.get(link_of(refused)).text
        assert f"<h1>{meant}?</h1>" in page
        assert f'action="{path}"' in page
        for name, typed in fields.items():
            assert f'<input type="hidden" name="{name}" value="{html.escape(typed)}">' in page
        assert "confirmed" not in page
    assert world.view(DANA, request_id).state.value == "pending"
    confirm = world.post(BOB, f"/requests/{request_id}/approve", comment="go on", digest=view.digest)
    assert "Approve this request?" in confirm.text


def test_a_long_link_comes_back_whole_too(world: FrontEnd) -> None:
    address = "/requests/new?" + urlencode({"host": "web1", "reason": LONG})
    gone = world.stranger().get(address)
    assert gone.location.startswith("/sign-in?next=/continue/")
    stranger = world.stranger()
    (back,) = parse_qs(urlsplit(stranger.get(address).location).query)["next"]
    signs_in_again(world, ALICE, stranger)
    assert value(stranger.get(back).text, "reason") == LONG.strip()


def test_nobody_else_sees_what_was_typed(world: FrontEnd) -> None:
    back = goes_to_sign_in(world.post(ALICE, "/continue", form="pages.ask", host="web1", reason="CHG-7"))
    assert "not kept any more" in world.get(EVE, back).text, "another browser"
    signs_in_again(world, EVE, world.browser(ALICE))
    other = world.browser(ALICE).get(back)
    assert (other.status_code, "CHG-7" in other.text) == (403, False)
    assert "Code <code>not_yours</code>" in other.text


def idle(world: FrontEnd, browser: FlaskClient) -> None:
    with world.app.app_context():
        services().sessions.limits = Limits()
    world.ca.later(3600)


def over_at_the_ca(world: FrontEnd, browser: FlaskClient) -> None:
    world.ca.later(40_000)


def ended_by_an_operator(world: FrontEnd, browser: FlaskClient) -> None:
    login = next(login for login in reversed(world.ca.logins.values()) if login.person.email == DANA.email)
    world.ca.say(m.Logout(login.id), m.Done)
    world.ca.later(2)


def signed_out_in_another_tab(world: FrontEnd, browser: FlaskClient) -> None:
    assert world.post(DANA, "/sign-out").status_code == 303


def somebody_else_is_signed_in(world: FrontEnd, browser: FlaskClient) -> None:
    signs_in_again(world, BOB, browser)


@pytest.mark.parametrize(
    "ends", [idle, over_at_the_ca, ended_by_an_operator, signed_out_in_another_tab, somebody_else_is_signed_in]
)
def test_what_was_typed_after_the_session_ended_is_still_that_persons(
    world: FrontEnd, ends: Callable[[FrontEnd, FlaskClient], None]
) -> None:
    """The next person at the browser neither reads it nor sends it by a click."""
    path = f"/requests/{world.ask(DANA, 'db1', login='postgres')}/comment"
    browser = world.browser(DANA)
    fields = {"form_token": form_token(browser), "text": "the password is in the ticket"}
    ends(world, browser)
    answer = browser.post(path, data=fields, headers={"Origin": world.origin})
    assert answer.status_code in (401, 403), answer.text
    back = link_of(answer)
    assert back.startswith("/continue/"), "it is kept"
    signs_in_again(world, BOB, browser)
    other = browser.get(back)
    assert (other.status_code, "password" in other.text) == (403, False)
    assert "Code <code>not_yours</code>" in other.text
    signs_in_again(world, DANA, browser)
    assert "the password is in the ticket" in browser.get(back).text


@pytest.mark.parametrize("author", ["", ".", f".{'f' * 63}", f".{'F' * 64}", f".{'f' * 65}"])
def test_what_nobody_is_known_to_have_typed_is_not_kept(world: FrontEnd, author: str) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    fields = {"form_token": "0" * 64 + author, "text": "it is urgent"}
    path = f"/requests/{request_id}/comment"
    for browser in (world.browser(DANA), world.stranger()):
        answer = browser.post(path, data=fields, headers={"Origin": world.origin})
        assert answer.status_code == 403
        assert "Sign in and send the form again" in answer.text
        assert link_of(answer) == f"/requests/{request_id}"
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (0,)


def test_a_made_up_author_is_nobody(world: FrontEnd) -> None:
    browser = world.browser(DANA)
    fields = {"form_token": f"{'0' * 64}.{'f' * 64}", "host": "web1", "reason": "CHG-7"}
    back = link_of(browser.post("/requests/new", data=fields, headers={"Origin": world.origin}))
    for person in (DANA, ALICE):
        signs_in_again(world, person, browser)
        assert browser.get(back).status_code == 403


def test_ending_sign_ins_says_which_before_it_is_sent(world: FrontEnd) -> None:
    browser, native = world.browser(ALICE), CommandLine(world, ALICE)
    world.session(world.ca.web(named(ALICE)))
    for chosen, shown in (
        ("others", "<bdi>All but this browser&#39;s: 2</bdi>"),
        (native.login, "<bdi>Command line from [0-9a-f.:]+</bdi>, signed in <time[^>]*>20[0-9: -]+ UTC</time>"),
        ("login-77777777", "<bdi>A sign-in that is over already</bdi>"),
    ):
        fields = {"form_token": outdated(form_token(browser)), "sign_in": chosen}
        page = browser.get(link_of(browser.post("/sign-ins/end", data=fields, headers={"Origin": world.origin}))).text
        assert "<h1>End sign-ins?</h1>" in page
        assert re.search(f'<dt>Which</dt><dd class="reason">{shown}</dd>', page), page
        assert f'<input type="hidden" name="sign_in" value="{chosen}">' in page


def test_a_draft_is_over_after_half_an_hour_and_swept(world: FrontEnd) -> None:
    back = goes_to_sign_in(world.post(ALICE, "/continue", form="pages.ask", host="web1", reason="CHG-7"))
    world.ca.later(1799)
    assert world.get(ALICE, back).status_code == 200
    world.ca.later(1)
    assert world.get(ALICE, back).status_code == 404
    world.ca.later(60)
    goes_to_sign_in(world.post(ALICE, "/continue", form="pages.ask", host="web1", reason="CHG-8"))
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (1,)


def test_drafts_of_one_browser_are_few_and_none_is_large(world: FrontEnd) -> None:
    for number in range(15):
        last = goes_to_sign_in(world.post(ALICE, "/continue", form="pages.ask", host="web1", reason=f"CHG-{number}"))
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (10,)
    assert value(world.page(ALICE, last), "reason") == "CHG-14"
    large = world.post(ALICE, "/continue", form="pages.ask", host="web1", reason="x" * 20_000)
    assert large.status_code == 413
    for other in ("auth.sign_out", "pages.decide"):
        assert world.post(ALICE, "/continue", form=other, reason="x").status_code == 413, "no form of these"


def test_a_form_of_another_site_is_not_kept(world: FrontEnd) -> None:
    browser = world.browser(ALICE)
    for path in ("/requests/new", "/continue"):
        fields = {"form_token": form_token(browser), "form": "pages.ask", "host": "web1"}
        answer = browser.post(path, data=fields, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (0,)


def test_without_our_database_the_way_leads_to_the_page_at_least(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        connection.execute("DROP TABLE drafts")
    fields = {"form_token": outdated(form_token(world.browser(DANA))), "text": "it is urgent"}
    path = f"/requests/{request_id}/comment"
    answer = world.browser(DANA).post(path, data=fields, headers={"Origin": world.origin})
    assert answer.status_code == 403
    assert "Sign in and send the form again" in answer.text
    assert link_of(answer) == f"/requests/{request_id}"


def test_a_rule_that_cannot_be_met_says_what_the_token_held(world: FrontEnd) -> None:
    world.ca.change_policy('grant = "8h"', 'mfa = true\ngrant = "8h"')
    world.browser(ALICE, amr=["pwd"], acr="1")
    answer = world.post(ALICE, "/requests/new", host="web1", reason="CHG-7")
    assert "the provider said amr pwd, acr 1" in answer.text
    login = next(iter(world.ca.logins.values()))
    asked = m.Explain(login.id, None, ("web1",), (), None, "shell", None, None, "CHG-7", None, False, "")  # noqa: FBT003
    assert "the provider said amr pwd, acr 1" in world.ca.say(asked, m.ExplainReply).message

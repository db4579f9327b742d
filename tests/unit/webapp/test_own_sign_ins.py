"""Sessions of the pages: how long they live, the page of one's own sign-ins, and what a stolen cookie is worth."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from flask.testing import FlaskClient

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit_web.services import services
from sshjit_web.sessions import Limits
from tests.support.in_process_ca import BEA, CommandLine, FrontEnd, form_token, named
from tests.support.installation import ALICE, BOB


@pytest.fixture(autouse=True)
def _as_shipped(world: FrontEnd) -> None:
    with world.app.app_context():
        services().sessions.limits = Limits()


def signed_in(world: FrontEnd) -> tuple[FlaskClient, str]:
    """A browser whose cookie the front end itself made; the login's id."""
    login_id = world.ca.web(named(ALICE))
    with world.app.app_context():
        token = services().sessions.open("page", world.ca.logins[login_id])
    browser = world.stranger()
    browser.set_cookie(world.cookie, token, domain="127.0.0.1")
    return browser, login_id


def alive(world: FrontEnd, login_id: str) -> bool:
    try:
        return bool(world.ca.say(m.ReadLogin(login_id), m.LoginReply))
    except SshJitError:
        return False


def works(browser: FlaskClient) -> bool:
    return browser.get("/requests").status_code == 200


def end(world: FrontEnd, browser: FlaskClient, sign_in: str) -> int:
    data = {"form_token": form_token(browser), "sign_in": sign_in}
    return browser.post("/sign-ins/end", data=data, headers={"Origin": world.origin}).status_code


# ------------------------------------------------------------------------------------------------------ how long


def test_a_session_that_nobody_uses_is_over_and_its_login_too(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    for _ in range(3):
        world.ca.later(50 * 60)
        assert works(browser), "each use counts"
    world.ca.later(3600)
    assert browser.get("/requests").location == "/sign-in?next=/requests"
    assert alive(world, login_id), "nobody has told the CA yet"
    world.ca.later(61)
    assert works(world.browser(BOB))
    assert not alive(world, login_id)


def test_what_an_open_page_asks_by_itself_is_no_use(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    asked = world.ca.ask(login_id, "web1", certificate=False).request.id
    for _ in range(7):
        world.ca.later(9 * 60)
        answer = browser.get(f"/requests/{asked}/state")
    assert answer.status_code == 303
    assert not works(browser)


def test_a_session_is_over_after_its_longest_time_whatever_its_use(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    with world.app.app_context():
        services().sessions.limits = Limits(3600, 2 * 3600)
    again, _ = signed_in(world)
    for _ in range(3):
        world.ca.later(2399)
        works(again)
        assert works(browser)
    world.ca.later(4)
    assert not works(again), "opened under a limit of two hours"
    assert works(browser)
    assert alive(world, login_id)


def test_command_lines_are_not_ended_by_disuse(world: FrontEnd) -> None:
    command_line = CommandLine(world, ALICE)
    world.ca.later(7 * 3600)
    assert command_line.get("whoami").status_code == 200


def test_a_use_is_written_down_once_a_minute_and_never_keeps_a_page_away(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)

    def seen() -> int:
        with closing(sqlite3.connect(world.folder / "web.db")) as connection:
            return int(connection.execute("SELECT seen FROM sessions WHERE login_id = ?", (login_id,)).fetchone()[0])

    begun = seen()
    world.ca.later(30)
    assert works(browser)
    first = seen()
    world.ca.later(59)
    assert works(browser)
    assert (first - begun, seen()) == (30, first)
    world.ca.later(1)
    assert works(browser)
    assert seen() == first + 60
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        connection.execute("CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END")
    world.ca.later(61)
    assert works(browser)


# ---------------------------------------------------------------------------------------------- the page of one's own


def test_the_page_lists_browsers_and_command_lines_with_this_one_on_top(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    world.ca.later(120)
    native = CommandLine(world, ALICE)
    world.browser(BOB)
    page = browser.get("/sign-ins").text
    cards = re.findall(r'<li class="card">(.*?)</li>', page, re.DOTALL)
    assert len(cards) == 2
    assert "this browser" in cards[0]
    assert "Browser" in cards[0]
    assert "Last used" in cards[0]
    assert "192.0.2.7" in cards[0]
    assert "Command line" in cards[1]
    assert str(world.ca.logins[native.login].fingerprint) in cards[1]
    assert f'value="{native.login}"' in cards[1]
    assert login_id not in page, "one's own sign-in ends by signing out"
    assert "signed out after 1 h without use, and 8 h after it signed in" in page


def test_one_click_ends_one_sign_in(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    other, other_id = signed_in(world)
    native = CommandLine(world, ALICE)
    assert works(other)
    assert end(world, browser, other_id) == 303
    assert not works(other)
    assert (alive(world, login_id), alive(world, other_id)) == (True, False)
    assert end(world, browser, native.login) == 303
    assert native.get("whoami").status_code == 401
    with closing(sqlite3.connect(world.folder / "web.db")) as connection:
        kept = {row[0] for row in connection.execute("SELECT login_id FROM sessions")}
    assert kept.isdisjoint({other_id, native.login})


def test_one_click_ends_all_others(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    others = [signed_in(world) for _ in range(3)]
    native = CommandLine(world, ALICE)
    bob = world.browser(BOB)
    assert "End all others" in browser.get("/sign-ins").text
    assert end(world, browser, "others") == 303
    assert [works(other) for other, _ in others] == [False] * 3
    assert native.get("whoami").status_code == 401
    assert works(bob)
    assert alive(world, login_id)
    assert "End all others" not in browser.get("/sign-ins").text


@pytest.mark.parametrize(("sign_in", "status"), [("", 400), ("login-77777777", 404)])
def test_what_is_no_sign_in_of_theirs_ends_nothing(world: FrontEnd, sign_in: str, status: int) -> None:
    browser, _ = signed_in(world)
    assert end(world, browser, sign_in) == status
    world.browser(BEA)
    bea = next(login for login in world.ca.logins.values() if login.person.email == BEA.email)
    assert end(world, browser, bea.id) == 404
    assert alive(world, bea.id)


def test_a_form_of_another_site_ends_nothing(world: FrontEnd) -> None:
    browser, _ = signed_in(world)
    _, other = signed_in(world)
    fields = {"sign_in": other, "form_token": form_token(browser)}
    assert browser.post("/sign-ins/end", data=fields, headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.post("/sign-ins/end", data={"sign_in": other}, headers={"Origin": world.origin}).status_code == 403
    assert alive(world, other)


def test_a_lock_ends_the_session_at_once(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    assert works(browser)
    world.ca.say(m.Lock(world.ca.web(BOB), "person", world.ca.logins[login_id].person.id, "lost"), m.LockReply)
    world.ca.later(1)
    answer = browser.get("/sign-ins")
    assert answer.status_code == 403
    assert "Code <code>locked</code>" in answer.text


# --------------------------------------------------------------------------------------------------- a stolen cookie


def test_a_stolen_session_cookie_reads_pages_until_it_is_ended_and_opens_nothing_else(world: FrontEnd) -> None:
    browser, login_id = signed_in(world)
    cookie = browser.get_cookie(world.cookie, domain="127.0.0.1")
    assert cookie is not None
    thief = world.stranger()
    thief.set_cookie(world.cookie, cookie.value, domain="127.0.0.1")
    assert works(thief), "whoever has it is that person, on pages"
    headers = {"Authorization": f"Bearer {cookie.value}"}
    assert world.stranger().get("/api/v1/whoami", headers=headers).status_code == 401, "no token of a command line"
    world.ca.ask(login_id, "web1", certificate=False)
    drawn = [kind for kind in world.ca.kinds() if "certificate" in kind or kind == "issued"]
    assert drawn == [], "no certificate is drawn by it"
    mine, _ = signed_in(world)
    assert end(world, mine, "others") == 303
    assert not works(thief)
    assert not works(browser)

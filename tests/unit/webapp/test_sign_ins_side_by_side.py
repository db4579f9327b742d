"""Two browsers, ten tabs, an abandoned sign-in, links that somebody sends to somebody else, and a failed sign-in."""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.web_sign_in import World, code_of, web_sign_in


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with web_sign_in(tmp_path) as made:
        yield made


def test_two_browsers_at_the_same_time_get_each_their_own_person(world: World) -> None:
    first, second = world.browser(), world.browser()
    back = world.at_provider(first, ALICE), world.at_provider(second, BOB)
    assert second.get(back[1]).status_code == 303
    assert first.get(back[0]).status_code == 303
    assert (world.who(first), world.who(second)) == ("Alice", "Bob")


def test_t18_ten_parallel_tabs_end_each_on_its_own_page_by_one_living_session(world: World) -> None:
    browser = world.browser()
    backs = [world.at_provider(browser, target=f"/requests/new?host=web{number}") for number in range(10)]
    landed = [browser.get(back).location for back in (*backs[5:], *reversed(backs[:5]))]
    assert landed == [f"/requests/new?host=web{number}" for number in (5, 6, 7, 8, 9, 4, 3, 2, 1, 0)]
    assert world.who(browser) == "Alice"
    login = next(iter(world.front.ca.context.state.logins.values())).opened.subject
    now = int(world.front.ca.time)
    alive = [each for each in world.front.ca.context.state.logins.values() if each.alive(now)]
    assert [each.opened.subject for each in alive] == [login], "each new session ended the one before"
    assert len(browser.get_cookie(f"{world.front.cookie}-browser", domain="127.0.0.1").value) < 100  # type: ignore[union-attr]


def test_an_abandoned_sign_in_is_over_after_ten_minutes_and_leaves_nothing(world: World) -> None:
    browser = world.browser()
    back = world.at_provider(browser)
    late = world.at_provider(browser)
    world.front.ca.later(599)
    assert browser.get(late).location == "/requests"
    world.front.ca.later(1)
    page = browser.get(back, follow_redirects=True)
    assert (page.status_code, code_of(page)) == (400, "sign_in_over")
    world.front.ca.later(600)
    world.signed_in()
    assert rows(world, "sign_ins") == 1, "that one alone"


def rows(world: World, table: str) -> int:
    with closing(sqlite3.connect(world.front.folder / "web.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own word


def test_sign_ins_that_strangers_begin_take_no_room_from_anybodys(world: World) -> None:
    """Where nothing is kept, a flood ends nobody's sign-in, and no share of anything is used up."""
    alice = world.browser()
    back = world.at_provider(alice, target="/requests/new?host=web1")
    stranger = world.browser()
    for number in range(300):
        stranger.get("/auth/acme/start", query_string={"next": f"/requests/new?host={number}"})
        code = f"/auth/acme/callback?code=junk&state={parse_qs(urlsplit(back).query)['state'][0]}"
        world.browser().get(code)
    assert rows(world, "sign_ins") == 0
    assert alice.get(back).location == "/requests/new?host=web1"
    assert rows(world, "sign_ins") == 1, "one that ended in a session"


def test_a_state_counts_once_however_it_is_spelled(world: World) -> None:
    browser = world.browser()
    back = world.at_provider(browser)
    state = parse_qs(urlsplit(back).query)["state"][0]
    last = {"A": "B", "Q": "R", "g": "h", "w": "x"}.get(state[-1])
    spellings = [f"{state[:9]}.{state[9:]}", f"{state}=", f" {state}", *([state[:-1] + last] if last else [])]
    for spelling in spellings:
        page = browser.get(back.replace(state, spelling), follow_redirects=True)
        assert (page.status_code, code_of(page)) == (400, "sign_in_over"), spelling
    assert browser.get(back).location == "/requests"
    assert code_of(browser.get(back, follow_redirects=True)) == "sign_in_over"


def test_two_answers_by_one_state_at_the_same_time_open_one_session(world: World) -> None:
    """A provider that took a code twice would still open one."""
    browser = world.browser()
    back = world.at_provider(browser)
    acme = world.providers["acme"]
    codes = dict(acme.codes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.front.store), "is_state_used", lambda *_: False)  # as the other one saw it
        assert browser.get(back).location == "/requests"
        acme.codes.update(codes)
        assert code_of(browser.get(back, follow_redirects=True)) == "sign_in_over"


def test_a_provider_does_not_read_where_a_sign_in_leads(world: World) -> None:
    states = [
        parse_qs(urlsplit(world.at_provider(world.browser(), target="/requests/new?reason=secret")).query)["state"]
        for _ in range(2)
    ]
    assert states[0] != states[1]
    for (state,) in states:
        assert b"secret" not in urlsafe_b64decode(state + "==")


def test_a_front_end_without_its_database_sends_people_on_and_then_says_so(world: World) -> None:
    browser = world.browser()
    back = world.at_provider(browser)
    with closing(sqlite3.connect(world.front.folder / "web.db")) as connection:
        connection.execute("DROP TABLE sign_ins")
    assert browser.get("/auth/acme/start").status_code == 303
    page = browser.get(back, follow_redirects=True)
    assert (page.status_code, code_of(page)) == (503, "database_down")
    assert "login" not in world.front.ca.kinds(), "no login that nobody has"


def test_a_sign_in_link_sent_to_another_person_signs_nobody_in_for_the_sender(world: World) -> None:
    """The thief begins, and has somebody else finish it: at the provider, or with the answer."""
    thief, victim = world.browser(), world.browser()
    begun = thief.get("/auth/acme/start").location
    back = world.answered(begun, BOB)
    page = victim.get(back, follow_redirects=True)
    assert (page.status_code, code_of(page)) == (400, "sign_in_over")
    assert (world.who(thief), world.who(victim)) == ("", "")
    assert "login" not in world.front.ca.kinds()


def test_an_answer_sent_to_another_person_signs_nobody_in_as_the_sender(world: World) -> None:
    """Login fixation: somebody is to work in the sender's name without noticing."""
    sender, victim = world.browser(), world.browser()
    back = world.at_provider(sender, DANA)
    victim.get("/sign-in")
    assert code_of(victim.get(back, follow_redirects=True)) == "sign_in_over"
    assert world.who(victim) == ""
    mine = world.signed_in(ALICE)
    assert code_of(mine.get(back, follow_redirects=True)) == "sign_in_over"
    assert world.who(mine) == "Alice", "and it ends no session either"


def test_a_session_is_rotated_at_every_sign_in(world: World) -> None:
    browser = world.signed_in()
    name = world.front.cookie
    before = browser.get_cookie(name, domain="127.0.0.1")
    assert browser.get(world.at_provider(browser)).status_code == 303
    after = browser.get_cookie(name, domain="127.0.0.1")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    thief = world.browser()
    thief.set_cookie(name, before.value, domain="127.0.0.1")
    assert (world.who(thief), world.who(browser)) == ("", "Alice")


def test_what_a_provider_answered_leaves_the_address_bar_without_a_script(world: World) -> None:
    browser = world.browser()
    back = world.at_provider(browser, target="/requests/new")
    state = parse_qs(urlsplit(back).query)["state"][0]
    gone = browser.get(f"/auth/acme/callback?state={state}&error=access_denied&error_description=my+secret+word")
    assert gone.status_code == 303
    assert urlsplit(gone.location).path == "/auth/acme/failed"
    assert state not in gone.location
    page = browser.get(gone.location)
    assert (page.status_code, code_of(page)) == (403, "sign_in_refused")
    assert 'href="/sign-in?next=/requests/new">Sign in again' in page.text
    assert "callback" not in page.text
    again = browser.get(gone.location)
    assert (again.status_code, again.text) == (page.status_code, page.text), "it can be read again"


@pytest.mark.parametrize("query", ["", "?state=x", "?state=x&state=y", f"?x={'x' * 8001}", "?code=c", "?%ff=%ff"])
def test_whatever_comes_to_the_callback_leaves_the_address_bar(world: World, query: str) -> None:
    browser = world.browser()
    gone = browser.get(f"/auth/acme/callback{query}")
    assert gone.status_code == 303
    page = browser.get(gone.location)
    assert page.status_code in (400, 403)
    assert code_of(page) in ("sign_in_over", "bad_answer")


def test_what_failed_is_shown_in_this_browser_alone_and_nobody_can_make_it_up(world: World) -> None:
    browser = world.browser()
    state = parse_qs(urlsplit(world.at_provider(browser)).query)["state"][0]
    gone = browser.get(f"/auth/acme/callback?state={state}&error=access_denied").location
    assert code_of(browser.get(gone)) == "sign_in_refused"
    other = world.browser()
    other.get("/sign-in")
    assert "state" not in gone
    forged = urlsafe_b64encode(json.dumps(["refused", "x", "call 555", "", "", "/"]).encode()).decode().rstrip("=")
    for why in (gone.partition("why=")[2], forged, f"{forged}.{'0' * 64}", "", "ä.ä"):
        page = other.get("/auth/acme/failed", query_string={"why": why})
        assert (page.status_code, code_of(page)) == (400, "sign_in_over")
        assert "call 555" not in page.text


def test_the_callback_is_never_where_a_sign_in_leads(world: World) -> None:
    for target in ("/auth/acme/callback?state=a&code=b", "/auth/acme/failed?why=x", "/auth/acme/start", "/sign-in"):
        browser = world.browser()
        assert browser.get(world.at_provider(browser, target=target)).location == "/requests"


def test_a_person_at_two_providers_has_two_sessions_of_two_subjects(world: World) -> None:
    both = [world.signed_in(Person("a-1", ("SRE",), "alice@example.com"), provider=name) for name in world.providers]
    subjects = {each.opened.subject for each in world.front.ca.context.state.logins.values()}
    assert len(subjects) == 2
    lists = [browser.get("/sign-ins").text for browser in both]
    assert [page.count('<li class="card">') for page in lists] == [1, 1], "neither sees or ends the other's"

"""What only a browser can say of the pages: layout, keyboard, colours, the script, and that they work without it."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from sshjit import ca_protocol as m
from tests.browser.conftest import Office
from tests.support.in_process_ca import EVE
from tests.support.installation import ALICE, BOB, DANA, Person

CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = rgb(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !node.checkVisibility() || node.closest(".hidden, .skip")) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${walk.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
"""Texts whose colours differ by less than WCAG 2.2 (1.4.3) asks: 4.5 to 1."""
NAMELESS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea")]
  .filter((each) => !(each.labels?.length || each.textContent.trim() || each.ariaLabel))
  .map((each) => each.outerHTML)"""
"""What somebody who does not see the page cannot tell apart."""
BURST = """() => [...document.querySelectorAll("main label, main button, main a, main .label, main td, main dd")]
  .filter((each) => each.checkVisibility() && getComputedStyle(each).display !== "inline")
  .filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => each.outerHTML)"""
"""What sticks out of its box."""


def pages(office: Office) -> list[tuple[Person, str]]:
    """Every page with something on it."""
    mine = [(ALICE, path) for path in ("/requests", "/requests/new?host=web1", "/break-glass", "/history", "/log")]
    mine += [(ALICE, "/sign-ins"), (ALICE, "/sign-in?next=/continue/x")]
    theirs = [(BOB, path) for path in ("/approvals", "/reviews", "/locks", "/explain?more=db1&login=postgres")]
    requests = [(person, f"/requests/{office.waiting}") for person in (BOB, DANA)]
    return [*mine, *theirs, *requests, (BOB, f"/requests/{office.glass}"), (EVE, "/history")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_is_legible_and_has_no_complaints(office: Office, scheme: str) -> None:
    for person in (ALICE, BOB, DANA, EVE):
        with office.seat(person, color_scheme=scheme, viewport={"width": 1280, "height": 800}) as seat:
            for path in (path for who, path in pages(office) if who is person):
                seat.page.goto(path)
                assert seat.page.evaluate(CONTRAST) == [], path
                assert seat.page.evaluate(NAMELESS) == [], path
                for width in (1280, 390, 320):
                    seat.page.set_viewport_size({"width": width, "height": 800})
                    assert seat.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
                    assert seat.page.evaluate(BURST) == [], (path, width)
            assert seat.complaints == []


FRANK = Person("f-6", ("Database",), "frank@example.com")


def test_the_policy_page_says_what_was_proved_and_until_when(office: Office) -> None:
    """Read by an auditor in a browser: the sentence, the answer, and the times in words."""
    never = '[[never]]\nname = "no-root-at-once"\nlogin = "root"\nbreak_glass = false\n'
    office.world.ca.say_policy(office.world.ca.policy + never, accept=False)
    with office.seat(EVE) as seat:
        seat.page.goto("/policy")
        main = seat.page.locator("main")
        expect(main).to_contain_text("no-root-at-once")
        expect(main).to_contain_text(re.compile("proved", re.IGNORECASE))
        expect(main.locator("time").first).to_be_visible()
        assert seat.complaints == []
        assert seat.page.evaluate(CONTRAST) == []


def test_a_grant_with_more_time_fits_for_its_holder_and_for_who_may_lock(office: Office) -> None:
    world = office.world
    path = f"/requests/{world.ask(FRANK, 'db1', login='postgres')}"
    world.post(BOB, f"{path}/approve", digest=world.view(FRANK, path[10:]).digest, confirmed="yes")
    more = world.post(FRANK, f"{path}/extend", reason="CHG-7 " + "takeslonger" * 20).location
    denied = {"denial": "tell the on-call first", "confirmed": "yes"}
    world.post(BOB, f"{more}/deny", digest=world.view(FRANK, more[10:]).digest, **denied)
    world.post(FRANK, f"{path}/extend", reason="CHG-7 the on-call knows")
    for person, scheme in ((FRANK, "light"), (BOB, "dark")):
        with office.seat(person, color_scheme=scheme) as seat:
            seat.page.goto(path)
            expect(seat.page.locator(".more > li")).to_have_count(2)
            assert seat.page.evaluate(CONTRAST) == []
            for width in (1280, 390, 320):
                seat.page.set_viewport_size({"width": width, "height": 800})
                assert seat.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
            assert seat.complaints == []


def test_a_request_by_the_keyboard_alone(office: Office) -> None:
    with office.seat(ALICE) as seat:
        page = seat.page
        page.goto("/requests/new")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator(":focus").get_attribute("value") == "web1":
                break
        page.keyboard.press("Space")
        expect(page.locator("#preview")).to_contain_text("Granted immediately")
        page.locator("#reason").focus()
        page.keyboard.type("CHG-1 by the keyboard")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/requests/req-"))
        expect(page.locator("main")).to_contain_text("ssh-jit deploy@web1")


def test_the_script_says_what_it_takes_while_one_types(office: Office) -> None:
    with office.seat(DANA) as seat:
        page = seat.page
        page.goto("/requests/new")
        page.get_by_label("db1").check()
        expect(page.locator("#reason-label")).to_have_text("Incident or change number")
        expect(page.locator("#preview")).to_contain_text("Fix this first")
        page.get_by_label("Incident or change number").fill("CHG-7")
        expect(page.locator("#preview")).to_contain_text("Needs 1 approval")
        page.locator("#start").fill("2031-01-02T03:04")
        expect(page.locator("#start-help")).to_contain_text("For you:")
        assert seat.complaints == []


def test_the_page_of_a_request_notices_by_itself(office: Office) -> None:
    world = office.world
    request_id = world.ask(DANA, "db1", login="postgres", action="migrate", reason="CHG-9 migrate")
    with office.seat(DANA) as seat:
        seat.page.goto(f"/requests/{request_id}")
        digest = world.view(DANA, request_id).digest
        world.post(BOB, f"/requests/{request_id}/approve", digest=digest, confirmed="yes")
        expect(seat.page.locator(".badge").first).to_have_text("Approved")


def test_everything_works_without_scripts(office: Office) -> None:
    with office.seat(DANA, java_script_enabled=False) as seat:
        page = seat.page
        page.goto("/requests/new")
        page.get_by_label("db1").check()
        page.locator("#action").select_option("command")
        page.locator("#command").fill("psql -c 'select 1'")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#preview")).to_contain_text("No rule allows running")
        page.goto("/requests/new?host=db1&reason=CHG-8&duration=15m")
        page.get_by_role("button", name="Request access").click()
        expect(page.locator("h1")).to_contain_text("postgres on db1")
        path = page.url.partition(office.url)[2] if "/req-" in page.url else f"/requests/{office.waiting}"
    with office.seat(BOB, java_script_enabled=False) as seat:
        page = seat.page
        page.goto(path)
        page.locator("summary", has_text="Deny").click()
        page.get_by_label("Reason").fill("not before the backup")
        page.get_by_role("button", name="Deny…").click()
        expect(page.locator("h1")).to_have_text("Deny this request?")
        page.get_by_role("link", name="Go back").click()
        expect(page.locator("h1")).to_contain_text("postgres on db1")


def test_the_countdown_of_a_broken_glass_runs_on_every_page(office: Office) -> None:
    with office.seat(ALICE) as seat:
        seat.page.goto("/requests")
        bar = seat.page.locator(".alarm [data-until]")
        expect(bar).to_be_visible()
        ends = office.world.view(ALICE, office.glass).ends or 0
        assert bar.get_attribute("data-until") == str(ends)
        minutes = (ends - int(time.time())) // 60
        expect(bar).to_have_text(re.compile(rf"^({minutes}|{minutes + 1}) min$"))
        assert office.world.view(ALICE, office.glass).state is m.RequestState.APPROVED

"""A real browser before the pages, with a whole CA behind them, all in this process but the browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support import in_process_ca
from tests.support.in_process_ca import FrontEnd
from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE

PROGRAM = shutil.which("chromium") or "/usr/bin/chromium"


@dataclass
class Seat:
    """Somebody at a browser. ``complaints`` are what the browser wrote to its console: nothing, if all is well."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)


@dataclass
class Office:
    """The pages on a port of their own, requests of every kind, and a browser."""

    world: FrontEnd
    url: str
    browser: Browser
    waiting: str
    glass: str

    @contextmanager
    def seat(self, person: Person, **options: Any) -> Iterator[Seat]:
        """A signed-in window of the browser."""
        cookie = self.world.browser(person).get_cookie(self.world.cookie, domain="127.0.0.1")
        assert cookie is not None
        context = self.browser.new_context(base_url=self.url, **options)
        context.set_default_timeout(PATIENCE * 1000)
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.url}])
        seat = Seat(context.new_page(), context)
        seat.page.on("console", lambda said: seat.complaints.append(said.text))
        seat.page.on("pageerror", lambda error: seat.complaints.append(str(error)))
        try:
            yield seat
        finally:
            context.close()


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests: nothing that one does disturbs another."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        folder = tmp_path_factory.mktemp("office")
        text = in_process_ca.policy()
        server = stack.enter_context(in_process_ca.on_loopback())
        url = f"http://127.0.0.1:{server.server_port}"
        world = stack.enter_context(in_process_ca.front_end(folder, issuers, text, time=time.time(), origin=url))
        server.app = world.app
        waiting = world.ask(DANA, "db1", login="postgres", reason="CHG-7 add an index to the orders")
        broken = world.post(ALICE, "/break-glass", host="db1", again="db1", reason="the orders database is down")
        world.post(BOB, "/locks", kind="host", target="web2", reason="rootkit found", confirmed="yes")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu"])
        stack.callback(browser.close)
        yield Office(world, url, browser, waiting, str(broken.location.rpartition("/")[2]))

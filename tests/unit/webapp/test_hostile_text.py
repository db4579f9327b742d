"""Hostile text in every field that a person or a provider can fill is inert on every page that shows it.

The CA refuses most of it. Here it lets everything through, so that the front end has to make it harmless by itself.
"""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from sshjit import ca_protocol as m
from sshjit_web import services
from tests.support import in_process_ca
from tests.support.in_process_ca import EVE, FrontEnd, InProcessCa
from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.issuer import Issuer
from tests.unit.webapp.test_every_route import opened, routes
from tests.unit.webapp.test_pages_break_glass import broken

R = TypeVar("R")
GRACE = Person("g-7", ("SRE", "Database", "SRE Leads", "Auditors"), "grace@example.com")
MARK = "hostile"
LONG = "w" * 10_000
MARKUP = f"{MARK}<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{{{7*7}}}}&lt;"
BAD = f"{MARKUP}\x1b[2J\u202egnp\u2066\u200b\r\nX: y\x00 {LONG}"
FREE = {"reason", "comment", "text", "summary", "command", "email", "closing", "blocked", "message", "hint", "agent"}
"""Fields whose text somebody chooses; ``name`` is one too where it is a person's."""
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\u2028]")


def spoiled(value: Any) -> Any:
    """The same with hostile text wherever somebody may choose it."""
    if isinstance(value, tuple):
        return tuple(spoiled(item) for item in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    person = isinstance(value, m.PersonView)
    changed = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        chosen = field.name in FREE or (person and field.name == "name")
        changed[field.name] = BAD if chosen and isinstance(item, str) and item else spoiled(item)
    return dataclasses.replace(value, **changed)


class CarelessCa(InProcessCa):
    """A CA that hands on what it should have refused."""

    def call(self, message: m.Message, reply: type[R]) -> R:
        answer = spoiled(super().call(message, reply))
        assert isinstance(answer, reply)
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, issuers: dict[str, Issuer]) -> Iterator[FrontEnd]:
    """Requests of every kind, of which the front end hears through a careless CA."""
    with in_process_ca.front_end(tmp_path_factory.mktemp("hostile"), issuers, in_process_ca.policy()) as made:
        waiting, closed, opened_one = (
            made.ask(DANA, "db1"),
            made.ask(DANA, "db1", action="migrate"),
            made.ask(ALICE, "web1"),
        )
        made.post(BOB, f"/requests/{waiting}/comment", text="why now?")
        made.post(BOB, f"/requests/{closed}/deny", digest=made.view(DANA, closed).digest, denial="no", confirmed="yes")
        made.post(ALICE, f"/requests/{opened_one}/extend", reason="still at it")
        made.post(GRACE, "/locks", kind="host", target="web2", reason="odd", confirmed="yes")
        broken(made)
        kinds = made.ca.kinds()
        assert {"comment", "decision", "lock"} <= set(kinds), set(kinds)
        for person in (BOB, EVE, GRACE, DANA):
            made.browser(person)
        services.install(made.app, dataclasses.replace(made.app.extensions["ssh-jit"], ca=CarelessCa(made.ca)))
        yield made


def inert(page: str) -> None:
    """Nothing of it is markup, nothing is invisible or turns what follows."""
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "`49" not in html.unescape(page), "no template is made of it"
    assert not UNSEEN.search(html.unescape(page)), UNSEEN.search(html.unescape(page))
    for quoted in re.findall(r'="([^"]*hostile[^"]*)"', page):
        assert "<" not in quoted
    assert not re.search(r"='[^']*hostile", page), "attributes stand in double quotes"


@pytest.mark.parametrize("person", [ALICE, BOB, DANA, EVE, GRACE], ids=lambda person: person.email)
def test_every_page_shows_it_inert(world: FrontEnd, person: Person) -> None:
    ids = [view.id for view in world.ca.context.state.requests.values()]
    shown = 0
    for route in routes(world.app):
        if route.part != "pages" or route.method != "GET":
            continue
        for path in {route.path.replace("req-nobodys", each) for each in ids}:
            answer = opened(world.browser(person), route._replace(path=path), base_url=world.origin)
            assert answer.status_code < 500, (path, answer.text[:500])
            if answer.mimetype == "text/html":
                inert(answer.text)
                shown += MARK in answer.text
    assert shown > 3, "and it is shown"


@pytest.mark.parametrize("person", [ALICE, GRACE], ids=lambda person: person.email)
def test_what_is_typed_into_an_address_comes_back_inert(world: FrontEnd, person: Person) -> None:
    """Every parameter that any page reads, and one that none does."""
    names = ("host", "find", "person", "login", "reason", "next", "kind", "state", "before", "whose", "label", "action")
    for route in routes(world.app):
        if route.part in {"pages", "auth"} and route.method == "GET":
            query = dict.fromkeys((*names, "start", "duration", "at", "more", "error", "left", "why"), BAD[:900])
            answer = opened(world.browser(person), route, base_url=world.origin, query_string=query)
            assert answer.status_code < 500, route
            if answer.mimetype == "text/html":
                inert(answer.text)
            assert "\n" not in answer.headers.get("Location", "")


def test_what_is_typed_into_a_form_comes_back_inert(world: FrontEnd) -> None:
    fields = ("host", "again", "reason", "login", "comment", "text", "target", "kind", "start", "duration", "action")
    id_of = next(iter(world.ca.context.state.requests))
    for route in routes(world.app):
        if route.part == "pages" and route.method == "POST":
            path = route.path.replace("req-nobodys", id_of)
            answer = world.post(GRACE, path, **dict.fromkeys((*fields, "digest", "label", "confirmed"), BAD))
            assert answer.status_code < 500, route
            if answer.mimetype == "text/html":
                inert(answer.text)

"""Many people at the same instant, at different front ends, over real sockets: one wins, and all of the log says so.

Nothing here is decided by who was heard first: the verdict is what the log tells afterwards, and it must agree with
every answer that was given.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.support.front_ends import Client, Said, together
from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.whole_installation import ERIN, Line, Site, kinds

ROUNDS = 20


def race(site: Site, request: dict[str, Any], *acts: tuple[Person, int, str]) -> list[Said]:
    """Each of the people decides at a front end, all at once."""
    clients = [site.client(person, front) for person, front, _ in acts]
    decide = [partial(client.decide, act[2], request) for client, act in zip(clients, acts, strict=True)]
    return together(decide, *clients)


def answers(said: list[Said]) -> list[tuple[int, str]]:
    return sorted((each.status, each.code) for each in said)


def decisions(lines: list[Line]) -> list[tuple[str, str]]:
    """Who said what, as the log has it."""
    return [(line.body["subject"], line.body["verdict"]) for line in lines if line.kind == "decision"]


def seen(site: Site, request: dict[str, Any]) -> dict[str, Any]:
    """The request as both front ends show it."""
    first, second = (site.client(DANA, front).read(request) for front in (0, 1))
    assert first == second
    return first


@pytest.mark.parametrize(("kind", "state"), [("db", "approved"), ("vault", "pending")])
def test_t24_of_one_approvers_clicks_one_counts(site: Site, kind: str, state: str) -> None:
    """Every click succeeds; one is recorded, whether one approval is enough or two are needed."""
    requests = []
    for number in range(ROUNDS):
        fronts = ((0, 0), (0, 1), (1, 1), (0, 1, 0, 1))[number % 4]
        request = site.asked(DANA, site.host(kind))
        said = race(site, request, *((BOB, front, "approve") for front in fronts))
        assert answers(said) == [(200, "")] * len(fronts)
        assert seen(site, request)["state"] == state
        requests.append(request)
    history = site.history()
    for request in requests:
        told = kinds(history[request["id"]])
        assert (told["decision"], told["grant"], told["close"]) == (1, 1 if state == "approved" else 0, 0)


def test_t24_approve_against_deny_one_wins(site: Site) -> None:
    won: dict[str, tuple[dict[str, Any], str]] = {}
    for number in range(ROUNDS):
        request = site.asked(DANA, site.host("db"))
        acts = ((BOB, number % 2, "approve"), (ERIN, (number + number // 2) % 2, "deny"))
        said = race(site, request, *acts)
        assert answers(said) == [(200, ""), (409, "wrong_state")]
        won[request["id"]] = request, "approve" if said[0].status == 200 else "deny"
    history = site.history()
    for name, (request, verdict) in won.items():
        told = kinds(history[name])
        assert [each[1] for each in decisions(history[name])] == [verdict]
        if verdict == "approve":
            assert (seen(site, request)["state"], told["grant"], told["close"]) == ("approved", 1, 0)
        else:
            assert (seen(site, request)["state"], told["grant"], told["close"]) == ("denied", 0, 1)
            assert site.client(DANA, 1).draw(request).status == 409


def test_t24_where_two_are_needed_a_no_at_the_same_time_always_ends_it(site: Site) -> None:
    """One yes is not enough: whatever comes first, the no counts."""
    requests = {}
    for number in range(ROUNDS // 2):
        request = site.asked(DANA, site.host("vault"))
        yes, no = race(site, request, (BOB, number % 2, "approve"), (ERIN, 1, "deny"))
        assert no.status == 200
        assert (yes.status, yes.code) in ((200, ""), (409, "wrong_state"))
        assert seen(site, request)["state"] == "denied"
        requests[request["id"]] = ["approve", "deny"] if yes.status == 200 else ["deny"]
    history = site.history()
    for name, verdicts in requests.items():
        assert [verdict for _, verdict in decisions(history[name])] == verdicts
        assert kinds(history[name])["grant"] == 0


def test_t22_t24_two_approvers_at_once_open_it_once(site: Site) -> None:
    requests = []
    for number in range(ROUNDS):
        request = site.asked(DANA, site.host("db"))
        said = race(site, request, (BOB, number % 2, "approve"), (ERIN, 1, "approve"))
        assert answers(said) == [(200, ""), (409, "wrong_state")]
        requests.append((request, 1))
        request = site.asked(DANA, site.host("vault"))
        clicks = tuple((person, front, "approve") for person in (BOB, ERIN) for front in (0, 1))
        assert answers(race(site, request, *clicks)) == [(200, "")] * 4
        assert [each["missing"] for each in seen(site, request)["steps"]] == [0]
        requests.append((request, 2))
    history = site.history()
    for request, needed in requests:
        lines = history[request["id"]]
        assert len({person for person, _ in decisions(lines)}) == len(decisions(lines)) == needed
        assert kinds(lines)["grant"] == 1
        assert seen(site, request)["state"] == "approved"


def test_the_same_asked_twice_at_once_is_one_request(site: Site) -> None:
    """Also where policy grants it at once: one grant."""
    asked: dict[str, str] = {}
    for number in range(ROUNDS):
        person, kind = (DANA, "db") if number % 2 else (ALICE, "web")
        host = site.host(kind)
        clients: list[Client] = [site.client(person, front) for front in (0, 1, 0, 1)]
        said = together([partial(client.ask, host) for client in clients], *clients)
        assert Counter(each.status for each in said) == {201: 1, 200: 3}
        assert Counter(each.body["existing"] for each in said) == {False: 1, True: 3}
        (asked[host],) = {each.body["request"]["id"] for each in said}
    history = site.history()
    of_hosts = Counter(line.body["hosts"][0] for lines in history.values() for line in lines if line.kind == "ask")
    assert all(of_hosts[host] == 1 for host in asked)
    assert all(kinds(history[each])["grant"] == (host[:3] == "web") for host, each in asked.items())

"""The hosts, as everybody sees them and as whoever keeps or audits them does."""

from __future__ import annotations

import re

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Refused
from tests.support.in_process_ca import EVE, FrontEnd
from tests.support.installation import ALICE, CAROL, DANA


def rows(page: str) -> dict[str, str]:
    """By host, what its row says."""
    found = re.findall(r'<tr>\s*<td><a href="/hosts/([^"]+)">(.*?)</tr>', page, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", row).split()) for name, row in found}


def test_each_host_has_its_labels_and_what_one_may_do_there(world: FrontEnd) -> None:
    alice, carol = rows(world.page(ALICE, "/hosts")), rows(world.page(CAROL, "/hosts"))
    assert {"web1", "db1"} <= alice.keys() == carol.keys()
    assert "env=staging" in alice["web1"]
    assert alice["web1"].endswith("Granted immediately")
    assert carol["web1"].endswith("Not allowed")
    dana = rows(world.page(DANA, "/hosts"))
    assert "Needs 1 approval" in dana["db1"] or "Needs 2 approvals" in dana["db1"] or "Needs a reason" in dana["db1"]


def test_hosts_are_found_by_name_and_label(world: FrontEnd) -> None:
    assert rows(world.page(ALICE, "/hosts?find=role=db")).keys() <= rows(world.page(ALICE, "/hosts?find=db")).keys()
    assert "web1" not in rows(world.page(ALICE, "/hosts?find=role=db"))
    assert rows(world.page(ALICE, "/hosts?find=web1+env=staging")).keys() == {"web1"}
    assert "No hosts found" in world.page(ALICE, "/hosts?find=nothing")


def test_how_hosts_are_is_for_those_who_keep_or_audit_them(world: FrontEnd) -> None:
    assert "Last seen" not in world.page(ALICE, "/hosts")
    assert "Last seen" not in world.page(ALICE, "/hosts/web1")
    assert "has not reported" in rows(world.page(EVE, "/hosts"))["web1"]
    assert "Last seen" in world.page(EVE, "/hosts/web1")
    login = world.ca.web(ALICE)
    with pytest.raises(Refused) as caught:
        world.ca.say(m.ReadHostHealth(login, ("web1",)), m.HostHealthReply)
    assert caught.value.code == "not_permitted"


def test_a_host_s_page_says_why_and_what_to_type(world: FrontEnd) -> None:
    page = world.page(ALICE, "/hosts/web1")
    assert "Granted immediately" in page
    assert "deploy@web1" in page
    assert 'href="/explain?more=web1"' in page
    refused = world.page(CAROL, "/hosts/web1")
    assert "Not allowed" in refused
    assert "Request something else" in refused
    assert world.get(ALICE, "/hosts/nobody").status_code == 404


def test_who_may_add_hosts_is_told_that_it_is_done_elsewhere(world: FrontEnd) -> None:
    assert "Add a host" not in world.page(ALICE, "/hosts")
    world.ca.change_policy('unlock = ["lead"]', 'unlock = ["lead"]\nhosts = ["sre"]')
    world.browsers.clear()
    page = world.page(ALICE, "/hosts")
    assert "ssh-jit-ca host invite" in page
    assert "never passes this page" in page


def test_many_hosts_are_turned_over_by_pages(world: FrontEnd) -> None:
    for number in range(40):
        world.ca.add_host(f"node{number:02}", env="staging")
    first = world.page(ALICE, "/hosts?find=node")
    assert len(rows(first)) == 30
    later = re.search(r'href="([^"]+)">More hosts', first)
    assert later is not None
    assert len(rows(world.page(ALICE, later[1].replace("&amp;", "&")))) == 10

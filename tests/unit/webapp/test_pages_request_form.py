"""Asking by the pages, over a whole CA: dry runs, labels, later starts, prompts, and refusals that say what to do."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from sshjit import ca_protocol as m
from sshjit_web import policy_preview
from tests.support.in_process_ca import EVE, FrontEnd, form_token, named, outdated
from tests.support.installation import ALICE, BOB, DANA


def dry(world: FrontEnd, **fields: str | list[str]) -> str:
    answer = world.post(DANA, "/requests/new", dry="yes", **fields)
    assert answer.status_code == 200
    return answer.text


def test_a_grant_that_is_kept_open_is_found_by_the_form_too(world: FrontEnd) -> None:
    """Its host has other labels by now, of which no rule says anything: the CA is asked all the same."""
    world.ca.change_policy('name = "staging"\n', 'name = "staging"\nkeep_open = true\n')
    request_id = world.ask(ALICE, "web1")
    world.ca.say(m.LabelHost("web1", (("env", "prod"),), None, None), m.HostReply, "admin")
    world.ca.later(600)
    answer = world.post(ALICE, "/requests/new", host=["web1"])
    assert answer.status_code == 200, answer.text
    assert request_id in answer.text
    assert "Already requested" in answer.text


def test_a_dry_run_says_terms_steps_and_who_could_approve_and_records_nothing(world: FrontEnd) -> None:
    world.browser(BOB)
    world.browser(DANA)
    before = world.ca.kinds()
    page = dry(world, host=["db1"], reason="CHG-7 index", duration="8h")
    for shown in ("Needs 1 approval", "<code>database</code>", "postgres", "1 h", "the most that the rule allows"):
        assert shown in page
    for shown in ("Can approve: <bdi>Bob</bdi>", "if unanswered after 30 min", "within 15 min of approval", "once"):
        assert shown in page
    assert world.ca.kinds() == before


def test_a_dry_run_asks_for_the_reason_as_the_rule_does(world: FrontEnd) -> None:
    page = dry(world, host=["db1"])
    assert '<label for="reason" id="reason-label">Incident or change number</label>' in page
    assert "Fix this first" in page
    page = world.page(ALICE, "/requests/new?host=web1")
    assert '<label for="reason" id="reason-label">Reason</label>' in page
    assert "Granted immediately" in page


def test_who_asks_again_from_elsewhere_reads_that_it_does_not_work_there(world: FrontEnd) -> None:
    world.ca.change_policy('name = "staging"\n', 'name = "staging"\nsource = "client"\n')
    login = world.ca.native(named(ALICE))
    request_id = world.ca.ask(login, "web1", address="192.0.2.7").request.id
    answer = world.post(ALICE, "/requests/new", host=["web1"])
    assert answer.status_code == 200, answer.text
    assert f"{request_id} works from 192.0.2.7 alone, and not from 127.0.0.1" in answer.text


def test_a_plain_no_is_previewed_in_the_authoritys_words_and_said_by_it(world: FrontEnd) -> None:
    world.browser(DANA)
    world.authority.messages.clear()
    assert "Not allowed" in dry(world, host=["web1"], reason="CHG-7")
    assert not any(isinstance(message, m.Ask | m.Explain) for message in world.authority.messages)
    answer = world.post(DANA, "/requests/new", host=["web1"], reason="CHG-7")
    assert answer.status_code == 403
    login = next(each for each in world.ca.logins.values() if each.person.email == DANA.email)
    refused = world.ca.say_all(
        [m.Ask(login.id, ("web1",), None, "shell", None, None, "CHG-7", certificate=False, address="")]
    )[0]
    assert str(refused).capitalize() in answer.text
    assert 'href="/explain"' in answer.text


def test_all_hosts_with_a_label_by_one_request(world: FrontEnd) -> None:
    request_id = world.ask(ALICE, "", labels="env=staging", login="deploy")
    assert world.view(ALICE, request_id).hosts == ("web1", "web2")
    answer = world.post(ALICE, "/requests/new", labels="env")
    assert answer.status_code == 400
    assert "A label is written with its value" in answer.text


def test_a_window_that_opens_later(world: FrontEnd) -> None:
    request_id = world.ask(ALICE, "web1", login="deploy", start="2027-01-16T09:30")
    view = world.view(ALICE, request_id)
    assert view.start == 1_800_091_800
    page = world.page(ALICE, f"/requests/{request_id}")
    assert "2027-01-16 09:30 UTC" in page
    assert "Approved; starts" in page
    assert world.post(ALICE, "/requests/new", host=["web1"], start="tomorrow").status_code == 400
    late = world.post(ALICE, "/requests/new", host=["web1"], start="2028-01-16T09:30")
    assert "bad_start" in late.text


def test_an_exact_command_is_kept_while_something_else_is_wrong(world: FrontEnd) -> None:
    answer = world.post(DANA, "/requests/new", host=["db1"], action="command", command="uptime -p", labels="env")
    assert answer.status_code == 400
    for shown in ('value="uptime -p"', 'value="env"', 'value="db1" checked'):
        assert shown in answer.text


def test_a_step_up_leads_to_a_fresh_sign_in(world: FrontEnd) -> None:
    world.browser(ALICE)
    world.ca.later(1200)
    answer = world.post(ALICE, "/break-glass", host="db1", again="db1", reason="the orders database is down")
    assert answer.status_code == 403
    assert "step_up" in answer.text
    assert 'formaction="/continue" formnovalidate name="form" value="pages.take"' in answer.text


def test_a_form_that_outlived_its_session_is_filled_in_again_after_the_sign_in(world: FrontEnd) -> None:
    fields = {
        "form_token": outdated(form_token(world.browser(ALICE))),
        "host": ["web1", "web2"],
        "reason": "CHG-7 add index & more",
        "login": "",
    }
    headers = {"Origin": world.origin}
    answer = world.browser(ALICE).post("/requests/new", data=fields, headers=headers)
    assert answer.status_code == 403
    assert "You were signed out" in answer.text
    assert "bring back what you typed" in answer.text
    back = re.search(r'href="([^"]*sign-in[^"]*)"', answer.text)
    assert back is not None
    (target,) = parse_qs(urlsplit(html.unescape(back[1])).query)["next"]
    page = world.page(ALICE, target)
    for shown in ('value="web1" checked', 'value="web2" checked', 'value="CHG-7 add index &amp; more"'):
        assert shown in page
    long = world.browser(ALICE).post("/requests/new", data={**fields, "reason": "x" * 20_000}, headers=headers)
    assert "bring back" not in long.text
    foreign = world.browser(ALICE).post("/requests/new", data=fields, headers={"Origin": "https://evil.example"})
    assert "sent from another site" in foreign.text
    assert "bring back" not in foreign.text


def test_an_expired_sign_in_comes_back_to_the_page_whose_form_was_sent(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    fields = {"form_token": world.page(DANA, "/requests").split('name="form_token" value="')[1].split('"')[0]}
    world.ca.later(40_000)
    headers = {"Origin": world.origin}
    answer = world.browser(DANA).post(f"/requests/{request_id}/comment", data={**fields, "text": "x"}, headers=headers)
    assert answer.status_code == 401
    assert "/sign-in?next=/continue/" in answer.text


def test_more_time_is_asked_on_the_grant_and_answered_by_itself(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    view = world.view(DANA, request_id)
    world.post(BOB, f"/requests/{request_id}/approve", digest=view.digest, confirmed="yes")
    assert "Request 30 min more" in world.page(DANA, f"/requests/{request_id}")
    assert world.post(DANA, f"/requests/{request_id}/extend").status_code == 400
    answer = world.post(DANA, f"/requests/{request_id}/extend", reason="CHG-7 takes longer")
    more = answer.location.rpartition("/")[2]
    assert f'href="/requests/{request_id}"' in world.page(BOB, f"/requests/{more}")
    view, ends = world.view(DANA, more), world.view(DANA, request_id).ends
    world.post(BOB, f"/requests/{more}/approve", digest=view.digest, confirmed="yes")
    assert world.view(DANA, request_id).ends == (ends or 0) + 1800


def test_the_grants_page_lists_who_asked_for_more_time_and_what_was_said_and_notices_it(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    world.post(BOB, f"/requests/{request_id}/approve", digest=world.view(DANA, request_id).digest, confirmed="yes")
    path = f"/requests/{request_id}"
    assert "<h2>More time</h2>" not in world.page(DANA, path)
    versions = [world.get(DANA, f"{path}/state").json]
    for verdict, said in (("deny", "come back at noon"), ("approve", "it is noon")):
        asked = world.post(DANA, f"{path}/extend", reason=f"CHG-7 takes <b>longer</b>, {verdict}")
        more = asked.location.rpartition("/")[2]
        versions.append(world.get(DANA, f"{path}/state").json)
        assert f'<a href="/requests/{more}"><strong>30 min more</strong></a>' in world.page(BOB, path)
        assert "expires in" in world.page(BOB, path)
        fields = {"digest": world.view(DANA, more).digest, "comment": said, "denial": said, "confirmed": "yes"}
        world.post(BOB, f"/requests/{more}/{verdict}", **fields)
        versions.append(world.get(DANA, f"{path}/state").json)
    assert len({str(version) for version in versions}) == 5
    for person in (DANA, BOB, EVE):
        listed = world.page(person, path).split("<h2>More time</h2>")[1].split("</section>")[0]
        denied, approved = listed.split("30 min more")[1:]
        assert ('<span class="badge no">Denied</span>' in denied, "come back at noon" in denied) == (True, True)
        assert ('<span class="badge live">Approved</span>' in approved, "it is noon" in approved) == (True, True)
        assert "&lt;b&gt;longer" in approved
        assert "active until" in approved
    world.ca.later(7200)
    assert '<span class="badge over">Approved</span>' in world.page(DANA, path)


def test_until_it_is_used_the_pages_say_when_it_lapses(world: FrontEnd) -> None:
    """Who learns of it from a refusal learns of it too late."""
    request_id = world.ask(DANA, "db1", login="postgres")
    world.post(BOB, f"/requests/{request_id}/approve", digest=world.view(DANA, request_id).digest, confirmed="yes")
    pages = ("/requests", f"/requests/{request_id}")
    assert all("must be used within <strong>" in world.page(DANA, path) for path in pages)
    world.ca.say(m.SignUser(world.ca.native(DANA), request_id), m.CertificateReply)
    assert not any("must be used" in world.page(DANA, path) for path in pages)


def test_who_decides_hears_of_all_groups_and_until_when_other_grants_are_open(world: FrontEnd) -> None:
    crowd = replace(ALICE, groups=("SRE", *(f"group {number:02}" for number in range(30))))
    open_one = world.ask(crowd, "web1")
    broken = world.post(crowd, "/break-glass", host="db1", again="db1", reason="the orders database is down")
    page = world.page(BOB, broken.location)
    assert "and 11 more" in page
    other = page.split("<h3>Active</h3>")[1].split("</ul>")[0]
    assert f"/requests/{open_one}" in other
    assert ", until <time" in other


def test_an_open_grant_that_is_asked_again_is_shown_with_what_extends_it(world: FrontEnd) -> None:
    request_id = world.ask(DANA, "db1", login="postgres")
    world.post(BOB, f"/requests/{request_id}/approve", digest=world.view(DANA, request_id).digest, confirmed="yes")
    world.post(DANA, f"/requests/{request_id}/extend", reason="CHG-7 takes longer")
    again = world.post(DANA, "/requests/new", host=["db1"], login="postgres", reason="CHG-7 add index")
    assert again.status_code == 200
    version = world.get(DANA, f"/requests/{request_id}/state").json
    assert version is not None
    assert f'data-version="{version["version"]}"' in again.text


@pytest.mark.parametrize("path", ["/explain?more=db1", "/explain?labels=env%3Dprod&login=postgres&break_glass=yes"])
def test_every_rule_is_explained_to_oneself(world: FrontEnd, path: str) -> None:
    page = world.page(DANA, path)
    for rule in ("staging", "database", "on-call"):
        assert f"<code>{rule}</code>" in page
    assert 'id="person"' not in page


def test_others_are_explained_to_those_with_the_permission(world: FrontEnd) -> None:
    world.browser(ALICE)
    page = world.page(BOB, "/explain?person=Alice&more=db1&login=postgres")
    for shown in ("<bdi>Alice</bdi>: Not allowed", "It is for the role dba, which is not held"):
        assert shown in page
    refused = world.get(DANA, "/explain?person=Alice&more=db1")
    assert refused.status_code == 403
    assert "not_permitted" in refused.text
    assert world.get(BOB, "/explain?person=nobody&more=db1").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/explain?person={}&more={}&reason={}", "/history?find={}", "/log?person={}&host={}", "/break-glass?host={}"],
)
def test_t29_what_stands_in_a_link_is_inert(world: FrontEnd, path: str) -> None:
    evil = "%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AEgnp"
    page = world.get(ALICE, path.replace("{}", evil)).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "⟨U+202E⟩" in page
    assert "\u202e" not in page


def test_rules_are_turned_by_pages_and_the_answer_stays_on_top(world: FrontEnd) -> None:
    more = "".join(
        f'[[allow]]\nname = "team-{number}"\nroles = ["lead"]\nhosts = {{ role = "r{number}" }}\nlogins = ["deploy"]\n'
        'approvals = []\ngrant = "1h"\ncertificate = "5m"\n'
        for number in range(60)
    )
    world.ca.change_policy('[[break_glass]]\nname = "on-call"', f'{more}[[break_glass]]\nname = "on-call"')
    world.ca.later(10)
    first = world.page(ALICE, "/explain?more=web1&login=deploy")
    later = re.search(r'href="(/explain[^"]*from=40[^"]*)"', first)
    assert later is not None
    second = world.page(ALICE, html.unescape(later[1]))
    assert "team-1<" in first
    assert "team-59<" in second
    for page in (first, second):
        assert "Granted immediately" in page


def test_what_is_reached_through_a_bastion_is_shown_so_and_the_bastion_s_denies_are_foretold(world: FrontEnd) -> None:
    gate = m.AddHost("gate", (), "198.51.100.1", 22, (("env", "prod"), ("role", "gate")), (), jump_login="jump")
    behind = m.AddHost("app1", (), "10.0.0.5", 22, (("env", "staging"), ("role", "web")), (), via="gate")
    for host in (gate, behind):
        world.ca.say(host, m.HostReply, "admin")
    page = world.page(ALICE, "/requests/new?host=app1")
    assert "via <bdi>gate</bdi></span></span></label>" in page
    assert "Granted immediately" in page
    assert "via <bdi>gate</bdi>" in world.page(ALICE, "/requests/new?q=gate"), "it is found by its bastion too"
    shown = world.page(ALICE, f"/requests/{world.ask(ALICE, 'app1')}")
    assert "via <bdi>gate</bdi>" in shown
    deny = '[[deny]]\nname = "closed"\nhosts = { role = "gate" }\n[[allow]]\nname = "staging"'
    world.ca.change_policy('[[allow]]\nname = "staging"', deny)
    world.ca.later(600)
    said = policy_preview.find_hosts(world.ca.say(m.ReadHosts(None), m.HostsReply, "admin").hosts, ("app1",), ())
    assert said is not None
    assert said[0].bastion is not None
    assert (said[0].bastion.host.name, said[0].bastion.login) == ("gate", "jump")
    answer = world.post(ALICE, "/requests/new", host=["app1"], dry="yes")
    assert "denies access to gate, through which app1 is reached" in html.unescape(answer.text)


def test_a_host_whose_bastion_is_gone_is_left_to_the_ca() -> None:
    hosts = (m.HostView("app1", "app1", (), "10.0.0.5", 22, (), via="gate"),)
    assert policy_preview.find_hosts(hosts, ("app1",), ()) is None
